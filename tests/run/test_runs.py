"""The `runs` commands, as people and programs use them."""

import json

import pytest
from conftest import Cli, Server
from run.conftest import Runs, ended
from tools import cases

from corpus_backfill_plugin.agent import recover
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.value import replace

LISTED = {
    "number", "command", "state", "exit_code", "signal", "started", "ended", "pid", "user", "arguments",
    "server",
}  # fmt: skip


@pytest.fixture
def three(runs: Runs) -> Runs:
    """One run that succeeded, one that failed, one that goes on until the gate is opened."""
    runs.run("--name", "first", runs.script("print('out'); import sys; print('err', file=sys.stderr)"))
    runs.run("--name", "second", runs.script("raise SystemExit(3)"))
    runs.detach("--name", "third", runs.script("print('on', flush=True); gate()"))
    return runs


def listed(runs: Runs, *words: str) -> list[int]:
    return [row["number"] for row in json.loads(runs.command("list", "--json", *words).out)]


def test_list_is_tab_separated_in_a_pipe_the_newest_first(three: Runs) -> None:
    for words in ((), ("list",)):
        rows = [line.split("\t") for line in three.command(*words).out.decode().splitlines()]
        assert [row[:3] for row in rows] == [
            ["3", "running", "third"], ["2", "failed", "second"], ["1", "succeeded", "first"],
        ]  # fmt: skip
        assert [row[5] for row in rows] == ["-", "3", "0"]


def test_list_is_json_on_request_and_can_be_narrowed(three: Runs) -> None:
    rows = json.loads(three.command("--json").out)
    assert [row["number"] for row in rows] == [3, 2, 1]
    assert set(rows[0]) >= LISTED
    assert rows[0]["pid"]
    assert rows[0]["ended"] is None
    assert rows[1]["exit_code"] == 3
    assert rows[1]["started"] < rows[1]["ended"]
    assert listed(three, "--state", "failed") == [2]
    assert listed(three, "--command", "first") == [1]
    assert listed(three, "--limit", "1") == [3]
    assert listed(three, "--state", "lost") == []


def test_list_is_a_table_on_a_terminal(three: Runs, cli: Cli) -> None:
    seen = cli.terminal("runs", columns=100)
    rows = seen.finish()
    assert any("number" in row for row in rows)
    newest = json.loads(three.command("--json", "--limit", "1").out)[0]
    assert any(row.split()[:3] == [str(newest["number"]), "running", "third"] for row in rows)


def test_show_is_the_latest_or_the_one_named(three: Runs) -> None:
    assert json.loads(three.command("show", "--json").out)["number"] == 3
    facts = json.loads(three.command("show", "2", "--json").out)
    assert set(facts) >= LISTED
    assert facts["state"] == "failed"
    assert b"state\tfailed" in three.command("show", "2").out


@pytest.mark.parametrize("command", ["show", "logs", "attach", "stop", "rerun"])
def test_a_number_that_is_none_is_told(runs: Runs, command: str) -> None:
    assert b"no run has been recorded yet" in runs.command(command).err
    runs.run(runs.script(""))
    runs.command(command, "7").refused(b"there is no run 7")


def test_logs_come_back_on_their_own_streams(three: Runs) -> None:
    assert three.command("logs", "1") == (0, b"out\n", b"err\n")
    assert three.command("logs", "1", "--stdout") == (0, b"out\n", b"")
    assert three.command("logs", "1", "--stderr") == (0, b"", b"err\n")


def test_logs_of_a_running_run_stop_where_they_are_unless_followed(three: Runs) -> None:
    three.wait_for_log(b"on", 3)
    assert three.command("logs", "3").out == b"on\n"
    assert three.record(3).state == "running"
    process = three.watch("logs", "3", "-f")
    assert three.first_line(process) == b"on\n"
    assert process.poll() is None
    three.gate.touch()
    assert process.wait(30) == 0
    assert three.wait_for_end(3).state == "succeeded"


@pytest.mark.parametrize("words", [("logs", "1"), ("attach", "3")], ids=" ".join)
def test_logs_that_are_gone_are_told(three: Runs, words: tuple[str, str]) -> None:
    (three.state.run_folder(int(words[1])) / "stdout.log").unlink()
    three.command(*words).refused(b"are gone")


def test_attach_shows_all_and_ends_with_the_scripts_code(runs: Runs) -> None:
    runs.detach(runs.script("print(1, flush=True); gate(); print(2); raise SystemExit(6)"))
    process = runs.watch("attach")
    assert runs.first_error(process).startswith(b"Attached to demo (run 1)")
    runs.gate.touch()
    assert ended(process)[:2] == (6, b"1\n2\n")
    assert runs.record().exit_code == 6
    runs.command("attach", "1").refused(b"does not run any more")


def test_two_may_watch_one_run(runs: Runs) -> None:
    first = runs.spawn(runs.script("print(1, flush=True); gate(); print(2)"), until=b"1")
    second = runs.watch("attach")
    assert b"Attached" in runs.first_error(second)
    runs.gate.touch()
    assert [process.communicate(timeout=30)[0] for process in (first, second)] == [b"1\n2\n"] * 2


def test_escapes_in_a_name_do_not_reach_the_terminal(runs: Runs) -> None:
    runs.run("--name", "evil\x1b[2J", runs.script(""))
    for words in ((), ("show",), ("list", "--json")):
        assert b"\x1b" not in runs.command(*words).out


def test_prune_forgets_old_runs_with_their_logs_and_never_a_running_one(three: Runs) -> None:
    _age(three, days=40)
    assert three.command("prune", "--older-than", "30d").err == b"Forgot 2 runs.\n"
    assert listed(three) == [3]
    assert [path.name for path in three.state.runs.iterdir()] == ["3"]
    assert three.let_end(3).state == "succeeded"


def test_prune_keeps_the_newest_and_the_young(three: Runs) -> None:
    assert [three.command("prune", *words).code for words in ((), ("--older-than", "old"))] == [2, 2]
    assert three.command("prune", "--older-than", "1h").err == b"Forgot 0 runs.\n"
    _age(three, days=40)
    assert three.command("prune", "--older-than", "30d", "--keep", "2").err == b"Forgot 1 run.\n"
    assert listed(three) == [3, 2]


def of_machine(runs: Runs, machine: str) -> None:
    """Have run 1 begun under another host name and boot, on `machine`, and not be said to have ended."""
    runs.sql("update runs set state = 'running', host = 'elsewhere', boot = 'other' where number = 1")
    metadata = runs.files(1).metadata()
    assert metadata is not None
    runs.files(1).write_metadata(replace(metadata, machine=machine))
    for name in ("exit", "verdict"):
        (runs.state.run_folder(1) / name).unlink(missing_ok=True)


def test_a_machine_that_got_another_name_and_was_booted_leaves_no_running_run(
    three: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover, "machine_id", lambda: "this one")
    for machine, state in (("another", "running"), ("", "running"), ("this one", "lost")):
        of_machine(three, machine)
        with Ledger(three.state.ledger) as ledger:
            recover.recover(three.state, ledger)
        assert three.record(1).state == state


def test_a_running_run_of_another_machine_is_left_alone(three: Runs) -> None:
    of_machine(three, "another")
    assert json.loads(three.command("show", "1", "--json").out)["state"] == "running"
    three.command("stop", "1").refused(b"runs on elsewhere")


def test_a_run_of_a_former_boot_is_lost(three: Runs) -> None:
    three.sql("update runs set state = 'running', boot = 'before' where number = 1")
    for name in ("exit", "verdict"):
        (three.state.run_folder(1) / name).unlink()
    assert json.loads(three.command("show", "1", "--json").out)["state"] == "lost"


def _age(runs: Runs, days: int) -> None:
    """Make every run older."""
    runs.sql("update runs set started = started - ?1, done = ended - ?1", days * 86400)


SPEC = """
script = "media_duration.py"
[[option]]
name = "mode"
[[option]]
name = "token"
secret = true
pass-env = "TOKEN"
envvar = "MY_TOKEN"
"""
LABELS = f"""{SPEC}
[[option]]
name = "label"
envvar = "LABEL"
[[option]]
name = "tag"
multiple = "repeat"
[[argument]]
name = "place"
"""


@pytest.fixture
def fill(cli: Cli, server: Server, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The program on a server app with the command `fill`."""
    server.spec("fill", SPEC)
    monkeypatch.setenv("CORPUS_SERVER_APP_PATH", str(server.folder))
    monkeypatch.setenv("MY_TOKEN", "s3cret-one")
    return cli


@pytest.fixture
def labels(fill: Cli, server: Server) -> Cli:
    """The same with more options."""
    server.spec("fill", LABELS)
    return fill


def test_rerun_takes_the_same_options_and_secrets_from_the_environment(fill: Cli) -> None:
    first = fill("fill", "--mode", "fast")
    assert first.code == 0, first.stderr
    again = fill("runs", "rerun", env={"MY_TOKEN": "s3cret-two"})
    assert again.code == 0, again.stderr
    assert '"--mode", "fast"' in again.stdout
    assert "s3cret" not in again.stdout
    record = fill.shown()
    assert record["parent"] == 1
    assert record["options"] == {"mode": "fast", "token": "***"}
    assert "Set MY_TOKEN" in fill("runs", "rerun", env={"MY_TOKEN": None}).stderr


def test_rerun_refuses_a_changed_script_unless_anyway(fill: Cli, server: Server) -> None:
    fill("fill", "--mode", "fast")
    path = server.scripts / "media_duration.py"
    path.write_text(path.read_text() + "# changed\n")
    fill("runs", "rerun").refused("the script has changed")
    assert fill("runs", "rerun", "--anyway").code == 0


@pytest.mark.parametrize(
    ("words", "lacking", "hint"),
    cases("""
        option         | --label s3cret-one-2024    | --label | Set LABEL, then try again.
        several values | --tag x --tag s3cret-one   | --tag   | Run `backfill fill` itself again, with --tag.
        argument       | here-s3cret-one            | PLACE   | Run `backfill fill` itself again, with PLACE.
    """),
)
def test_a_masked_value_is_not_run_for_the_true_one(labels: Cli, words: str, lacking: str, hint: str) -> None:
    assert labels("fill", *words.split()).code == 0
    refused = labels("runs", "rerun", "--anyway")
    assert refused.code == 1
    assert f"run 1 can't be repeated: the value of {lacking} was not kept" in refused.stderr
    assert hint in refused.stderr


def test_a_masked_value_can_be_given_anew(labels: Cli) -> None:
    labels("fill", "--label", "s3cret-one-2024")
    again = labels("runs", "rerun", env={"LABEL": "s3cret-one-2024"})
    assert again.code == 0, again.stderr
    assert '"--label", "***-2024"' in again.stdout
    assert "argument list has changed" in labels("runs", "rerun", env={"LABEL": "else"}).stderr


def test_stars_that_the_operator_typed_are_a_value(labels: Cli) -> None:
    labels("fill", "--label", "***")
    assert '"--label", "***"' in labels("runs", "rerun").stdout


def test_another_database_is_named_and_one_that_nobody_can_read_is_not_taken_for_the_same(fill: Cli) -> None:
    one, other = "postgresql://h/d", "postgresql://h/d?service=x"
    fill("fill", env={"DATABASE_URL": one})
    refused = fill("runs", "rerun", env={"DATABASE_URL": other})
    assert f"run 1 worked on {one}, now it would be {other}" in refused.stderr
    odd = {"DATABASE_URL": "postgresql://u:a/b@h/d"}
    fill("fill", env=odd)
    assert "the database can't be compared with that of run 2" in fill("runs", "rerun", env=odd).stderr
