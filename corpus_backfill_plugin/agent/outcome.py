"""How a run ended: a pure judgement on what its processes left behind."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.processes import signal_name
from corpus_backfill_plugin.agent.records import Outcome, RunState

if TYPE_CHECKING:
    from collections.abc import Collection

    from corpus_backfill_plugin.agent.folder import Ending, Process, StopRequest

_STEPS = {"folder": "its working folder can't be entered", "record": "the run folder can't be written"}
_OTHER = "the program can't be started"
_PROGRAM = {
    errno.ENOENT: "the program is not there, or not what its first line names",
    errno.E2BIG: "its arguments and environment are longer than the system allows",
    errno.ENOEXEC: "the program is no program of this system",
}


def exit_code(end: Outcome) -> int:
    """Return the CLI's exit code for a run: the script's own, 128 + n for signal n.

    It is 1 when the script's own is not known, or claims a success that is none.
    """
    if end.signal is not None:
        return 128 + end.signal
    claims = end.state == "failed" and (end.reason or end.exit_code == 0)
    if claims or end.exit_code is None or end.state in {"incomplete", "unverified"}:
        return 1
    return end.exit_code


def judge(
    ending: Ending | None,
    stop: StopRequest | None,
    process: Process | None,
    success_codes: Collection[int],
    now: float,
    *,
    taken: bool = False,
) -> Outcome:
    """Return how a run ended whose processes are all proved to be gone.

    Its folder, and with it all that was noted, may have been `taken` away.
    """
    pid, stopped_by = process.pid if process else None, stop.by if stop else ""
    if ending is None:
        reason = "exit code unknown: its supervisor did not see the end"
        if process is None:
            reason = "its folder was taken away: how it ended is not known" if taken else "never started"
        return Outcome(state="lost", ended=now, pid=pid, reason=reason, stopped_by=stopped_by)
    if ending.status is None:
        return Outcome(state="failed", ended=ending.at, took=0.0, reason=explain_failure(ending.failure))
    code = os.waitstatus_to_exitcode(ending.status)
    state: RunState = "succeeded" if code in success_codes else "failed"
    reason = f"died of {signal_name(-code)}" if code < 0 else ""
    if stop:
        state, reason = "stopped", stop.reason
    return Outcome(
        state=state,
        ended=ending.at,
        took=ending.took,
        exit_code=None if code < 0 else code,
        signal=-code if code < 0 else None,
        pid=pid,
        reason=reason,
        stopped_by=stopped_by,
    )


def explain_failure(failure: str) -> str:
    """Return in words why a script could not be started; `failure` is the supervisor's `ERRNO STEP`."""
    number, _, step = failure.partition(" ")
    code = int(number)
    if step not in _STEPS and code in _PROGRAM:
        return _PROGRAM[code]
    return f"{_STEPS.get(step, _OTHER)}: {os.strerror(code)}"
