"""The real `backfill` group in the hosts: the same answers as under plain Click."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hosts.answers import assert_same, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from conftest import Server

    from hosts.conftest import Launch, Outcome, Start

REFERENCE = "click_host"
WHOLE = os.environ.get("HOSTS_MATRIX") == "whole"
HOSTS = (
    ("rich_click_host", "cloup_host", "typer_added_host", "typer_lazy_host")
    if WHOLE
    else ("typer_lazy_host",)
)

SCRIPT = """\
import os, sys, time
print("called with", sys.argv[1:], flush=True)
match os.environ["END"]:
    case "killed":
        os.kill(os.getpid(), 9)
    case "wait":
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            sys.exit(130)
    case code:
        sys.exit(int(code))
"""

# What is typed, the exit code, what is said; SERVER stands for the server app's folder.
CASES = {
    "group help": ("--help", 0, "Fill in missing media durations"),
    "command help": ("duration --help", 0, "[audio|video|both]"),
    "nested help": ("runs --help", 0, "host backfill runs"),
    "unknown command": ("duraton", 2, "Did you mean 'duration'"),
    "unknown option": ("duration --wrokers 3", 2, "No such option"),
    "bad choice": ("duration --media-type text", 2, "text"),
    "bad int": ("duration --workers many", 2, "many"),
    "no server": ("--server-path nowhere duration", 1, "nowhere"),
    "show the command": ("--server-path SERVER snr --media-type video --show-command", 0, "snr_frequency.py"),
    "script exits 0": ("--server-path SERVER duration", 0, "called with"),
    "script exits 1": ("--server-path SERVER duration", 1, "called with"),
    "script exits 2": ("--server-path SERVER duration", 2, "called with"),
    "script exits 4": ("--server-path SERVER duration --limit 3", 4, "'--limit', '3'"),
    "script is killed": ("--server-path SERVER duration", 137, "called with"),
}
SLICE = ("command help", "unknown command", "bad choice", "no server", "script exits 4", "script is killed")


@pytest.fixture
def backfill(launch: Launch, make_server: Callable[[str], Server], tmp_path: Path) -> Callable[..., Outcome]:
    """Run one case in a host, with a state of its own, so that each run is the first."""
    server = make_server("corpus-server-app")
    server.script("media_duration.py", SCRIPT)

    def run(host: str, case: str) -> Outcome:
        words, code, _ = CASES[case]
        return launch(
            host,
            "backfill",
            *(str(server.folder) if word == "SERVER" else word for word in words.split()),
            HOST_GROUP="hosts.backfill",
            CORPUS_BACKFILL_STATE=str(tmp_path / f"state-{host}"),
            CORPUS_BACKFILL_PYTHON=sys.executable,
            END="killed" if code == 137 else str(code),
        )

    return run


@pytest.mark.parametrize("case", CASES if WHOLE else SLICE)
@pytest.mark.parametrize("host", HOSTS)
def test_backfill_answers_as_under_click(backfill: Callable[..., Outcome], host: str, case: str) -> None:
    expected = backfill(REFERENCE, case)
    assert expected.code == CASES[case][1]
    assert plain(CASES[case][2]) in plain(expected.out + expected.err)
    found = backfill(host, case)
    assert_same(found, expected)


@pytest.mark.parametrize("host", [REFERENCE, *HOSTS])
def test_ctrl_c_reaches_the_script_and_its_code_comes_back(
    start: Start, make_server: Callable[[str], Server], tmp_path: Path, host: str
) -> None:
    server = make_server("corpus-server-app")
    server.script("media_duration.py", SCRIPT)
    words = ("backfill", "--server-path", str(server.folder), "duration")
    environ = {
        "HOST_GROUP": "hosts.backfill",
        "CORPUS_BACKFILL_STATE": str(tmp_path / "state"),
        "CORPUS_BACKFILL_PYTHON": sys.executable,
        "END": "wait",
    }
    with start(host, *words, **environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("called with")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert out == "interrupted\n"
    assert "Traceback" not in err
    assert process.returncode == 130


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("host", [REFERENCE, *HOSTS])
def test_closed_streams_change_no_exit_code_and_reach_no_file(
    environment: Mapping[str, str], server: Server, tmp_path: Path, host: str, closed: str
) -> None:
    """The system gives a closed stream's number to the next file: the ledger, a lock, a log."""
    server.script("media_duration.py", SCRIPT)
    state = tmp_path / "state"
    setting = {
        "HOST_GROUP": "hosts.backfill",
        "CORPUS_BACKFILL_STATE": str(state),
        "CORPUS_BACKFILL_PYTHON": sys.executable,
        "CORPUS_SERVER_APP_PATH": str(server.folder),
        "END": "4",
    }

    def call(words: str) -> subprocess.CompletedProcess[str]:
        shell = f'exec "$@" {closed}'
        program = [sys.executable, "-m", f"hosts.programs.{host}", "backfill", *words.split()]
        return subprocess.run(
            ["sh", "-c", shell, "sh", *program],
            env={**environment, **setting}, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    for words, code in {"duration": 4, "duration --detach": 0, "runs list": 0, "duration --no": 2}.items():
        done = call(words)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), (words, done.stderr)
        assert bool(done.stdout) == (code != 2 and ">&-" not in closed.split()), words
    for number in ("1", "2"):
        log = state / "runs" / number / "stdout.log"
        until = time.monotonic() + 20
        while not log.read_text().startswith("called with") and time.monotonic() < until:
            time.sleep(0.05)
        assert len(log.read_text().splitlines()) == 1
    with closing(sqlite3.connect(state / "ledger.sqlite3")) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert ledger.execute("SELECT state, exit_code FROM runs WHERE number = 1").fetchone() == (
            "failed",
            4,
        )
