"""From a request to an exit code: what is shown, what is recorded, what is refused, and how it is judged."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import Mock

import click
import msgspec
import platformdirs
import pytest
from run.conftest import Runs, ended
from tools import cases, wait_until

import corpus_backfill_plugin
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.folder import Ending, Process, StopRequest
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.lock import Holder, is_free, key_path, take
from corpus_backfill_plugin.agent.outcome import exit_code, explain_failure, judge
from corpus_backfill_plugin.agent.plain import dump
from corpus_backfill_plugin.agent.records import Outcome
from corpus_backfill_plugin.runs.execute import Run

SPEAKS = """
    import sys, os
    print("to stdout"); print("to stderr", file=sys.stderr); sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_scripts_exit_code_and_streams_are_passed_on(runs: Runs, code: int) -> None:
    done = runs.run(runs.script(SPEAKS), str(code))
    assert done == (code, b"to stdout\n", b"to stderr\n")
    record = runs.record()
    assert (record.state, record.exit_code) == ("succeeded" if code == 0 else "failed", code)


def test_death_by_a_signal_is_128_and_its_number(runs: Runs) -> None:
    done = runs.run(runs.script("import os; os.kill(os.getpid(), 9)"))
    assert (done.code, b"died of SIGKILL" in done.err) == (128 + 9, True)
    assert (runs.record().state, runs.record().exit_code, runs.record().signal) == ("failed", None, 9)


def test_the_record_tells_who_what_where_and_how_long_and_is_closed_to_others(runs: Runs) -> None:
    script = runs.script(SPEAKS)
    before = time.time()
    runs.run(script, "0")
    record = runs.record()
    assert record.arguments[1:] == (script, "0")
    assert record.host == os.uname().nodename
    assert all((record.user, record.pid, record.ended))
    assert before <= record.started <= (record.ended or 0) <= time.time()
    assert 0 < (record.took or 0) < 30


def test_the_row_is_there_before_the_script(runs: Runs) -> None:
    script = """
        import sqlite3, sys
        print(sqlite3.connect(sys.argv[1]).execute("select state from runs").fetchall())
    """
    assert runs.run(runs.script(script), str(runs.state.ledger)).out == b"[('running',)]\n"

    for path in (runs.state.root, *runs.state.root.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_detach_prints_the_number_alone_and_returns_at_once(runs: Runs) -> None:
    done = runs.run("--detach", runs.script("gate(); raise SystemExit(4)"))
    assert done == (0, b"1\n", b"")
    assert runs.record().state == "running"
    assert runs.let_end().exit_code == 4


def test_a_second_run_of_the_kind_is_held_and_told_by_whom(runs: Runs) -> None:
    runs.detach("--key", "k", runs.script("gate()"))
    done = runs.run("--key", "k", runs.script(SPEAKS), "0")
    assert done.code == 75
    for word in (b"run 1", b"since", runs.record().user.encode(), b"runs attach 1", b"--wait"):
        assert word in done.err
    assert runs.sql("SELECT number FROM runs") == [(1,)]


def test_a_lock_that_its_ended_run_is_letting_go_of_is_waited_for(runs: Runs) -> None:
    runs.run("--key", "k", runs.script(SPEAKS), "0")
    path = key_path(runs.state.locks, "k")
    path.write_bytes(dump(Holder(1, "demo", "ann", "here", since=runs.record().started)))
    held = take(path)
    assert held is not None
    process = runs.spawn("--key", "k", runs.script(SPEAKS), "4")
    time.sleep(1)
    assert process.poll() is None
    os.close(held)
    assert process.wait(20) == 4


def test_a_run_on_no_certain_database_waits_for_all_of_its_command(runs: Runs) -> None:
    runs.detach("--key", "k.one", runs.script("gate()"))
    assert runs.run("--key", "k.two", runs.script(SPEAKS, "two.py"), "0").code == 0
    (
        runs.run("--key", "k", runs.script(SPEAKS, "next.py"), "0").refused(b"run 1 of", code=75),
        "not run 2, which came last and has ended",
    )
    for kind in (("--key", "other"), ()):
        assert runs.run(*kind, runs.script(SPEAKS, "other.py"), "0").code == 0
    process = runs.spawn("--wait", "--key", "k", runs.script(SPEAKS, "next.py"), "5")
    assert b"run 1 of" in runs.first_error(process)
    runs.gate.touch()
    assert ended(process).code == 5


def test_wait_starts_when_the_other_run_has_ended(runs: Runs) -> None:
    runs.detach("--key", "k", runs.script("gate()"))
    process = runs.spawn("--wait", "--key", "k", runs.script(SPEAKS, "next.py"), "5")
    assert b"waiting" in runs.first_error(process)
    runs.gate.touch()
    assert process.wait(30) == 5
    assert runs.record(2).started >= (runs.record(1).ended or 9e99)


def test_the_lock_is_held_until_the_last_process_of_the_run_is_gone(runs: Runs) -> None:
    forks = """
        import os, time
        if os.fork() == 0:
            os.setsid(); gate(); os._exit(0)
    """
    process = runs.spawn("--key", "k", runs.script(forks))
    wait_until(lambda: runs.state.run_folder(1).joinpath("exit").exists())
    assert runs.run("--key", "k", runs.script(SPEAKS, "next.py"), "0").code == 75
    runs.gate.touch()
    assert process.wait(20) == 0
    assert runs.run("--key", "k", runs.script(SPEAKS, "next.py"), "0").code == 0
    assert is_free(key_path(runs.state.locks, "k"))


def test_a_process_left_behind_is_waited_for_and_named(runs: Runs) -> None:
    leaves = """
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    """
    process = runs.spawn(runs.script(leaves))
    said = runs.first_error(process)
    assert b"still runs" in said
    assert b"time.sleep(60)" in said
    (left,) = runs.files().survivors()
    os.kill(left.pid, 9)
    assert process.wait(20) == 0
    record = runs.record()
    assert (record.ended or 0) - record.started > (record.took or 9e99)


def test_no_record_leaves_nothing(runs: Runs, tmp_path: Path) -> None:
    (temporary := tmp_path / "tmp").mkdir()
    done = runs.run("--no-record", runs.script(SPEAKS), "3", env=os.environ | {"TMPDIR": str(temporary)})
    assert done == (3, b"to stdout\n", b"to stderr\n")
    assert list(temporary.iterdir()) == []
    assert not runs.state.ledger.exists()


def test_no_record_works_where_no_state_can_be_kept(runs: Runs) -> None:
    runs.state.root.write_text("a file in its place")
    assert runs.run(runs.script(SPEAKS), "3").code == 1
    done = runs.run("--no-record", "--key", "k", runs.script(SPEAKS), "3")
    assert (done.code, done.out) == (3, b"to stdout\n")


@pytest.mark.parametrize(
    ("words", "said"),
    cases("""
        missing        | --program=/nowhere/python | not there
        not executable | --program=/etc/passwd     | Permission denied
        no program     | --program=./program       | no program of this system
        no folder      | --folder=/nowhere         | working folder
    """),
)
def test_what_cannot_start_is_an_error_of_one_line(runs: Runs, words: str, said: str) -> None:
    program = runs.folder / "program"
    program.write_bytes(b"\0no program")
    program.chmod(0o700)
    done = runs.run("--key", "k", words, "script.py")
    assert (done.code, said.encode() in done.err, b"Traceback" in done.err) == (1, True, False), done.err
    assert (runs.record().state, runs.record().exit_code) == ("failed", None)
    assert runs.run("--key", "k", runs.script(SPEAKS), "0").code == 0


def test_arguments_longer_than_the_system_allows_are_refused(runs: Runs) -> None:
    long = "x" * 120_000
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import drive\n"
        f"sys.exit(drive.main(['script.py', *['{long}'] * 60]))"
    )
    words = [runs.words()[0], "-c", code, os.path.dirname(runs.words()[1])]  # noqa: PTH120  of a text
    done = subprocess.run(words, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1, done.stderr
    said = (os.strerror(errno.E2BIG).encode(), b"longer than the system allows")
    assert any(text in done.stderr for text in said)
    assert runs.record().state == "failed"


SIGNALS = """
    import signal
    odd = [s.name for s in signal.Signals if signal.getsignal(s) == signal.SIG_IGN]
    print(odd, signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""
FILES = """
    import os
    for number in sorted(os.listdir("/proc/self/fd"), key=int):
        if int(number) > 2 and os.path.lexists(f"/proc/self/fd/{number}"):
            print(os.path.basename(os.readlink(f"/proc/self/fd/{number}")))
"""
READS = "import sys; print(repr(sys.stdin.read()))"
LEADS = "import os; print(os.getpid() == os.getpgid(0), os.getsid(0) == os.getppid())"


@pytest.mark.parametrize(
    ("words", "script", "out"),
    [
        pytest.param(("--stdin", "a text"), READS, ["'a text'"], id="its standard input"),
        pytest.param((), READS, ["''"], id="the end of it"),
        # Python itself ignores these two, in any process.
        pytest.param((), SIGNALS, ["['SIGPIPE', 'SIGXFSZ'] set()"], id="every signal at its default"),
        pytest.param((), LEADS, ["True True"], id="a group in a session of its own, which it leads"),
        pytest.param(("--key", "k"), FILES, ["alive", "k.lock"], id="no files but the locks and the streams"),
    ],
)
def test_what_a_script_finds(runs: Runs, words: tuple[str, ...], script: str, out: list[str]) -> None:
    assert sorted(runs.run(*words, runs.script(script)).out.decode().splitlines()) == out


def test_a_timeout_ends_the_run_as_stopped(runs: Runs) -> None:
    done = runs.run("--timeout", "0.5", runs.script("import time; time.sleep(60)"))
    assert done.code in {1, 130}
    record = runs.record()
    assert (record.state, record.stopped_by) == ("stopped", "timeout")
    assert "0.5 s" in record.reason


@pytest.fixture
def libraries(runs: Runs) -> Path:
    """A folder with this package and what it needs, none of it installed: named by PYTHONPATH alone."""
    folder = runs.folder / "lib"
    for module in (corpus_backfill_plugin, click, msgspec, platformdirs):
        origin = Path(str(module.__file__)).parent
        shutil.copytree(origin, folder / origin.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def detach_with(libraries: Path, runs: Runs) -> None:
    """Start a run that goes on until the gate is opened by a Python that has nothing but `libraries`."""
    _, *words = runs.words("--detach", runs.script("print('on', flush=True); gate()"))
    python = getattr(sys, "_base_executable", sys.executable)
    environ = os.environ | {"PYTHONPATH": str(libraries)}
    subprocess.run([python, "-s", *words], env=environ, check=True, capture_output=True, timeout=60)
    runs.wait_for_log(b"on")


@pytest.mark.parametrize("libraries_are", ["there", "replaced", "deleted"])
def test_a_finisher_works_by_what_it_was_started_with(
    runs: Runs, libraries: Path, libraries_are: str
) -> None:
    """By PYTHONPATH alone, with its package replaced by another release, with all libraries deleted."""
    detach_with(libraries, runs)
    if libraries_are == "deleted":
        shutil.rmtree(libraries)
    elif libraries_are == "replaced":
        for path in (libraries / "corpus_backfill_plugin").rglob("*.py"):
            path.write_text("raise SystemExit('another release')")
    assert runs.let_end().state == "succeeded"
    wait_until(lambda: not (runs.state.run_folder(1) / "finisher.log").exists())


def test_a_finisher_that_cannot_run_leaves_word_why(runs: Runs, libraries: Path) -> None:
    bundle = libraries / "corpus_backfill_plugin/agent/start.py"
    bundle.write_text(f"{bundle.read_text()}\n\ndef bundle(_): return None\n")  # as on a full disk
    detach_with(libraries, runs)
    shutil.rmtree(libraries)
    facts = runs.process()
    runs.gate.touch()
    wait_until(lambda: not facts.is_supervised())
    assert runs.files().finisher_failure() == (
        "its finisher failed: ModuleNotFoundError: No module named 'corpus_backfill_plugin'"
    )
    assert json.loads(runs.command("--json").out)[0]["state"] == "succeeded"


def test_a_lost_run_is_said_to_be_lost(runs: Runs) -> None:
    process = runs.spawn(runs.script("print('on', flush=True); gate()"), until=b"on")
    facts = runs.process()
    os.kill(facts.supervisor, 9)
    runs.gate.touch()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, b"on\n")
    assert b"lost" in err
    assert runs.record().state == "lost"
    wait_until(lambda: not runs.files().survivors())


def test_a_run_in_a_folder_that_was_taken_away_comes_to_an_end(runs: Runs) -> None:
    number = runs.detach(runs.script("gate()"))
    runs.state.run_folder(number).rename(runs.folder / "taken")
    shown = json.loads(runs.command("show", "--json").out)
    assert shown["state"] == "running"
    runs.gate.touch()
    wait_until(lambda: json.loads(runs.command("show", "--json").out)["state"] == "lost")


SABOTAGE = """
    import os, pathlib, sys
    (folder,) = pathlib.Path(os.environ["CORPUS_BACKFILL_STATE"]).glob("runs/[0-9]")
    if sys.argv[1] == "damaged":
        for name in ("process", "run.json"):
            (folder / name).write_text('{"')
    else:
        folder.rename(folder.with_name("away"))
        folder.mkdir()
"""


@pytest.mark.parametrize("how", ["damaged", "another"])
@pytest.mark.parametrize("watched", [True, False], ids=["watched", "detached"])
def test_a_script_that_meddles_with_its_run_folder_changes_no_record(
    runs: Runs, how: str, *, watched: bool
) -> None:
    """Before, the CLI ended with 0 and the record said: never started."""
    script = runs.script(SABOTAGE)
    if watched:
        assert runs.run(script, how).code == 0
    else:
        runs.detach(script, how)
        wait_until(lambda: b"running" not in runs.command("list").out)
    record = runs.record()
    assert (record.state, record.exit_code) == ("succeeded" if watched else "unverified", 0)
    assert watched or record.reason.startswith("what it was asked for is gone from its folder")


def test_without_room_for_a_folder_the_current_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, a run without a record that got no temporary folder deleted all that was in the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious").touch()
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(tempfile, "mkdtemp", Mock(side_effect=full))
    with pytest.raises(AgentError, match="No space left"):
        Run(Mock(), None, Ledger(None)).begin(Mock())
    assert (tmp_path / "precious").exists()


PROCESS = Process(2, 3, "b", 1, 3, 5, 0.0)
STOP = StopRequest("ann", "Ctrl-C", 5.0)
EXIT = 256


def ending(status: int) -> Ending:
    return Ending(at=9.0, took=4.0, status=status)


@pytest.mark.parametrize(
    ("seen", "stop", "process", "state", "code"),
    [
        pytest.param(ending(0), None, PROCESS, "succeeded", 0, id="success"),
        pytest.param(ending(4 * EXIT), None, PROCESS, "succeeded", 4, id="another code of success"),
        pytest.param(ending(3 * EXIT), None, PROCESS, "failed", 3, id="failure"),
        pytest.param(ending(15), None, PROCESS, "failed", 143, id="signal"),
        pytest.param(ending(0), STOP, PROCESS, "stopped", 0, id="stopped in peace"),
        pytest.param(ending(9), STOP, PROCESS, "stopped", 137, id="stopped by force"),
        pytest.param(None, None, PROCESS, "lost", 1, id="nobody saw the end"),
        pytest.param(None, STOP, PROCESS, "lost", 1, id="nobody saw the stop"),
        pytest.param(None, None, None, "lost", 1, id="never started"),
        pytest.param(Ending(9.0, 0.0, failure="2 program"), None, PROCESS, "failed", 1, id="no program"),
    ],
)
def test_state_and_code(
    seen: Ending | None, stop: StopRequest | None, process: Process | None, state: str, code: int
) -> None:
    outcome = judge(seen, stop, process, (0, 4), now=10.0)
    assert (outcome.state, exit_code(outcome)) == (state, code)
    assert outcome.stopped_by == ("ann" if stop else "")


def test_without_a_witness_nothing_is_claimed() -> None:
    assert judge(None, None, PROCESS, (0,), now=10.0) == Outcome(
        state="lost", ended=10.0, pid=2, reason="exit code unknown: its supervisor did not see the end"
    )


def test_a_failed_start_is_told_in_words() -> None:
    for failure, said in {
        f"{errno.ENOENT} program": "not there",
        f"{errno.EACCES} program": "Permission denied",
        f"{errno.E2BIG} program": "longer than the system allows",
        f"{errno.ENOEXEC} program": "no program of this system",
        f"{errno.ENOENT} folder": "working folder",
        f"{errno.ENOSPC} record": "run folder",
    }.items():
        assert said in explain_failure(failure)
