"""Programs that are started from here and ended: the on-end program, a count."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from corpus_backfill_plugin.agent import hook, verify
from corpus_backfill_plugin.agent.processes import has_ended
from corpus_backfill_plugin.agent.records import Invocation, OnEnd

if TYPE_CHECKING:
    from pathlib import Path


def test_a_child_that_ended_keeps_its_number_until_it_is_reaped() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    until = time.monotonic() + 20
    while not has_ended(process) and time.monotonic() < until:
        time.sleep(0.01)
    assert has_ended(process)
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
