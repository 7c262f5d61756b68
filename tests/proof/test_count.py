"""A script that counts what is left: every way in which it can answer, or not."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from corpus_backfill_plugin.agent.child import MAX_BYTES
from corpus_backfill_plugin.agent.records import Invocation
from corpus_backfill_plugin.agent.redact import Secret
from corpus_backfill_plugin.agent.verify import Counted, compare, count
from corpus_backfill_plugin.specs.model import Output, Postcondition

OUTPUT = Output(result=("^updated={updated}", "^pending={pending}"))
NONE_LEFT = Postcondition(run=("--remaining",), expect={"pending": 0})
PASSWORD = "hunter2-hunter2"  # noqa: S105 - nobody's


def counted(folder: Path, body: str, *, seconds: float = 20, **more: object) -> Counted:
    """Run a script with `body` in it as a count."""
    (folder / "script.py").write_text(f"import os, signal, subprocess, sys, time\n{body}\n", encoding="utf-8")
    settings: dict[str, object] = {"environ": {"DATABASE_URL": f"postgresql://u:{PASSWORD}@h/d"}}
    job = Invocation(
        program=(sys.executable,),
        script="script.py",
        arguments=("--remaining",),
        folder=str(folder),
        secrets=(Secret(value=PASSWORD),),
        **(settings | more),  # type: ignore[arg-type] # fields of an Invocation, by the tests below
    )
    return count(job, OUTPUT, seconds=seconds, environ=os.environ)


def test_a_count_is_read_from_what_the_script_prints(tmp_path: Path) -> None:
    assert counted(tmp_path, "print('pending=12')") == Counted(counts={"pending": 12})


def test_an_unfinished_last_line_counts(tmp_path: Path) -> None:
    assert counted(tmp_path, "sys.stdout.write('pending=12')").counts == {"pending": 12}


def test_the_last_count_that_is_said_counts(tmp_path: Path) -> None:
    assert counted(tmp_path, "print('pending=12'); print('pending=3')").counts == {"pending": 3}


def test_a_count_on_stderr_is_not_looked_at(tmp_path: Path) -> None:
    assert counted(tmp_path, "print('pending=0', file=sys.stderr)").reason == "the count printed nothing"


def test_the_script_gets_its_arguments_folder_and_environment_and_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
told = [sys.argv[1:] == ["--remaining"], os.getcwd() == os.environ["WANTED"], not sys.stdin.read()]
print(f"pending={int(all(told) and 'PYTHONPATH' not in os.environ)}")
"""
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    assert counted(tmp_path, body, environ={"WANTED": str(tmp_path)}).counts == {"pending": 1}


def test_a_value_for_standard_input_is_handed_over(tmp_path: Path) -> None:
    assert counted(tmp_path, "print(f'pending={sys.stdin.read()}')", stdin="7").counts == {"pending": 7}


def test_it_is_in_a_session_of_its_own(tmp_path: Path) -> None:
    assert counted(tmp_path, "print(f'pending={int(os.getsid(0) == os.getpid())}')").counts == {"pending": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("print('pending=0'); sys.exit(1)", "the count ended with exit code 1", id="exit code 1"),
        pytest.param(
            "print('pending=0'); sys.exit('no such table: records')",
            "the count ended with exit code 1: no such table: records",
            id="exit code 1 with a reason",
        ),
        pytest.param("os.kill(os.getpid(), 9)", "the count died of SIGKILL", id="killed"),
        pytest.param("pass", "the count printed nothing", id="silent"),
        pytest.param(
            "print('all done, I think')",
            "the count printed no number that was asked for: all done, I think",
            id="other words",
        ),
        pytest.param(
            "print('pending=banana')",
            "the count printed no number that was asked for: pending=banana",
            id="no number",
        ),
        pytest.param(
            "print('pending=-3')",
            "the count printed no number that was asked for: pending=-3",
            id="below zero",
        ),
        pytest.param(
            "print('pending=nan')", "the count printed no number that was asked for: pending=nan", id="nan"
        ),
        pytest.param(
            "print('pending=1' + '0' * 300)",
            "the count printed no number that was asked for: pending=1" + "0" * 191,
            id="enormous",
        ),
        pytest.param(
            "sys.stdout.buffer.write(b'\\xff\\x1b[2J\\x00\\n')",
            "the count printed no number that was asked for: \ufffd\\x1b[2J\\x00",
            id="no text",
        ),
    ],
)
def test_what_is_no_count_has_a_reason(tmp_path: Path, body: str, reason: str) -> None:
    assert counted(tmp_path, body) == Counted(reason=reason)


def test_a_program_that_is_not_there_is_a_reason(tmp_path: Path) -> None:
    job = Invocation(
        program=("/no/such/python",), script="x.py", arguments=(), folder=str(tmp_path), environ={}
    )
    reason = count(job, OUTPUT, seconds=5, environ={}).reason
    assert reason == "the count was not started: No such file or directory"


@pytest.mark.quiet  # ended within 6 s
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("time.sleep(60)", id="sleeping"),
        pytest.param(
            "signal.signal(15, signal.SIG_IGN); print('pending=0', flush=True); time.sleep(60)", id="deaf"
        ),
        pytest.param("os.close(1); os.close(2); time.sleep(60)", id="with its streams closed"),
        pytest.param("subprocess.run(['sleep', '60'])", id="waiting for a child"),
    ],
)
def test_a_count_that_hangs_is_ended_with_all_its_children(tmp_path: Path, body: str) -> None:
    mark = f"COUNT_MARK={tmp_path.name}-{time.time_ns()}"
    began = time.monotonic()
    ended = counted(tmp_path, body, seconds=0.6, environ=dict([mark.split("=")]))
    assert ended == Counted(reason="the count took longer than 0.6s and was ended")
    assert time.monotonic() - began < 6
    assert_gone(mark)


@pytest.mark.quiet  # ended within 6 s
def test_a_child_that_is_left_holding_the_streams_does_not_hold_the_count(tmp_path: Path) -> None:
    mark = f"COUNT_MARK={tmp_path.name}-{time.time_ns()}"
    began = time.monotonic()
    ended = counted(
        tmp_path, "subprocess.Popen(['sleep', '60']); print('pending=4')", environ=dict([mark.split("=")])
    )
    assert ended.counts == {"pending": 4}
    assert time.monotonic() - began < 6
    assert_gone(mark)


def test_a_script_that_prints_without_end_is_ended(tmp_path: Path) -> None:
    ended = counted(tmp_path, "while True: os.write(1, b'working\\n' * 8000)")
    assert ended.reason == f"the count printed more than {MAX_BYTES >> 20} MB and was ended"


def test_a_count_is_ended_when_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import time; time.sleep(60)", encoding="utf-8")
    job = Invocation(
        program=(sys.executable,), script="script.py", arguments=(), folder=str(tmp_path), environ={}
    )
    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    ended = count(job, OUTPUT, seconds=60, environ=os.environ, stopped=stopped.is_set)
    assert ended == Counted(reason="the count was stopped")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("sys.exit(os.environ['DATABASE_URL'])", id="in an error"),
        pytest.param("print(os.environ['DATABASE_URL'])", id="in place of a count"),
        pytest.param("print('x' * 190 + os.environ['DATABASE_URL'])", id="where the line is cut"),
        pytest.param(
            "print('x' * 40000 + os.environ['DATABASE_URL'] + 'y' * 32755)", id="where the tail begins"
        ),
    ],
)
def test_a_reason_shows_no_secret(tmp_path: Path, body: str) -> None:
    reason = counted(tmp_path, body).reason
    assert reason
    assert not any(PASSWORD[i : i + 6] in reason for i in range(len(PASSWORD) - 5))


@pytest.mark.parametrize(
    ("expect", "counts", "verdict"),
    [
        pytest.param({"pending": 0}, {"pending": 0}, ("held", "0 left (pending = 0)"), id="none left"),
        pytest.param(
            {"pending": 0},
            {"pending": 2, "updated": 9},
            ("failed", "2 left (pending = 2, expected 0)"),
            id="two left",
        ),
        pytest.param(
            {"pending": 0, "broken": 0, "odd": 0},
            {"pending": 2, "broken": 3, "odd": 0},
            ("failed", "5 left (pending = 2, expected 0, broken = 3, expected 0, odd = 0)"),
            id="several",
        ),
        pytest.param(
            {"total": 9},
            {"total": 8},
            ("failed", "not as expected (total = 8, expected 9)"),
            id="too few",
        ),
        pytest.param({"total": 9}, {"total": 9}, ("held", "as expected (total = 9)"), id="all there"),
        pytest.param(
            {"pending": 0}, {"updated": 1}, ("unknown", "the count did not say pending"), id="not said"
        ),
    ],
)
def test_a_verdict_is_the_count_held_against_what_is_expected(
    expect: dict[str, int], counts: dict[str, int], verdict: tuple[str, str]
) -> None:
    assert compare(expect, Counted(counts=counts)) == verdict


def test_without_a_count_the_verdict_is_unknown_never_held() -> None:
    assert compare({"pending": 0}, Counted(reason="it hung")) == ("unknown", "it hung")


def assert_gone(mark: str) -> None:
    """Assert that no process carries `mark` in its environment; the kernel may take a moment over a kill."""
    until = time.monotonic() + 5
    while found := [entry.name for entry in Path("/proc").iterdir() if _carries(entry, mark)]:
        assert time.monotonic() < until, found
        time.sleep(0.02)


def _carries(entry: Path, mark: str) -> bool:
    try:
        return entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
