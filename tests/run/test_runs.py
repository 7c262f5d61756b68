"""The `runs` commands, as people and programs use them."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pexpect
import pyte
import pytest

from corpus_backfill_plugin.agent import recover
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.text import duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from conftest import Server
    from run.conftest import Runs

    Call: TypeAlias = Callable[..., Any]

LISTED = set(
    "number command state exit_code signal started ended pid user arguments server".split()  # noqa: SIM905  shorter
)


@pytest.fixture
def three(runs: Runs) -> Runs:
    """One run that succeeded, one that failed, one that goes on until the gate is opened."""
    runs.run("--name", "first", runs.script("print('out'); import sys; print('err', file=sys.stderr)"))
    runs.run("--name", "second", runs.script("raise SystemExit(3)"))
    runs.detach("--name", "third", runs.script("print('on', flush=True); gate()"))
    return runs


def test_list_is_tab_separated_in_a_pipe_the_newest_first(three: Runs) -> None:
    for words in ((), ("list",)):
        rows = [line.split("\t") for line in three.command(*words).out.decode().splitlines()]
        assert [row[:3] for row in rows] == [
            ["3", "running", "third"], ["2", "failed", "second"], ["1", "succeeded", "first"],
        ]  # fmt: skip
        assert [row[5] for row in rows] == ["-", "3", "0"]


def test_list_is_json_on_request(three: Runs) -> None:
    rows = json.loads(three.command("--json").out)
    assert [row["number"] for row in rows] == [3, 2, 1]
    assert set(rows[0]) >= LISTED
    assert (bool(rows[0]["pid"]), rows[0]["ended"], rows[1]["exit_code"]) == (True, None, 3)
    assert rows[1]["started"] < rows[1]["ended"]


def test_list_is_narrowed(three: Runs) -> None:
    for words, numbers in (
        (("--state", "failed"), [2]),
        (("--command", "first"), [1]),
        (("--limit", "1"), [3]),
        (("--state", "lost"), []),
    ):
        rows = json.loads(three.command("list", "--json", *words).out)
        assert [row["number"] for row in rows] == numbers, words


def test_list_is_a_table_on_a_terminal(three: Runs) -> None:
    child = pexpect.spawn(
        sys.executable, ["-m", "corpus_backfill_plugin", "runs"], env=os.environ, dimensions=(24, 100)
    )
    child.expect(pexpect.EOF)
    child.close()
    screen = pyte.Screen(100, 24)
    pyte.Stream(screen).feed(child.before.decode())
    assert "number" in "\n".join(screen.display)
    newest = json.loads(three.command("--json", "--limit", "1").out)[0]
    assert any(line.split()[:3] == [str(newest["number"]), "running", "third"] for line in screen.display)


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
    ended = runs.command(command, "7")
    assert (ended.code, b"there is no run 7" in ended.err) == (1, True)


def test_logs_come_back_on_their_own_streams(three: Runs) -> None:
    assert three.command("logs", "1") == (0, b"out\n", b"err\n")
    assert three.command("logs", "1", "--stdout") == (0, b"out\n", b"")
    assert three.command("logs", "1", "--stderr") == (0, b"", b"err\n")


def test_logs_of_a_running_run_stop_where_they_are_unless_followed(three: Runs) -> None:
    three.wait_for_log(b"on", 3)
    assert three.command("logs", "3").out == b"on\n"
    assert three.record(3).state == "running"
    process = three.watch("logs", "3", "-f")
    assert process.stdout
    assert process.stdout.readline() == b"on\n"
    assert process.poll() is None
    three.gate.touch()
    assert process.wait(30) == 0
    assert three.wait_for_end(3).state == "succeeded"


def test_logs_that_are_gone_are_told(three: Runs) -> None:
    (three.state.run_folder(1) / "stdout.log").unlink()
    ended = three.command("logs", "1")
    assert (ended.code, b"are gone" in ended.err) == (1, True)


def test_attaching_to_a_run_whose_logs_are_gone_is_told(runs: Runs) -> None:
    runs.detach(runs.script("gate()"))
    (runs.state.run_folder(1) / "stdout.log").unlink()
    ended = runs.command("attach")
    assert (ended.code, b"are gone" in ended.err, b"unexpected" in ended.err) == (1, True, False)


def test_attach_shows_all_and_ends_with_the_scripts_code(runs: Runs) -> None:
    runs.detach(runs.script("print(1, flush=True); gate(); print(2); raise SystemExit(6)"))
    process = runs.watch("attach")
    assert runs.first_error(process).startswith(b"Attached to demo (run 1)")
    runs.gate.touch()
    assert process.communicate(timeout=30)[0] == b"1\n2\n"
    assert process.returncode == runs.record().exit_code == 6
    again = runs.command("attach", "1")
    assert (again.code, b"does not run any more" in again.err) == (1, True)


def test_two_may_watch_one_run(runs: Runs) -> None:
    first = runs.spawn(runs.script("print(1, flush=True); gate(); print(2)"))
    runs.wait_for_log(b"1")
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
    assert [row["number"] for row in json.loads(three.command("--json").out)] == [3]
    assert [path.name for path in three.state.runs.iterdir()] == ["3"]
    three.gate.touch()
    assert three.wait_for_end(3).state == "succeeded"


def test_prune_keeps_the_newest_and_the_young(three: Runs) -> None:
    assert three.command("prune", "--older-than", "1h").err == b"Forgot 0 runs.\n"
    _age(three, days=40)
    assert three.command("prune", "--older-than", "30d", "--keep", "2").err == b"Forgot 1 run.\n"
    assert [row["number"] for row in json.loads(three.command("--json").out)] == [3, 2]


def test_prune_refuses_what_is_no_age(runs: Runs) -> None:
    assert [runs.command("prune", *words).code for words in (("--older-than", "old"), ())] == [2, 2]


def change(runs: Runs, what: str) -> None:
    """Change the row of run 1, of which nobody noted the end."""
    with closing(sqlite3.connect(runs.state.ledger, isolation_level=None)) as db:
        db.execute(f"update runs set {what} where number = 1")  # noqa: S608  a test's own
    for name in ("exit", "verdict"):
        (runs.state.run_folder(1) / name).unlink(missing_ok=True)


def of_machine(runs: Runs, machine: str) -> None:
    """Have run 1 begun under another host name and boot, on `machine`, and not be said to have ended."""
    change(runs, "state = 'running', host = 'elsewhere', boot = 'other'")
    metadata = runs.place(1).metadata()
    assert metadata is not None
    runs.place(1).write_metadata(replace(metadata, machine=machine))


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
    ended = three.command("stop", "1")
    assert (ended.code, b"runs on elsewhere" in ended.err) == (1, True)


def test_a_run_of_a_former_boot_is_lost(three: Runs) -> None:
    change(three, "state = 'running', boot = 'before'")
    assert json.loads(three.command("show", "1", "--json").out)["state"] == "lost"


def test_durations_read_as_people_say_them() -> None:
    seconds = (0.04, 9.96, 12, 185, 7380, 349200, -5)
    assert [*map(duration, seconds)] == ["0.0s", "10.0s", "12s", "3m 05s", "2h 03m", "4d 01h", "0.0s"]


def _age(runs: Runs, days: int) -> None:
    """Make every run older."""
    with closing(sqlite3.connect(runs.state.ledger, isolation_level=None)) as db:
        db.execute("update runs set started = started - ?1, ended = ended - ?1", (days * 86400,))


class TestRerun:
    """`runs rerun`, with real specs on a server app."""

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

    @pytest.fixture
    def backfill(self, cli: Callable[..., Any], server: Server) -> Call:
        """Call the CLI on the server app."""
        server.spec("fill", self.SPEC)
        environ = {"CORPUS_SERVER_APP_PATH": str(server.folder), "MY_TOKEN": "s3cret-one"}
        return lambda *words, env=None: cli(*words, env=environ | (env or {}))

    def test_the_same_options_run_again_secrets_from_the_environment(self, backfill: Call) -> None:
        first = backfill("fill", "--mode", "fast")
        assert first.code == 0, first.stderr
        again = backfill("runs", "rerun", env={"MY_TOKEN": "s3cret-two"})
        assert again.code == 0, again.stderr
        assert '"--mode", "fast"' in again.stdout
        assert "s3cret" not in again.stdout
        record = json.loads(backfill("runs", "show", "--json").stdout)
        assert record["parent"] == 1
        assert record["options"] == {"mode": "fast", "token": "***"}

    def test_a_changed_script_is_refused_unless_anyway(self, backfill: Call, server: Server) -> None:
        backfill("fill", "--mode", "fast")
        path = server.scripts / "media_duration.py"
        path.write_text(path.read_text() + "# changed\n")
        refused = backfill("runs", "rerun")
        assert refused.code == 1
        assert "the script has changed" in refused.stderr
        assert backfill("runs", "rerun", "--anyway").code == 0

    def test_a_secret_that_is_not_there_is_asked_for(self, backfill: Call) -> None:
        backfill("fill")
        refused = backfill("runs", "rerun", env={"MY_TOKEN": None})
        assert "Set MY_TOKEN" in refused.stderr

    LABELS = (
        SPEC
        + """
[[option]]
name = "label"
envvar = "LABEL"
[[option]]
name = "tag"
multiple = "repeat"
[[argument]]
name = "place"
"""
    )

    @pytest.mark.parametrize(
        ("words", "lacking", "hint"),
        [
            (("--label", "s3cret-one-2024"), "--label", "Set LABEL, then repeat the run."),
            (("--tag", "x", "--tag", "s3cret-one"), "--tag", "Run `backfill fill` itself again, with --tag."),
            (("here-s3cret-one",), "PLACE", "Run `backfill fill` itself again, with PLACE."),
        ],
        ids=["option", "several values", "argument"],
    )
    def test_a_masked_value_is_not_run_for_the_true_one(
        self, backfill: Call, server: Server, words: tuple[str, ...], lacking: str, hint: str
    ) -> None:
        server.spec("fill", self.LABELS)
        assert backfill("fill", *words).code == 0
        refused = backfill("runs", "rerun", "--anyway")
        assert refused.code == 1
        assert f"run 1 can't be repeated: the value of {lacking} was not kept" in refused.stderr
        assert hint in refused.stderr

    def test_a_masked_value_can_be_given_anew(self, backfill: Call, server: Server) -> None:
        server.spec("fill", self.LABELS)
        backfill("fill", "--label", "s3cret-one-2024")
        again = backfill("runs", "rerun", env={"LABEL": "s3cret-one-2024"})
        assert again.code == 0, again.stderr
        assert '"--label", "***-2024"' in again.stdout
        assert "argument list has changed" in backfill("runs", "rerun", env={"LABEL": "else"}).stderr

    def test_stars_that_the_operator_typed_are_a_value(self, backfill: Call, server: Server) -> None:
        server.spec("fill", self.LABELS)
        backfill("fill", "--label", "***")
        assert '"--label", "***"' in backfill("runs", "rerun").stdout

    def test_another_database_is_named_and_one_that_nobody_can_read_is_not_taken_for_the_same(
        self, backfill: Call
    ) -> None:
        for url, said in (
            (
                "postgresql://h/d",
                "run 1 worked on postgresql://h/d, now it would be postgresql://h/d?service=x",
            ),
            ("postgresql://u:a/b@h/d", "the database can't be compared with that of run 2"),
        ):
            backfill("fill", env={"DATABASE_URL": url})
            again = url if "/b@" in url else f"{url}?service=x"
            assert said in backfill("runs", "rerun", env={"DATABASE_URL": again}).stderr
