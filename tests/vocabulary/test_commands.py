"""What a spec says of the command as a whole: effects, exit codes, warnings, help, completion."""

import json
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete
from conftest import Cli, Server
from vocabulary.conftest import Call

from corpus_backfill_plugin.cli import backfill

HEAD = 'script = "thing.py"\n'
X = '[[option]]\nname = "x"\n'
DESTRUCTIVE = f'{HEAD}effect = "destructive"\n'


def test_a_destructive_command_asks(call: Call) -> None:
    agreed = call(DESTRUCTIVE, "-d", "postgresql://u:geheim@h/d", text="y\n")
    assert agreed.request.command == "thing"
    assert "thing changes data for good in postgresql://u:***@h/d. Run it?" in agreed.output
    assert call(DESTRUCTIVE, text="n\n").error == "not run"
    assert call(DESTRUCTIVE, text="\n").error == "not run", "no is the answer of who just presses Enter"


def test_nobody_there_to_answer_is_no(server: Server, cli: Cli) -> None:
    server.spec("thing", DESTRUCTIVE)
    server.script("thing.py")
    outcome = cli("thing", "--server-path", str(server.folder))
    assert (outcome.code, outcome.stdout.strip()) == (1, "")  # click below 8.3 prints a blank
    assert outcome.stderr.splitlines()[-2:] == [
        "Error: not run: nobody answered",
        "Give --yes to run it without the question.",
    ]


def test_yes_answers_beforehand_and_a_dry_run_asks_nothing(call: Call) -> None:
    for words in (("--yes",), ("--dry-run",)):
        answer = call(DESTRUCTIVE, *words)
        assert answer.request.dry_run is (words == ("--dry-run",))
        assert "Run it?" not in answer.output


@pytest.mark.parametrize("effect", ["read", "write"])
def test_other_effects_ask_nothing(effect: str, call: Call) -> None:
    assert "Run it?" not in call(f'{HEAD}effect = "{effect}"\n').output


def test_what_the_run_is_told_of_the_spec(call: Call) -> None:
    request = call(f'{HEAD}success-codes = [0, 3]\ntimeout = "1h30m"\nlock = false\n').request
    assert (request.success_codes, request.timeout, request.lock_key) == ((0, 3), 5400.0, None)
    assert call(f'{HEAD}timeout = "1h"\n', "--timeout", "90s").request.timeout == 90.0
    plain = call(HEAD).request
    assert (plain.success_codes, plain.timeout) == ((0,), None)
    assert plain.lock_key


def test_a_timeout_that_is_none_is_refused(call: Call) -> None:
    answer = call(HEAD, "--timeout", "soon")
    assert answer.code == 2
    assert "'soon' is not a duration" in answer.error


def test_a_success_code_is_forwarded_and_recorded_as_success(server: Server, cli: Cli) -> None:
    server.spec("thing", f"{HEAD}success-codes = [0, 3]\n")
    server.script("thing.py")
    where = ("--server-path", str(server.folder))
    assert cli("thing", *where, env={"EXIT": "3"}).code == 3
    assert cli("thing", *where, env={"EXIT": "4"}).code == 4
    runs = json.loads(cli("runs", "list", "--json").stdout)
    assert [run["state"] for run in runs] == ["failed", "succeeded"]


def test_a_timeout_of_the_spec_stops_the_script(server: Server, cli: Cli) -> None:
    server.spec("thing", f'{HEAD}timeout = "300ms"\n')
    server.script("thing.py", "import time; time.sleep(60)")
    outcome = cli("thing", "--server-path", str(server.folder))
    assert outcome.code == 130
    assert outcome.stderr.splitlines()[-1].endswith("(it took longer than 0.3 s).")


def test_standard_input_reaches_the_script(server: Server, cli: Cli) -> None:
    server.spec("thing", f"{HEAD}{X}pass-stdin = true\n")
    server.script("thing.py")
    assert cli("thing", "--server-path", str(server.folder), "--x", "a\nbö").told["stdin"] == "a\nbö"


def test_deprecated_warns_at_each_use(call: Call) -> None:
    answer = call(f'{HEAD}deprecated = "use other"\n{X}deprecated = "use --y"\n', "--x", "1")
    assert "Warning: this command is deprecated: use other" in answer.output
    assert "Warning: --x is deprecated: use --y" in answer.output
    assert answer.sent == ["--x", "1"]
    assert "Warning" not in call(f"{HEAD}{X}deprecated = true\ndefault = 'd'\n").output
    argument = '[[argument]]\nname = "a-file"\ndeprecated = true\n'
    assert "Warning: A_FILE is deprecated" in call(HEAD + argument, "v").output


def test_an_abbreviation_is_no_option(call: Call) -> None:
    assert "No such option" in call(X.replace('"x"', '"workers"'), "--work", "1").error


HELPFUL = f"""{HEAD}short-help = "Do the thing."
help = "Do the thing to each record."
examples = ["thing --mode fast"]
deprecated = "use other"
[[option]]
name = "mode"
short = "m"
aliases = ["speed"]
choices = ["fast", "slow"]
default = "slow"
help = "How to do it."
[[option]]
name = "rate"
type = "float"
min = 0
max = 1
envvar = "RATE"
metavar = "SHARE"
default-note = "half of them"
[[option]]
name = "tag"
multiple = "repeat"
max-items = 3
required-if = {{ mode = "fast" }}
[[option]]
name = "log"
value-optional = true
deprecated = "use --report"
requires = ["mode"]
[[option]]
name = "colour"
type = "bool"
negate = "--no-colour"
[[option]]
name = "inner"
hidden = true
[[argument]]
name = "the-file"
type = "path"
required = true
help = "What to read."
[[argument]]
name = "more"
multiple = true
"""


def test_help_tells_all_that_the_spec_says(call: Call) -> None:
    shown = " ".join(call(HELPFUL, "--help").output.split())
    for words in (
        "Usage: backfill thing [OPTIONS] THE_FILE [MORE]...",
        "Do the thing to each record.",
        "THE_FILE What to read. [required]",
        "[MORE]... [any number]",
        "-m, --mode, --speed [fast|slow] How to do it. [default: slow]",
        "--rate SHARE [env: RATE; default: half of them, chosen by the script; 0 to 1]",
        "--tag TEXT [at most 3 of them; may be repeated; required when --mode is fast]",
        "--log [TEXT] [deprecated: use --report; needs --mode]",
        "--colour / --no-colour",
        "backfill thing --mode fast",
    ):
        assert words in shown
    assert "--inner" not in shown


def test_the_list_has_one_line_and_no_hidden_command(call: Call) -> None:
    call(HELPFUL, "--help")
    from click.testing import CliRunner

    listed = CliRunner().invoke(backfill, ["--help"]).output
    assert "Do the thing. (deprecated: use other)" in " ".join(listed.split())
    call(f"{HEAD}hidden = true\n")
    assert "thing" not in CliRunner().invoke(backfill, ["--help"]).output.split()


def test_a_hidden_command_runs(call: Call) -> None:
    assert call(f"{HEAD}hidden = true\n{X}", "--x", "1").sent == ["--x", "1"]


def _completed(words: list[str], incomplete: str) -> list[str]:
    completer = ShellComplete(backfill, {}, "backfill", "_BACKFILL_COMPLETE")
    return [item.value for item in completer.get_completions(words, incomplete)]


COMPLETED = {
    "choices": ("choices = ['ab', 'b', 'abc']", "ab", ["ab", "abc"]),
    "choices in any case": ("choices = ['Ab', 'b']\nignore-case = true", "aB", ["Ab"]),
    "ints": ('type = "int"\nchoices = [1, 10, 2]', "1", ["1", "10"]),
    "suggestions": ("suggestions = ['x1', 'x2']", "", ["x1", "x2"]),
    "nothing known": ("", "", []),
}


@pytest.mark.parametrize(("keys", "start", "offered"), COMPLETED.values(), ids=COMPLETED)
def test_values_complete(keys: str, start: str, offered: list[str], call: Call) -> None:
    call(X + keys, "--help")
    assert _completed(["thing", "--x"], start) == offered
    call(f'[[argument]]\nname = "x"\n{keys}', "--help")
    assert _completed(["thing"], start) == offered


def test_options_complete_without_the_hidden(call: Call) -> None:
    call(HELPFUL, "--help")
    assert _completed(["thing"], "--mo") == ["--mode"]
    assert _completed(["thing"], "--in") == []


def test_a_path_completes_as_a_file(call: Call) -> None:
    call(f'{X}type = "path"', "--help")
    completer = ShellComplete(backfill, {}, "backfill", "_BACKFILL_COMPLETE")
    (item,) = completer.get_completions(["thing", "--x"], "some")
    assert (item.type, item.value) == ("file", "some")


HOSTILE = "a\\u001b[31mred\\u009b2J\\u202eback\\r"


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(f'{HEAD}help = "{HOSTILE}"\nshort-help = "{HOSTILE}"\n', id="help"),
        pytest.param(f'{HEAD}deprecated = "{HOSTILE}"\n{X}deprecated = "{HOSTILE}"\n', id="deprecated"),
        pytest.param(f'{X}help = "{HOSTILE}"\ndefault-note = "{HOSTILE}"\n', id="an option's help"),
        pytest.param(f'{X}choices = ["{HOSTILE}"]\n', id="choices"),
        pytest.param(f'{X}default = "{HOSTILE}"\n', id="default"),
        pytest.param(f'{X}suggestions = ["{HOSTILE}"]\n', id="suggestions"),
        pytest.param(f"{X}regex = 'z'\nregex-help = \"{HOSTILE}\"\n", id="regex-help"),
        pytest.param(f'{HEAD}fixed-args = ["{HOSTILE}"]\nenv = {{ A = "{HOSTILE}" }}\n{X}', id="constants"),
        pytest.param(f'{HEAD}subcommand = "{HOSTILE}"\n{X}', id="subcommand"),
        pytest.param(f'{X}metavar = "{HOSTILE}"\n', id="a fault"),
        pytest.param(f'{X}"{HOSTILE}" = "{HOSTILE}"\n', id="an unknown key"),
    ],
)
def test_no_control_character_of_a_spec_reaches_the_terminal(spec: str, call: Call) -> None:
    subcommands = ("specs try", "specs try --json", "specs show", "specs show --json", "specs check")
    lines: list[tuple[str, tuple[str, ...]]] = [
        ("", words) for words in (("--help",), ("--x", "y"), ("--show-command",))
    ]
    lines += [(line, ()) for line in subcommands]
    shown = "".join(call(spec, *words, sub=tuple(line.split())).output for line, words in lines)
    from click.testing import CliRunner

    for words in (["--help"], ["specs", "list"], ["specs", "list", "--json"], ["specs", "docs"], ["doctor"]):
        shown += CliRunner().invoke(backfill, words).output
    shown += "".join(_completed(["thing", "--x"], ""))
    assert not [c for c in shown if c not in "\n\t" and not c.isprintable()]


def test_what_show_command_prints_does_the_same_in_a_shell(call: Call, server: Server) -> None:
    value = "it's\n$x `y` \\ ü \x1b[31m\t\udcff"
    printed = call(f'{HEAD}env = {{ REGION = "a b" }}\n{X}', f"--x={value}", "--show-command").output
    server.script("thing.py", "import os, sys; print(ascii((sys.argv[1:], os.environ['REGION'])))")
    done = subprocess.run(["bash", "-c", printed], capture_output=True, text=True, check=True)
    assert done.stdout == ascii((["--x", value], "a b")) + "\n"
    assert sys.executable in printed


def test_click_knows_every_option_of_the_core(call: Call) -> None:
    answer = call(HEAD, "--help")
    assert answer.code == 0
    for option in ("--server-path", "--python", "--show-command", "--detach", "--wait", "--yes", "--debug"):
        assert option in answer.output
