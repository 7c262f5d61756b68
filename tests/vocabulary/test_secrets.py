"""A secret is seen nowhere: not in help, errors, previews, records, nor among the output."""

import json
import sqlite3
from pathlib import Path

import pytest
from conftest import Cli, Server
from vocabulary.conftest import Call

SECRET = "geheim-4711"  # noqa: S105 - made up
TOKEN = '[[option]]\nname = "token"\nsecret = true\npass-env = "WORD"\nenvvar = "MY_TOKEN"\n'  # noqa: S105 - a spec
URLS = '[[option]]\nname = "from"\nsecret = "url"\npass-env = "FROM_URL"\nmultiple = "join"\n'
URL = f"postgresql://me:{SECRET}@host/name"


def test_it_reaches_the_script_by_variable(call: Call) -> None:
    job = call(TOKEN, "--token", SECRET).job
    assert job.environ["WORD"] == SECRET
    assert SECRET not in " ".join(job.argv)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--help",), id="help"),
        pytest.param(("--limit", "x"), id="another option's error"),
        pytest.param(("--show-command",), id="show-command"),
    ],
)
@pytest.mark.parametrize("where", ["environment", "default map"])
def test_no_screen_shows_it(words: tuple[str, ...], where: str, call: Call) -> None:
    env = {"MY_TOKEN": SECRET, "DATABASE_URL": URL} if where == "environment" else {}
    hosts = {"thing": {"token": SECRET, "database_url": URL}} if where == "default map" else {}
    answer = call(TOKEN, *words, env=env, default_map=hosts)
    assert answer.requests == ()
    assert SECRET not in answer.output


@pytest.mark.parametrize("keys", ["regex = 'a+'\nregex-help = 'only a'", "max-length = 3"])
def test_its_own_error_does_not_show_it(keys: str, call: Call) -> None:
    answer = call(TOKEN + keys, "--token", SECRET)
    assert answer.code == 2
    assert "the value is not allowed (not shown: it is a secret)" in answer.error
    assert SECRET not in answer.output


def test_a_separator_in_a_secret_is_told_without_it(call: Call) -> None:
    answer = call(f'{TOKEN}multiple = "join"', "--token", f"{SECRET},x")
    assert answer.code == 2
    assert "--token: a value holds ','" in answer.error
    assert SECRET not in answer.output


def test_a_preview_takes_it_from_the_shells_environment(call: Call) -> None:
    answer = call(TOKEN, "--token", SECRET, "--show-command")
    assert 'WORD="${WORD:?}"' in answer.output


def test_a_try_shows_its_name(call: Call) -> None:
    plain = call(TOKEN, "--token", SECRET, "-d", URL, sub=("specs", "try"))
    assert SECRET not in plain.output
    assert "WORD=***" in plain.output
    told = json.loads(call(TOKEN, "--token", SECRET, sub=("specs", "try", "--json")).output)
    assert told["environment"]["WORD"] == "***"


def test_the_request_keeps_it_for_the_script_alone(call: Call) -> None:
    request = call(TOKEN + URLS, "--token", SECRET, "--from", URL, "--from", URL, "-d", URL).request
    shown = "postgresql://me:***@host/name"
    assert request.options == {"database-url": shown, "token": "***", "from": [shown, shown]}
    assert request.database == shown
    assert {SECRET, URL} <= {secret.value for secret in request.invocation.secrets}


def test_a_secret_that_the_script_inherits_is_one_whatever_the_spec_says(call: Call) -> None:
    spec = f'common = ["limit"]\n{TOKEN}'
    env = {"DATABASE_URL": URL, "WORD": "inherited-1", "PGPASSWORD": "pg-word", "MYSQL_PWD": "abc"}
    request = call(spec, env=env).request
    assert request.database == "postgresql://me:***@host/name"
    assert {SECRET, URL, "inherited-1", "pg-word"} <= {secret.value for secret in request.invocation.secrets}
    assert "abc" not in {secret.value for secret in request.invocation.secrets}, "it would eat the output"
    assert {"DATABASE_URL", "WORD", "MY_TOKEN"} <= set(request.invocation.secret_names)


def test_a_secret_that_is_no_text_is_refused(call: Call) -> None:
    answer = call('common = ["limit"]', env={"DATABASE_URL": "postgresql://u:\udcff@h/d"})
    assert answer.error.startswith("the value of DATABASE_URL is not UTF-8 text")


@pytest.mark.parametrize("url", [URL, f"host=h password={SECRET}", f"postgresql://me:x/{SECRET}@host/name"])
@pytest.mark.parametrize("common", ['["limit"]', '["database-url"]'])
def test_it_is_masked_in_the_logs_whatever_the_spec_says(
    url: str, common: str, server: Server, cli: Cli, tmp_path: Path
) -> None:
    server.spec("thing", f'script = "thing.py"\ncommon = {common}\n')
    server.script("thing.py", "import os; print(os.environ['DATABASE_URL'], flush=True)")
    outcome = cli("thing", "--server-path", str(server.folder), env={"DATABASE_URL": url})
    assert outcome.code == 0
    assert "printed a secret" in outcome.stderr
    told = outcome.stdout + outcome.stderr + cli("runs", "show", "--json").stdout + cli("runs", "logs").stdout
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert SECRET not in told
    assert SECRET.encode() not in kept


def test_a_run_leaves_it_nowhere(server: Server, cli: Cli, tmp_path: Path) -> None:
    server.spec(
        "thing", f'script = "thing.py"\n{TOKEN}[[option]]\nname = "pin"\nsecret = true\npass-stdin = true\n'
    )
    server.script("thing.py")
    words = ("thing", "--server-path", str(server.folder), "--token", SECRET, "--pin", "pin-0815", "-d", URL)
    outcome = cli(*words)
    assert outcome.code == 0
    assert outcome.told["stdin"] == "***", "the script printed it, and it was masked"
    assert "me:***@host/name" in outcome.told["environ"]["DATABASE_URL"]
    state = tmp_path / "state"
    kept = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    assert b"thing" in kept
    for secret in (SECRET, "pin-0815"):
        assert secret not in outcome.stdout + outcome.stderr
    with sqlite3.connect(state / "ledger.sqlite3") as ledger:
        dump = "\n".join(ledger.iterdump())
    assert SECRET not in dump
    assert "pin-0815" not in dump
    for shown in (("runs", "list"), ("runs", "show", "1"), ("runs", "list", "--json"), ("runs", "logs", "1")):
        assert SECRET not in cli(*shown).stdout
