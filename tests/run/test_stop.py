"""Stopping for certain: nothing of a run is left when `runs stop` returns, or it says what."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from run.conftest import COUNTS, IGNORES, Runs
from tools import wait_until

from corpus_backfill_plugin.agent import hook, link, processes, stop, verify
from corpus_backfill_plugin.agent.processes import boot_id, has_ended, is_same, namespace_id, start_time
from corpus_backfill_plugin.agent.records import Invocation, OnEnd

FAMILY = """
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)
    own = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    # In the group; in a session of its own with the lock closed; the same with the environment gone too.
    subprocess.Popen([sys.executable, "-c", own])
    subprocess.Popen([sys.executable, "-c", own], start_new_session=True)
    subprocess.Popen([sys.executable, "-c", own], start_new_session=True, env={}, close_fds=False)
    print("ready", flush=True)
    time.sleep(60)
"""
HIDDEN = """
    import os, sys
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 4096)
                own = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
                os.execve(sys.executable, [sys.executable, "-S", "-c", own, sys.argv[1]], {})
            os._exit(0)
    if sys.argv[2:]:
        gate()
"""
SLOW_TO_ADOPT = """
    import sys, time
    sys.path.insert(0, {!r})
    import supervisor
    adopt = supervisor.adopt_orphans
    supervisor.adopt_orphans = lambda: (time.sleep(1), adopt())
    supervisor.main()
"""


def hidden(mark: str) -> list[int]:
    """Return the living processes that have `mark` as an argument, the supervisor left out."""
    found = []
    for pid in processes.pids():
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[1:2] == [b"-S"] and mark.encode() in words and start_time(pid):
                found.append(pid)
    return found


@pytest.mark.parametrize("ended", [True, False], ids=["script ended", "script lives"])
def test_hidden_daemons_are_of_the_run_named_and_ended(runs: Runs, *, ended: bool) -> None:
    # Their parents are dead, their files closed, their environment empty, and they begin before a supervisor
    # that takes orphans in after the start would be ready to.
    mark = f"hidden-{os.getpid()}-{ended}"
    slow = runs.script(SLOW_TO_ADOPT.format(str(Path(link.SUPERVISOR).parent)), "slow.py")
    runs.detach("--supervisor", slow, "--key", "k", runs.script(HIDDEN), mark, *([] if ended else ["stay"]))
    wait_until(lambda: len(hidden(mark)) == 4)
    if ended:
        wait_until(runs.files().exit.exists)
    assert {survivor.pid for survivor in runs.files().survivors()} >= set(hidden(mark))
    assert runs.run("--key", "k", runs.script("", "next.py")).code == 75
    assert runs.command("stop", "--after", "0.2").code == 0
    assert hidden(mark) == []
    assert runs.record().state == "stopped"


def test_no_signal_but_sigkill_ends_a_supervisor(runs: Runs) -> None:
    runs.detach(runs.script("gate()"))
    facts = runs.process()
    spared = {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM}
    for number in [*(signal.valid_signals() - spared), signal.SIGALRM, signal.SIGALRM, signal.SIGCONT]:
        os.kill(facts.supervisor, number)
        time.sleep(0.01)
    assert facts.is_supervised()
    assert facts.is_child()
    assert runs.let_end().state == "succeeded"


def test_a_supervisor_that_was_stopped_is_continued_by_stop(runs: Runs) -> None:
    runs.detach(runs.script("print('ready', flush=True); gate()"), until=b"ready")
    os.kill(runs.process().supervisor, signal.SIGSTOP)
    assert runs.command("stop", "--after", "5").code == 0
    assert (runs.record().state, runs.record().signal) == ("stopped", signal.SIGINT)


def test_a_script_that_obeys_gets_one_sigint(runs: Runs) -> None:
    runs.detach(runs.script(COUNTS), until=b"ready")
    ended = runs.command("stop")
    assert (ended.code, ended.err) == (0, b"Run 1 has ended: stopped.\n")
    assert runs.log() == b"ready\ngot INT\n"
    record = runs.record()
    assert (record.state, record.exit_code, record.reason) == ("stopped", 9, "runs stop")
    assert record.stopped_by == record.user


@pytest.mark.parametrize(
    ("ignored", "died_of"), [(1, signal.SIGTERM), (2, signal.SIGKILL)], ids=["INT", "both"]
)
def test_a_script_that_ignores_signals_is_ended(runs: Runs, ignored: int, died_of: int) -> None:
    runs.detach(runs.script(IGNORES.format(ignored)), until=b"ready")
    assert runs.command("stop", "--after", "0.3").code == 0
    assert (runs.record().state, runs.record().signal) == ("stopped", died_of)


@pytest.mark.parametrize("supervised", [True, False], ids=["supervised", "supervisor killed"])
def test_every_process_of_a_run_is_gone_when_stop_returns(runs: Runs, *, supervised: bool) -> None:
    runs.detach("--key", "k", runs.script(FAMILY), until=b"ready")
    place = runs.files()
    time.sleep(0.3)
    family = {survivor.pid for survivor in place.survivors()}
    assert len(family) == 4
    if not supervised:
        os.kill(runs.process().supervisor, signal.SIGKILL)
    assert runs.command("stop", "--after", "0.3").code == 0
    assert not [pid for pid in family if start_time(pid)]
    assert place.survivors() == []
    assert runs.record().state == ("stopped" if supervised else "lost")
    assert runs.run("--key", "k", runs.script("", "next.py")).code == 0


def test_what_is_left_is_named(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.detach(runs.script(IGNORES.format(2)), until=b"ready")
    monkeypatch.setattr(stop, "_KILL_SECONDS", 0.3)
    monkeypatch.setattr(stop, "signal_all", lambda *_: None)  # as with another user's process
    left = stop.stop(runs.files(), 0.1)
    assert [survivor.pid for survivor in left or []] == [runs.process().pid]
    monkeypatch.undo()
    assert stop.stop(runs.files(), 0) is None


def test_a_number_given_to_another_process_is_not_signalled() -> None:
    me = os.getpid()
    assert is_same(me, start_time(me), boot_id(), 0)
    assert not is_same(me, start_time(me) + 1, boot_id(), 0)
    assert not is_same(me, start_time(me), "another boot", 0)
    assert is_same(me, start_time(me), namespace_id(boot_id()), 0)
    assert not is_same(me, start_time(me), f"{boot_id()} 1", 0)  # of another container
    sleeping = os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
    processes.send(sleeping, start_time(sleeping) - 1, signal.SIGTERM)
    assert os.waitpid(sleeping, os.WNOHANG) == (0, 0)
    processes.send(sleeping, start_time(sleeping), signal.SIGKILL)
    assert os.waitpid(sleeping, 0) == (sleeping, signal.SIGKILL)
    child = os.posix_spawn("/bin/true", ["true"], {})
    wait_until(lambda: start_time(child) == 0)  # dead, and not yet waited for
    os.waitpid(child, 0)


def test_without_start_times_the_session_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_same(os.getpid(), 0, "", os.getsid(0))
    assert not is_same(os.getpid(), 0, "", os.getsid(0) + 1)
    monkeypatch.setattr(os, "getsid", lambda _: (_ for _ in ()).throw(ProcessLookupError()))
    assert not is_same(os.getpid(), 0, "", os.getpid())


def test_whoever_only_looks_at_the_lock_is_no_process_of_the_run(runs: Runs) -> None:
    runs.run(runs.script(""))
    place = runs.files()
    with place.alive.open() as looked_at:
        assert looked_at.readable()
        assert processes.survivors(place.token, place.alive) == []
    runs.command("stop", "1").refused(b"does not run any more: succeeded")


def test_a_child_that_ended_keeps_its_number_until_it_is_reaped() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    wait_until(lambda: has_ended(process))
    os.kill(process.pid, 0)
    assert process.wait() == 0
    assert has_ended(process)


@pytest.mark.parametrize("what", ["count", "on-end program"])
@pytest.mark.parametrize("script", ["", "import time; time.sleep(60)"], ids=["ended", "late"])
def test_no_number_is_signalled_that_was_reaped(
    what: str, script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, the group's number was signalled after the child had been reaped."""
    signalled: list[int] = []
    real = os.killpg

    def killpg(group: int, number: int) -> None:
        signalled.append(number)
        os.waitid(os.P_PID, group, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # raises: no child of ours
        real(group, number)

    monkeypatch.setattr(os, "killpg", killpg)
    job = Invocation(program=(sys.executable,), script="-c", arguments=(script,), folder="/", environ={})
    if what == "count":
        verify.count(job, None, seconds=0.5, environ=os.environ, stopped=lambda: False)
    else:
        on_end = OnEnd(program=(sys.executable, "-c", script), folder=str(tmp_path), timeout=1)
        hook._call(on_end, b"", job, lambda: False)
    assert signalled[-1] == signal.SIGKILL
