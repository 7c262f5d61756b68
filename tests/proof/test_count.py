"""A script that counts what is left: every way in which it can answer, or not."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tools import cases, wait_until

from corpus_backfill_plugin.agent.child import MAX_BYTES
from corpus_backfill_plugin.agent.records import Invocation, Output
from corpus_backfill_plugin.agent.redact import Secret
from corpus_backfill_plugin.agent.verify import Counted, compare, count
from corpus_backfill_plugin.specs.model import Postcondition

OUTPUT = Output(result=("^updated={updated}", "^pending={pending}"))
NONE_LEFT = Postcondition(run=("--remaining",), expect={"pending": 0})
PASSWORD = "hunter2-hunter2"  # noqa: S105 - nobody's


def job(folder: Path, **more: Any) -> Invocation:  # noqa: ANN401  fields of an Invocation
    """Return the run of `script.py` as a count."""
    settings: dict[str, Any] = {"environ": {"DATABASE_URL": f"postgresql://u:{PASSWORD}@h/d"}, **more}
    return Invocation(
        **{"program": (sys.executable,), "secrets": (Secret(value=PASSWORD),), **settings},
        script="script.py",
        arguments=("--remaining",),
        folder=str(folder),
    )


def counted(folder: Path, body: str, *, seconds: float = 20, **more: object) -> Counted:
    """Run a script with `body` in it as a count."""
    (folder / "script.py").write_text(f"import os, signal, subprocess, sys, time\n{body}\n", encoding="utf-8")
    return count(job(folder, **more), OUTPUT, seconds=seconds, environ=os.environ)


@pytest.mark.parametrize(
    ("body", "pending"),
    cases("""
        printed              | print('pending=12')                                             | 12
        an unfinished line   | sys.stdout.write('pending=12')                                  | 12
        the last that counts | print('pending=12'); print('pending=3')                         | 3
        its own session      | print(f'pending={int(os.getsid(0) == os.getpid())}')            | 1
        from standard input  | print(f'pending={sys.stdin.read()}')                            | 7
    """),
)
def test_a_count_is_read_from_what_the_script_prints(tmp_path: Path, body: str, pending: int) -> None:
    stdin = "7" if "stdin" in body else None
    assert counted(tmp_path, body, stdin=stdin) == Counted(counts={"pending": pending})


def test_the_script_gets_its_arguments_folder_and_environment_and_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
told = [sys.argv[1:] == ["--remaining"], os.getcwd() == os.environ["WANTED"], not sys.stdin.read()]
print(f"pending={int(all(told) and 'PYTHONPATH' not in os.environ)}")
"""
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    assert counted(tmp_path, body, environ={"WANTED": str(tmp_path)}).counts == {"pending": 1}


NO_NUMBER = "the count printed no number that was asked for: "


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        *cases("""
        exit code 1               | print('pending=0'); sys.exit(1)  | the count ended with exit code 1
        exit code 1 with a reason | print('pending=0'); sys.exit('no such table: records')
                                  | the count ended with exit code 1: no such table: records
        killed                    | os.kill(os.getpid(), 9)          | the count died of SIGKILL
        silent                    | pass                             | the count printed nothing
        on stderr                 | print('pending=0', file=sys.stderr) | the count printed nothing
        other words               | print('all done, I think')       | NO_NUMBER all done, I think
        no number                 | print('pending=banana')          | NO_NUMBER pending=banana
        below zero                | print('pending=-3')              | NO_NUMBER pending=-3
        nan                       | print('pending=nan')             | NO_NUMBER pending=nan
        enormous                  | print('pending=1' + '0' * 300)   | NO_NUMBER pending=1MANY
    """),
        pytest.param(
            r"sys.stdout.buffer.write(b'\xff\x1b[2J\x00\n')", "NO_NUMBER \ufffd\\x1b[2J\\x00", id="no text"
        ),
    ],
)
def test_what_is_no_count_has_a_reason(tmp_path: Path, body: str, reason: str) -> None:
    reason = reason.replace("NO_NUMBER ", NO_NUMBER).replace("MANY", "0" * 191)
    assert counted(tmp_path, body) == Counted(reason=reason)


def test_a_program_that_is_not_there_is_a_reason(tmp_path: Path) -> None:
    reason = counted(tmp_path, "", program=("/no/such/python",)).reason
    assert reason == "the count was not started: No such file or directory"


@pytest.mark.quiet  # ended within 6 s
@pytest.mark.parametrize(
    "body",
    cases("""
        sleeping                | time.sleep(60)
        deaf | signal.signal(15, signal.SIG_IGN); print('pending=0', flush=True); time.sleep(60)
        with its streams closed | os.close(1); os.close(2); time.sleep(60)
        waiting for a child     | subprocess.run(['sleep', '60'])
    """),
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
    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    ended = count(job(tmp_path), OUTPUT, seconds=60, environ=os.environ, stopped=stopped.is_set)
    assert ended == Counted(reason="the count was stopped")


@pytest.mark.parametrize(
    "body",
    cases("""
        in an error           | sys.exit(os.environ['DATABASE_URL'])
        in place of a count   | print(os.environ['DATABASE_URL'])
        where the line is cut | print('x' * 190 + os.environ['DATABASE_URL'])
        where the tail begins | print('x' * 40000 + os.environ['DATABASE_URL'] + 'y' * 32755)
    """),
)
def test_a_reason_shows_no_secret(tmp_path: Path, body: str) -> None:
    reason = counted(tmp_path, body).reason
    assert reason
    assert not any(PASSWORD[i : i + 6] in reason for i in range(len(PASSWORD) - 5))


@pytest.mark.parametrize(
    ("expect", "counts", "verdict", "reason"),
    cases("""
        none left | pending=0 | pending=0           | held    | 0 left (pending = 0)
        two left  | pending=0 | pending=2 updated=9 | failed  | 2 left (pending = 2, expected 0)
        several   | pending=0 broken=0 odd=0 | pending=2 broken=3 odd=0
                  | failed  | 5 left (pending = 2, expected 0, broken = 3, expected 0, odd = 0)
        too few   | total=9   | total=8             | failed  | not as expected (total = 8, expected 9)
        all there | total=9   | total=9             | held    | as expected (total = 9)
        not said  | pending=0 | updated=1           | unknown | the count did not say pending
    """),
)
def test_a_verdict_is_the_count_held_against_what_is_expected(
    *, expect: str, counts: str, verdict: str, reason: str
) -> None:
    expected, found = (
        {name: int(number) for name, _, number in (each.partition("=") for each in text.split())}
        for text in (expect, counts)
    )
    assert compare(expected, Counted(counts=found)) == (verdict, reason)


def test_without_a_count_the_verdict_is_unknown_never_held() -> None:
    assert compare({"pending": 0}, Counted(reason="it hung")) == ("unknown", "it hung")


def assert_gone(mark: str) -> None:
    """Check that no process carries `mark` in its environment; the kernel may take a moment over a kill."""
    wait_until(lambda: not any(_carries(entry, mark) for entry in Path("/proc").iterdir()), 5)


def _carries(entry: Path, mark: str) -> bool:
    try:
        return entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
