"""What a person can cause is told in a line, by the real program: no `unexpected`, no traceback, no hang."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Cli, Server

HUGE = str(10**22)
RUN = ("version-0", "--no-verify")
CONFIG = "home/.config/corpus-backfill/config.toml"


@pytest.fixture
def ask(cli: Cli, server: Server) -> Callable[..., Outcome]:
    """Call the program with the server app set; whatever it says is no accident."""

    def call(*words: str, **env: str | None) -> Outcome:
        outcome = cli(*words, env={"CORPUS_SERVER_APP_PATH": str(server.folder)} | env)
        assert "unexpected" not in outcome.stderr
        assert "Traceback" not in outcome.stderr
        return outcome

    return call


@pytest.fixture
def elsewhere(server: Server) -> Callable[[str], Outcome]:
    """Run a line of shell in which `backfill` is the program."""

    def call(line: str, **env: str) -> Outcome:
        program = f'backfill() {{ {shlex.quote(sys.executable)} -m corpus_backfill_plugin "$@"; }}'
        variables = {"CORPUS_SERVER_APP_PATH": str(server.folder), "CORPUS_BACKFILL_PYTHON": sys.executable}
        done = subprocess.run(
            ["bash", "-c", f"{program}; {line}"],
            env=os.environ | variables | env, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "unexpected" not in outcome.stderr
        assert "Traceback" not in outcome.stderr
        return outcome

    return call


NOBODY = "~nosuchuser/x"
NO_HOME = "no home folder is known for ~nosuchuser"


@pytest.mark.parametrize(
    ("words", "env", "expected"),
    [
        pytest.param(("--server-path", NOBODY, *RUN), {}, (1, NO_HOME), id="a server app of nobody"),
        pytest.param((*RUN, "--python", NOBODY), {}, (1, NO_HOME), id="an interpreter of nobody"),
        pytest.param(
            ("runs",), {"CORPUS_BACKFILL_STATE": NOBODY}, (1, NO_HOME), id="a state folder of nobody"
        ),
        pytest.param(
            ("specs", "list"), {"CORPUS_BACKFILL_SPECS": NOBODY}, (0, NO_HOME), id="specs of nobody"
        ),
        *(
            pytest.param(
                ("runs", name, HUGE), {}, (1, f"there is no run {HUGE}"), id=f"{name} of a huge number"
            )
            for name in ("show", "logs", "attach", "stop", "rerun", "retry")
        ),
        pytest.param(
            ("runs", "show", "--", "-1"), {}, (2, "-1 is not in the range"), id="a run below nothing"
        ),
        pytest.param(
            ("runs", "show", "9" * 5000), {}, (2, "is not a valid integer"), id="digits without end"
        ),
        pytest.param(("runs", "--limit", HUGE), {}, (0, ""), id="a huge limit"),
        pytest.param(
            ("runs", "prune", "--older-than", "1d", "--keep", HUGE), {}, (0, "Forgot 0"), id="a huge keep"
        ),
        pytest.param(("runs", "stop", "--after", "nan"), {}, (2, "no number of seconds"), id="nan seconds"),
        pytest.param(
            ("runs", "stop", "--after", "1e400"), {}, (2, "no number of seconds"), id="endless seconds"
        ),
        pytest.param(("runs", "--command", "\udcff"), {}, (0, ""), id="a command's name that is no text"),
        pytest.param(
            RUN, {"DATABASE_URL": "x://\udcff"}, (2, "DATABASE_URL is not UTF-8"), id="a URL that is no text"
        ),
        pytest.param(
            RUN,
            {"CORPUS_BACKFILL_STATE": "/srv/\udcff"},
            (1, "is not UTF-8"),
            id="a state folder that is no text",
        ),
        pytest.param(
            ("fill", "--note", "\udcff"), {}, (2, "is not UTF-8 text"), id="a value that is no text"
        ),
        pytest.param(
            ("fill", "--much"), {"MUCH": "9" * 9}, (2, "1000 times at most"), id="a flag without end"
        ),
    ],
)
def test_odd_values_are_told(
    ask: Callable[..., Outcome],
    server: Server,
    words: tuple[str, ...],
    env: dict[str, str],
    expected: tuple[int, str],
) -> None:
    options = '[[option]]\nname = "note"\n[[option]]\nname = "much"\ntype = "count"\nenvvar = "MUCH"\n'
    server.spec("fill", f'script = "file_hashing.py"\n{options}')
    words = words if "MUCH" not in env else ("fill",)
    outcome = ask(*words, **env)
    assert (outcome.code, expected[1] in outcome.stderr) == (expected[0], True), outcome.stderr


def test_a_folder_that_is_gone_stops_only_what_needs_it(
    elsewhere: Callable[..., Outcome], tmp_path: Path
) -> None:
    gone = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; "
    assert elsewhere(gone + "backfill version-0 --no-verify").code == 0
    for line in ("backfill --server-path . version-0", "CORPUS_BACKFILL_STATE=here backfill runs"):
        refused = elsewhere(gone + line)
        assert (refused.code, "the current folder is gone" in refused.stderr) == (1, True)


@pytest.mark.parametrize("number", [8, 12, 16])
def test_few_open_files_are_told_or_are_enough(elsewhere: Callable[..., Outcome], number: int) -> None:
    for line in ("backfill version-0 --no-verify", "backfill runs", "backfill doctor"):
        outcome = elsewhere(f"ulimit -n {number}; {line}")
        assert outcome.code == 0 or "Too many open files" in outcome.stderr
        assert "Make room there" not in outcome.stderr, "there is room enough"
    assert elsewhere("backfill runs --state running").stdout == ""


def test_a_user_without_a_home_needs_a_state_folder_and_no_more(server: Server, tmp_path: Path) -> None:
    """The account has no passwd entry, as in a container that runs under any number."""
    nobody = "import pwd\ndef none(_): raise KeyError\npwd.getpwuid = pwd.getpwnam = none\n"
    program = f"{nobody}from corpus_backfill_plugin.__main__ import main\nmain()"
    environ = {name: value for name, value in os.environ.items() if name != "HOME"}
    environ |= {"CORPUS_SERVER_APP_PATH": str(server.folder), "CORPUS_BACKFILL_PYTHON": sys.executable}

    def call(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            env=environ, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
        )  # fmt: skip
        assert "unexpected" not in done.stderr
        return done.returncode, done.stderr

    for words in (RUN, ("doctor",), ("specs", "list"), ("status",), ("runs",)):
        assert call(*words)[0] == 0, words
    del environ["CORPUS_BACKFILL_STATE"]
    for words in (RUN, ("runs",)):
        code, said = call(*words)
        assert (code, "this user has no home folder" in said, "CORPUS_BACKFILL_STATE" in said) == (
            1,
            True,
            True,
        )
    assert not (tmp_path / "~").exists()
    assert call(*RUN, "--no-record")[0] == 0


def _many(path: Path) -> None:
    path.write_text("a = " + "[" * 500 + "]" * 500)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(os.mkfifo, "can't be read: not a plain file", id="a pipe"),
        pytest.param(lambda p: p.symlink_to("/dev/zero"), "can't be read: not a plain file", id="a device"),
        pytest.param(lambda p: p.mkdir(), "can't be read: Is a directory", id="a folder"),
        pytest.param(_many, "nested too deeply", id="nested"),
        pytest.param(lambda p: p.write_text("a" + ".a" * 20_000 + " = 1"), "too many parts", id="a long key"),
        pytest.param(lambda p: p.write_text("a = " + "9" * 5000), "too many digits", id="many digits"),
        pytest.param(lambda p: p.write_bytes(b"a" * (1 << 21)), "bytes, ", id="large"),
        pytest.param(lambda p: p.write_bytes(b"\xff"), "is not UTF-8", id="no text"),
        pytest.param(
            lambda p: p.write_text('on-end-timeout = "110000d"'),
            "too long a duration",
            id="a time without end",
        ),
    ],
)
def test_a_configuration_that_is_none_stops_a_run_and_doctor_finds_it(
    ask: Callable[..., Outcome], tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    config = tmp_path / CONFIG
    config.parent.mkdir(parents=True)
    make(config)
    refused = ask(*RUN)
    assert (refused.code, said in refused.stderr) == (1, True), refused.stderr
    assert ask("runs").code == 0
    assert [text for text in _faults(ask) if said in text]


def _faults(ask: Callable[..., Outcome]) -> list[str]:
    found = json.loads(ask("doctor", "--json").stdout)
    return [f"{finding['area']}: {finding['text']}" for finding in found if finding["state"] == "error"]


def test_doctor_finds_a_program_for_the_end_that_is_not_there(
    ask: Callable[..., Outcome], tmp_path: Path
) -> None:
    config = tmp_path / CONFIG
    config.parent.mkdir(parents=True)
    for program, fault in (
        ("./no", True),
        ("no-such", True),
        ("~nosuchuser/x", True),
        (sys.executable, False),
    ):
        config.write_text(f'on-end = ["{program}"]')
        assert any(f"on-end program {program} is not there" in text for text in _faults(ask)) is fault


@pytest.mark.parametrize(
    "damage",
    [
        "options = '{'", "view = '[[['", "state = 'odd'", "started = 1e300", "arguments = '3'",
        "took = 9e999",
    ],
)  # fmt: skip
def test_a_damaged_row_costs_its_own_run(ask: Callable[..., Outcome], tmp_path: Path, damage: str) -> None:
    for _ in range(3):
        assert ask(*RUN).code == 0
    with closing(sqlite3.connect(tmp_path / "state/ledger.sqlite3")) as db, db:
        db.execute(f"UPDATE runs SET {damage} WHERE number = 2")  # noqa: S608 - of this test
    listed = ask("runs")
    assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == ["3", "1"]
    assert "Warning: run 2 is left out, as its row is damaged" in listed.stderr
    shown = ask("runs", "show", "2")
    assert (shown.code, "The row of run 2 in the ledger" in shown.stderr) == (1, True)
    assert ask("runs", "show").code == 0
    assert ask("status").code == 0
    assert [text for text in _faults(ask) if text.startswith("ledger: The row of run 2")]
    assert ask(*RUN).code == 0


@pytest.mark.parametrize("damage", ["no database", "a folder", "a pipe", "no table"])
def test_a_damaged_ledger_is_told_and_doctor_finds_it(
    ask: Callable[..., Outcome], tmp_path: Path, damage: str
) -> None:
    assert ask(*RUN).code == 0
    ledger = tmp_path / "state/ledger.sqlite3"
    if damage == "no table":
        with closing(sqlite3.connect(ledger)) as db:
            db.execute("DROP TABLE runs")
    else:
        for path in ledger.parent.glob("ledger*"):
            path.unlink()
        make: dict[str, Callable[[Path], object]] = {
            "a folder": lambda p: p.mkdir(),
            "a pipe": os.mkfifo,
            "no database": lambda p: p.write_text("x" * 999),
        }
        make[damage](ledger)
    for words in (RUN, ("runs",), ("runs", "show", "1"), ("runs", "rerun")):
        outcome = ask(*words)
        assert (outcome.code, "The ledger" in outcome.stderr) == (1, True)
    assert [text for text in _faults(ask) if text.startswith("ledger: The ledger")]
    assert ask(*RUN, "--no-record").code == 0


def test_doctor_finds_a_disk_that_takes_nothing(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    assert ask(*RUN).code == 0
    locks = tmp_path / "state/locks"
    locks.rename(tmp_path / "locks")
    locks.symlink_to("/proc/self/fdinfo")  # nobody can make a file there, not even root
    assert [text for text in _faults(ask) if text.startswith(("disk: ", "state: "))]


def test_a_spec_of_twenty_thousand_options_is_refused_and_says_so(
    ask: Callable[..., Outcome], server: Server
) -> None:
    many = "".join(f'[[option]]\nname = "o{n}"\n' for n in range(20_000))
    server.spec("many", f'script = "file_hashing.py"\n{many}')
    said = "a list of 20000 items, 500 at most"
    assert said in ask("many").stderr
    assert said in ask("specs", "check", "many").stdout
    assert ask(*RUN).code == 0


@pytest.mark.parametrize("words", [("specs", "new"), ("specs", "new", "--run"), ("runs", "apply")])
def test_no_command_waits_for_a_pipe_or_reads_a_device(
    ask: Callable[..., Outcome], tmp_path: Path, words: tuple[str, ...]
) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    for path in (str(tmp_path / "pipe.py"), "/dev/zero"):
        outcome = ask(*words, path)
        assert (outcome.code, "read: not a plain file" in outcome.stderr) == (1, True)


def test_a_script_that_is_a_pipe_is_not_waited_for(ask: Callable[..., Outcome], server: Server) -> None:
    (server.scripts / "backfill_version_0.py").unlink()
    os.mkfifo(server.scripts / "backfill_version_0.py")
    assert "not a file" in ask(*RUN).stderr
    assert "cannot be read: not a plain file" in ask("specs", "check", "version-0").stdout


def test_a_pipe_in_the_place_of_a_run_is_pruned_and_not_waited_for(
    ask: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert ask(*RUN).code == 0
    folder = tmp_path / "state/runs/1"
    folder.rename(tmp_path / "taken")
    os.mkfifo(folder)
    assert "Forgot 1 run." in ask("runs", "prune", "--older-than", "0s").stderr
    assert list(folder.parent.iterdir()) == []


def test_a_pipe_in_the_place_of_a_file_of_a_run_is_not_waited_for(
    ask: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert ask(*RUN).code == 0
    for name in ("stdout.log", "run.json", "stop"):
        path = tmp_path / "state/runs/1" / name
        path.unlink()
        os.mkfifo(path)
    outcome = ask("runs", "logs")
    assert (outcome.code, "can't be read: no regular file" in outcome.stderr) == (1, True)
    for words in (("runs",), ("runs", "show"), ("status",), RUN):
        assert ask(*words).code == 0
