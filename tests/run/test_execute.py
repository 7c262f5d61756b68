"""From a request to an exit code: what is shown, what is recorded, what is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import click
import msgspec
import platformdirs
import pytest
from tools import wait_until

import corpus_backfill_plugin
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.lock import Holder, is_free, key_path, take
from corpus_backfill_plugin.runs.execute import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from run.conftest import Runs

SPEAKS = """
    import sys, os
    print("to stdout"); print("to stderr", file=sys.stderr); sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_scripts_exit_code_and_streams_are_passed_on(runs: Runs, code: int) -> None:
    ended = runs.run(runs.script(SPEAKS), str(code))
    assert ended == (code, b"to stdout\n", b"to stderr\n")
    record = runs.record()
    assert (record.state, record.exit_code) == ("succeeded" if code == 0 else "failed", code)


def test_death_by_a_signal_is_128_and_its_number(runs: Runs) -> None:
    ended = runs.run(runs.script("import os; os.kill(os.getpid(), 9)"))
    assert ended.code == 128 + 9
    assert b"died of SIGKILL" in ended.err
    assert (runs.record().state, runs.record().exit_code, runs.record().signal) == ("failed", None, 9)


def test_the_record_tells_who_what_where_and_how_long(runs: Runs) -> None:
    script = runs.script(SPEAKS)
    before = time.time()
    runs.run(script, "0")
    record = runs.record()
    assert record.arguments[1:] == (script, "0")
    assert record.user
    assert record.host == os.uname().nodename
    assert record.pid
    assert record.ended
    assert before <= record.started <= record.ended <= time.time()
    assert record.took is not None
    assert 0 < record.took < 30


def test_the_row_is_there_before_the_script(runs: Runs) -> None:
    script = """
        import sqlite3, sys
        print(sqlite3.connect(sys.argv[1]).execute("select state from runs").fetchall())
    """
    assert runs.run(runs.script(script), str(runs.state.ledger)).out == b"[('running',)]\n"


def test_folder_and_files_are_closed_to_others(runs: Runs) -> None:
    runs.run(runs.script(SPEAKS), "0")
    for path in (runs.state.root, *runs.state.root.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_detach_prints_the_number_alone_and_returns_at_once(runs: Runs) -> None:
    ended = runs.run("--detach", runs.script("gate(); raise SystemExit(4)"))
    assert ended == (0, b"1\n", b"")
    assert runs.record().state == "running"
    runs.gate.touch()
    assert runs.wait_for_end().exit_code == 4


def test_a_second_run_of_the_kind_is_held_and_told_by_whom(runs: Runs) -> None:
    runs.detach("--key", "k", runs.script("gate()"))
    ended = runs.run("--key", "k", runs.script(SPEAKS), "0")
    assert ended.code == 75
    for word in (b"run 1", b"since", runs.record().user.encode(), b"runs attach 1", b"--wait"):
        assert word in ended.err
    with sqlite3.connect(runs.state.ledger) as db:
        assert db.execute("select count(*) from runs").fetchone() == (1,)
    db.close()


def test_a_lock_that_its_ended_run_is_letting_go_of_is_waited_for(runs: Runs) -> None:
    runs.run("--key", "k", runs.script(SPEAKS), "0")
    path = key_path(runs.state.locks, "k")
    ended = runs.record()
    holder = Holder(number=1, command="demo", user="ann", host="here", since=ended.started)
    path.write_bytes(msgspec.json.encode(holder))
    held = take(path)
    assert held is not None
    process = runs.spawn("--key", "k", runs.script(SPEAKS), "4")
    time.sleep(1)
    assert process.poll() is None
    os.close(held)
    assert process.wait(20) == 4


def test_runs_of_other_kinds_do_not_wait_for_one_another(runs: Runs) -> None:
    runs.detach("--key", "k", runs.script("gate()"))
    assert runs.run("--key", "other", runs.script(SPEAKS, "other.py"), "0").code == 0
    assert runs.run(runs.script(SPEAKS, "other.py"), "0").code == 0


def test_a_run_on_no_certain_database_waits_for_all_of_its_command(runs: Runs) -> None:
    runs.detach("--key", "k.one", runs.script("gate()"))
    assert runs.run("--key", "k.two", runs.script(SPEAKS, "two.py"), "0").code == 0
    held = runs.run("--key", "k", runs.script(SPEAKS, "next.py"), "0")
    assert (held.code, b"run 1 of" in held.err) == (75, True), "not run 2, which came last and has ended"
    assert runs.run("--key", "other", runs.script(SPEAKS, "other.py"), "0").code == 0
    process = runs.spawn("--wait", "--key", "k", runs.script(SPEAKS, "next.py"), "5")
    assert process.stderr
    assert b"run 1 of" in process.stderr.readline()
    runs.gate.touch()
    process.communicate(timeout=60)
    assert process.returncode == 5


def test_wait_starts_when_the_other_run_has_ended(runs: Runs) -> None:
    runs.detach("--key", "k", runs.script("gate()"))
    process = runs.spawn("--wait", "--key", "k", runs.script(SPEAKS, "next.py"), "5")
    assert process.stderr
    assert b"waiting" in process.stderr.readline()
    runs.gate.touch()
    assert process.wait(30) == 5
    first, second = runs.record(1), runs.record(2)
    assert first.ended
    assert second.started >= first.ended


def test_the_lock_is_held_until_the_last_process_of_the_run_is_gone(
    runs: Runs, until: Callable[..., None]
) -> None:
    forks = """
        import os, time
        if os.fork() == 0:
            os.setsid(); gate(); os._exit(0)
    """
    process = runs.spawn("--key", "k", runs.script(forks))
    until(lambda: runs.state.run_folder(1).joinpath("exit").exists())
    held = runs.run("--key", "k", runs.script(SPEAKS, "next.py"), "0")
    assert held.code == 75
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
    assert process.stderr
    told = process.stderr.readline()
    assert b"still runs" in told
    assert b"time.sleep(60)" in told
    (left,) = runs.place().survivors()
    os.kill(left.pid, 9)
    assert process.wait(20) == 0
    record = runs.record()
    assert record.took is not None
    assert record.ended
    assert record.ended - record.started > record.took


def test_no_record_leaves_nothing(runs: Runs, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environ = os.environ | {"TMPDIR": str(temporary)}
    assert runs.run("--no-record", runs.script(SPEAKS), "3", env=environ) == (
        3,
        b"to stdout\n",
        b"to stderr\n",
    )
    assert list(temporary.iterdir()) == []
    assert not runs.state.ledger.exists()


def test_no_record_works_where_no_state_can_be_kept(runs: Runs) -> None:
    runs.state.root.write_text("a file in its place")
    assert runs.run(runs.script(SPEAKS), "3").code == 1
    ended = runs.run("--no-record", "--key", "k", runs.script(SPEAKS), "3")
    assert (ended.code, ended.out) == (3, b"to stdout\n")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        pytest.param("/nowhere/python", b"not there", id="missing"),
        pytest.param("/etc/passwd", b"Permission denied", id="not executable"),
    ],
)
def test_a_program_that_cannot_start_is_an_error_of_one_line(runs: Runs, program: str, said: bytes) -> None:
    ended = runs.run("--key", "k", "--program", program, "script.py")
    assert ended.code == 1
    assert said in ended.err
    assert b"Traceback" not in ended.err
    assert (runs.record().state, runs.record().exit_code) == ("failed", None)
    assert runs.run("--key", "k", runs.script(SPEAKS), "0").code == 0


def test_a_file_that_is_no_program_is_refused(runs: Runs, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\0no program")
    program.chmod(0o700)
    ended = runs.run("--program", str(program), "script.py")
    assert (ended.code, b"no program of this system" in ended.err) == (1, True)


def test_arguments_longer_than_the_system_allows_are_refused(runs: Runs) -> None:
    long = "x" * 120_000
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import drive\n"
        f"sys.exit(drive.main(['script.py', *['{long}'] * 60]))"
    )
    words = [runs.words()[0], "-c", code, os.path.dirname(runs.words()[1])]  # noqa: PTH120  of a text
    ended = subprocess.run(words, capture_output=True, check=False, timeout=60)
    assert ended.returncode == 1, ended.stderr
    assert (
        os.strerror(errno.E2BIG).encode() in ended.stderr or b"longer than the system allows" in ended.stderr
    )
    assert runs.record().state == "failed"


def test_a_working_folder_that_is_gone_is_told(runs: Runs) -> None:
    ended = runs.run("--folder", "/nowhere", runs.script(SPEAKS), "0")
    assert ended.code == 1
    assert b"working folder" in ended.err


def test_the_script_gets_its_stdin_and_then_the_end_of_it(runs: Runs) -> None:
    script = runs.script("import sys; print(repr(sys.stdin.read()))")
    assert runs.run("--stdin", "a text", script).out == b"'a text'\n"
    assert runs.run(script).out == b"''\n"


def test_the_script_starts_with_every_signal_at_its_default(runs: Runs) -> None:
    script = """
        import signal
        odd = [s.name for s in signal.Signals if signal.getsignal(s) == signal.SIG_IGN]
        print(odd, signal.pthread_sigmask(signal.SIG_BLOCK, []))
    """
    # Python itself ignores these two, in any process.
    assert runs.run(runs.script(script)).out == b"['SIGPIPE', 'SIGXFSZ'] set()\n"


def test_the_script_leads_a_group_in_a_session_of_its_own(runs: Runs) -> None:
    script = "import os; print(os.getpid() == os.getpgid(0), os.getsid(0) == os.getppid())"
    assert runs.run(runs.script(script)).out == b"True True\n"


def test_only_the_locks_and_the_streams_reach_the_script(runs: Runs) -> None:
    script = """
        import os
        for number in os.listdir("/proc/self/fd"):
            if int(number) > 2 and os.path.lexists(f"/proc/self/fd/{number}"):
                print(os.path.basename(os.readlink(f"/proc/self/fd/{number}")))
    """
    out = runs.run("--key", "k", runs.script(script)).out.decode().split()
    assert sorted(out) == sorted(["alive", key_path(runs.state.locks, "k").name])


def test_a_timeout_ends_the_run_as_stopped(runs: Runs) -> None:
    ended = runs.run("--timeout", "0.5", runs.script("import time; time.sleep(60)"))
    assert ended.code in {1, 130}
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


@pytest.mark.parametrize("replaced", [False, True], ids=["as it was", "replaced meanwhile"])
def test_a_finisher_works_by_pythonpath_alone_and_with_a_package_replaced(
    runs: Runs, libraries: Path, until: Callable[..., None], *, replaced: bool
) -> None:
    detach_with(libraries, runs)
    if replaced:
        for path in (libraries / "corpus_backfill_plugin").rglob("*.py"):
            path.write_text("raise SystemExit('another release')")
    runs.gate.touch()
    assert runs.wait_for_end().state == "succeeded"
    until(lambda: not (runs.state.run_folder(1) / "finisher.log").exists())


def test_a_finisher_works_with_all_libraries_deleted(
    runs: Runs, libraries: Path, until: Callable[..., None]
) -> None:
    detach_with(libraries, runs)
    shutil.rmtree(libraries)
    runs.gate.touch()
    assert runs.wait_for_end().state == "succeeded"
    until(lambda: not (runs.state.run_folder(1) / "finisher.log").exists())


def test_a_finisher_that_cannot_run_leaves_word_why(
    runs: Runs, libraries: Path, until: Callable[..., None]
) -> None:
    bundle = libraries / "corpus_backfill_plugin/agent/bundle.py"
    bundle.write_text(f"{bundle.read_text()}\n\ndef bundle(_): return None\n")  # as on a full disk
    detach_with(libraries, runs)
    shutil.rmtree(libraries)
    facts = runs.place().process()
    assert facts is not None
    runs.gate.touch()
    until(lambda: not facts.is_supervised())
    assert runs.place().finisher_failure() == (
        "its finisher failed: ModuleNotFoundError: No module named 'corpus_backfill_plugin'"
    )
    assert json.loads(runs.command("--json").out)[0]["state"] == "succeeded"


def test_a_lost_run_is_said_to_be_lost(runs: Runs, until: Callable[..., None]) -> None:
    process = runs.spawn(runs.script("print('on', flush=True); gate()"))
    runs.wait_for_log(b"on")
    facts = runs.place().process()
    assert facts is not None
    os.kill(facts.supervisor, 9)
    runs.gate.touch()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, b"on\n")
    assert b"lost" in err
    assert runs.record().state == "lost"
    until(lambda: not runs.place().survivors())


def test_a_run_in_a_folder_that_was_taken_away_comes_to_an_end(
    runs: Runs, until: Callable[..., None]
) -> None:
    number = runs.detach(runs.script("gate()"))
    runs.state.run_folder(number).rename(runs.folder / "taken")
    shown = json.loads(runs.command("show", "--json").out)
    assert shown["state"] == "running"
    runs.gate.touch()
    until(lambda: json.loads(runs.command("show", "--json").out)["state"] == "lost")


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
        Run(Mock(), None, None).begin()
    assert (tmp_path / "precious").exists()
