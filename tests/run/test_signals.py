"""Ctrl-C, Ctrl-Z, the quit key, a closed terminal and kill: what the script sees, and what the person."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import pytest
from run.conftest import COUNTS, IGNORES, Runs, ended
from terminals import Terminal
from tools import wait_until

Start: TypeAlias = Callable[..., Terminal]

BRIEF = "print('ready', flush=True); gate(); print('done', flush=True)"


@pytest.fixture
def terminal(runs: Runs) -> Iterator[Start]:
    """Start the driver in a terminal of its own, and wait until the script is ready."""
    with ExitStack() as stack:

        def start(*words: str, ready: str = "ready") -> Terminal:
            child = Terminal(runs.words(*words), columns=300)
            stack.callback(child.drop)
            child.until(ready)
            return child

        yield start


@pytest.mark.parametrize("through_uv", [False, True], ids=["python", "uv"])
def test_a_first_ctrl_c_is_one_sigint_for_the_script(
    runs: Runs, terminal: Start, *, through_uv: bool
) -> None:
    uv = shutil.which("uv", path=os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"])))  # noqa: PTH120  of a text
    assert uv
    programs = (uv, "run", "--no-project", "--python", sys.executable, "python") if through_uv else ()
    child = terminal(*(f"--program={word}" for word in programs), runs.script(COUNTS))
    child.process.sendintr()
    child.until("Asked demo (run 1) to stop; press Ctrl-C again to end it.")
    child.until("got INT\r\n")
    child.finish(code=9)
    record = runs.record()
    assert (record.state, record.exit_code, record.reason) == ("stopped", 9, "Ctrl-C")
    assert record.stopped_by == record.user


def test_a_second_ctrl_c_ends_a_script_that_ignores_the_first(runs: Runs, terminal: Start) -> None:
    child = terminal(runs.script(IGNORES.format(2)))
    child.process.sendintr()
    child.until("Asked")
    child.process.sendintr()
    child.until("Ending")
    child.finish(code=128 + 9)
    assert (runs.record().state, runs.record().signal) == ("stopped", 9)


def test_sigterm_is_passed_on_and_the_scripts_code_returned(runs: Runs) -> None:
    process = runs.spawn(runs.script(COUNTS), until=b"ready")
    process.terminate()
    assert ended(process)[:2] == (9, b"ready\ngot TERM\n")
    assert runs.record().state == "stopped"


def test_a_closed_terminal_leaves_the_run_going_on(runs: Runs, terminal: Start) -> None:
    child = terminal(runs.script(BRIEF))
    child.drop()
    assert runs.record().state == "running"
    assert runs.let_end().state == "succeeded"
    assert runs.log() == b"ready\ndone\n"


def test_sighup_is_left_by_the_cli_and_not_seen_by_the_script(runs: Runs) -> None:
    process = runs.spawn(runs.script(BRIEF), until=b"ready")
    process.send_signal(signal.SIGHUP)
    assert process.wait(10) == 128 + 1
    assert runs.let_end().state == "succeeded"


def test_ctrl_backslash_leaves_the_run_going_on_and_says_so(runs: Runs, terminal: Start) -> None:
    child = terminal(runs.script(BRIEF))
    child.process.send("\x1c")
    child.until("Left demo (run 1); it goes on.")
    child.finish(code=128 + 3)
    assert runs.let_end().state == "succeeded"


def test_ctrl_z_stops_the_viewer_alone_and_the_rest_is_shown_afterwards(runs: Runs) -> None:
    # In a group of its own below this process: the kernel stops no process of an orphaned group, and under
    # setsid or CI this one is orphaned.
    process = runs.spawn(runs.script(BRIEF), process_group=0, until=b"ready")
    process.send_signal(signal.SIGTSTP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    runs.gate.touch()
    runs.wait_for_log(b"done")
    process.send_signal(signal.SIGCONT)
    assert ended(process)[:2] == (0, b"ready\ndone\n")


@pytest.mark.parametrize("die", ["", "agent.link:Link.wait_for_start:before"], ids=["watching", "starting"])
def test_a_stopped_viewer_does_not_keep_the_record_open(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, die: str
) -> None:
    """Before, one that was stopped before it heard of the start held the run's locks as long."""
    monkeypatch.setenv("DEADLY_SIGNAL", "SIGSTOP")
    script = runs.script("import time; print('ready', flush=True); time.sleep(1)")
    process = runs.spawn("--key", "k", f"--die={die}", script, until=b"ready")
    process.send_signal(signal.SIGSTOP)
    assert runs.wait_for_end().state == "succeeded"
    assert runs.run("--wait", "--key", "k", runs.script("", "next.py")).code == 0
    process.send_signal(signal.SIGCONT)
    assert process.wait(20) == 0


def test_an_ignored_sighup_stays_ignored(runs: Runs) -> None:
    process = runs.spawn(
        runs.script(BRIEF), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN), until=b"ready"
    )
    process.send_signal(signal.SIGHUP)
    assert runs.record().state == "running"
    runs.gate.touch()
    assert ended(process)[:2] == (0, b"ready\ndone\n")


def test_sigterm_to_the_supervisor_asks_the_script(runs: Runs) -> None:
    runs.detach(runs.script(COUNTS), until=b"ready")
    os.kill(runs.process().supervisor, signal.SIGTERM)
    wait_until(lambda: runs.log().endswith(b"got TERM\n"))
    assert (runs.wait_for_end().state, runs.record().exit_code) == ("stopped", 9)


def test_a_wait_for_the_lock_is_left_with_ctrl_c(runs: Runs, terminal: Start) -> None:
    runs.detach("--key", "k", runs.script("gate()"))
    child = terminal("--wait", "--key", "k", runs.script("", "next.py"), ready="waiting")
    child.process.sendintr()
    child.finish()
    assert child.code != 0
    assert [path.name for path in runs.state.runs.iterdir()] == ["1"]
