"""How a run ended: a pure judgement on what its processes left behind."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.agent.folder import Ending, Process, StopRequest, signal_name
from corpus_backfill_plugin.agent.output import Failure  # noqa: TC001  `plain` reads the annotations
from corpus_backfill_plugin.agent.progress import View  # noqa: TC001  same
from corpus_backfill_plugin.agent.records import ProofState, RunState  # noqa: TC001  same

if TYPE_CHECKING:
    from collections.abc import Collection

    from corpus_backfill_plugin.agent.records import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended and what it came to. Fields are as in `RunRecord`."""

    state: RunState
    ended: float
    took: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    reason: str = ""
    stopped_by: str = ""

    masked: bool | None = False
    view: View | None = None
    counts: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    proof: ProofState = ""
    proof_reason: str = ""
    failed: tuple[Failure, ...] = ()

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that are columns of the ledger, by name: items that failed have a table of their own."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "failed"}


def exit_code(end: Outcome | RunRecord) -> int:
    """Return the CLI's exit code for a run: the script's own, 128 + n for signal n.

    It is 1 when the script's own is not known, or claims a success that is none.
    """
    if end.signal is not None:
        return 128 + end.signal
    if end.state in {"incomplete", "unverified"}:
        return 1
    if end.state == "failed" and (end.reason or end.exit_code == 0):
        return 1
    return 1 if end.exit_code is None else end.exit_code


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

    Args:
        ending: what the supervisor saw, None when it was killed or the machine went down.
        stop: who asked the run to stop.
        process: who ran, None when nothing was started.
        success_codes: exit codes that mean success.
        now: when this is judged, in seconds since the epoch.
        taken: whether the run's folder is not there any more, and with it all that was noted.
    """
    pid = process.pid if process else None
    if ending is None:
        reason = "exit code unknown: its supervisor did not see the end"
        if process is None:
            reason = "its folder was taken away: how it ended is not known" if taken else "never started"
        return Outcome(state="lost", ended=now, pid=pid, reason=reason, stopped_by=stop.by if stop else "")
    if ending.status is None:
        return Outcome(state="failed", ended=ending.at, took=0.0, reason=explain_failure(ending.failure))
    code = os.waitstatus_to_exitcode(ending.status)
    died_of = -code if code < 0 else None
    facts = {
        "ended": ending.at,
        "took": ending.took,
        "exit_code": None if died_of else code,
        "signal": died_of,
        "pid": pid,
    }
    if stop:
        return Outcome(state="stopped", reason=stop.reason, stopped_by=stop.by, **facts)  # type: ignore[arg-type]  # a dict of mixed values
    if died_of:
        return Outcome(state="failed", reason=f"died of {signal_name(died_of)}", **facts)  # type: ignore[arg-type]  # same
    return Outcome(state="succeeded" if code in success_codes else "failed", **facts)  # type: ignore[arg-type]  # same


def explain_failure(failure: str) -> str:
    """Return in words why a script could not be started; `failure` is the supervisor's `ERRNO STEP`."""
    number, _, step = failure.partition(" ")
    code = int(number)
    said = os.strerror(code)
    if step == "folder":
        return f"its working folder can't be entered: {said}"
    if step == "record":
        return f"the run folder can't be written: {said}"
    if code == errno.ENOENT:
        return "the program is not there, or not what its first line names"
    if code == errno.E2BIG:
        return "its arguments and environment are longer than the system allows"
    if code == errno.ENOEXEC:
        return "the program is no program of this system"
    return f"the program can't be started: {said}"
