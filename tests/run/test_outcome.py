"""How a run ended, judged from what its processes left."""

from __future__ import annotations

import errno

import pytest

from corpus_backfill_plugin.agent.folder import Ending, Process, StopRequest
from corpus_backfill_plugin.agent.outcome import exit_code, explain_failure, judge
from corpus_backfill_plugin.agent.records import Outcome

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
