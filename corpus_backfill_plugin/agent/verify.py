"""What is left to do, counted by the script itself, and whether that is what a spec expects.

The count is a process of its own, without a record and without a lock: it only reads. Whatever goes wrong
with it is a reason why there is no count, never a count of zero.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from corpus_backfill_plugin.agent.child import last_line, run_child
from corpus_backfill_plugin.agent.output import OutputReader
from corpus_backfill_plugin.agent.records import Output
from corpus_backfill_plugin.agent.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from corpus_backfill_plugin.agent.records import Invocation, Outcome, ProofState, RunRequest, RunState

Verified: TypeAlias = Literal["held", "failed", "unknown"]
"""What a count says of a postcondition."""


_STATES: dict[ProofState, RunState] = {"failed": "incomplete", "unknown": "unverified"}
"""What a claim of success is worth whose postcondition did not come out as expected."""


class Counted(NamedTuple):
    """What a count came to.

    Attributes:
        reason: why there is no count, on one line, secrets masked; empty when there is one.
    """

    counts: dict[str, int] = {}  # noqa: RUF012  never changed
    reason: str = ""


def compare(expected: Mapping[str, int], counted: Counted) -> tuple[Verified, str]:
    """Return whether `counted` is what a postcondition `expects`, and why.

    Without a count to judge by it is unknown. A reason is like `2 left (pending = 2, expected 0)`.
    """
    if counted.reason:
        return "unknown", counted.reason
    if missing := [name for name in expected if name not in counted.counts]:
        return "unknown", f"the count did not say {' and '.join(missing)}"
    off = {name: counted.counts[name] for name in expected if counted.counts[name] != expected[name]}
    shown = ", ".join(
        f"{name} = {counted.counts[name]}" + (f", expected {expected[name]}" if name in off else "")
        for name in expected
    )
    state: Verified = "failed" if off else "held"
    if any(expected.values()):  # a count that must reach a number is not what is left
        return state, f"{'not ' if off else ''}as expected ({shown})"
    return state, f"{sum(off.values())} left ({shown})"


def count(
    job: Invocation,
    output: Output | None,
    *,
    seconds: float,
    environ: Mapping[str, str],
    stopped: Callable[[], bool] = lambda: False,
) -> Counted:
    """Run `job`, which makes a script count, and return what it printed."""
    ended = run_child(
        job.argv,
        folder=job.folder,
        environ=job.environment(environ),
        seconds=seconds,
        stdin=job.input,
        should_cancel=stopped,
    )
    reader = OutputReader(Output(result=output.result) if output else None)
    reader.feed("stdout", ended.out, 0.0)
    reader.close("stdout", 0.0)
    problem = ended.problem(job.secrets)
    if not problem and not reader.results.counts:
        last = last_line(ended.out, job.secrets)
        problem = f"printed no number that was asked for: {last}" if last else "printed nothing"
    return Counted(reason=f"the count {problem}") if problem else Counted(dict(reader.results.counts))


def verify(
    outcome: Outcome,
    request: RunRequest,
    *,
    complete: bool,
    should_cancel: Callable[[], bool],
    why: str,
    lost: str,
) -> Outcome:
    """Return how a run ended once its claim of success, if it makes one, was put to the test.

    A `request` that is not `complete`, with its secrets, is not counted, and `why` says why: nobody was there
    at the run's end, its lock is free, and what is left now might be another's work. A success that rests on
    printed lines that are `lost` is not verified.
    """
    if outcome.state != "succeeded":
        return outcome
    condition, failures = request.postcondition, outcome.failures
    allowed = condition.max_failed if condition else None
    if allowed is not None and failures > allowed:
        reason = f"{failures} item{'s' * (failures != 1)} failed, at most {allowed} allowed"
        return replace(outcome, state="failed", reason=reason)
    proof: ProofState = "none declared"
    reason = ""
    if request.not_checked:
        proof, reason = "skipped", request.not_checked
    elif condition and not condition.run:
        proof, reason = "held", f"{failures} failed, at most {allowed} allowed"
    elif condition:
        proof, reason = compare(condition.expect, _count_left(request, should_cancel, why, complete=complete))
    if lost and allowed is not None and proof not in _STATES:
        proof, reason = "unknown", f"{lost}, so not all failures may have been counted"
    state = _STATES.get(proof)
    outcome = replace(outcome, proof=proof, proof_reason=reason)
    return replace(outcome, state=state, reason=reason) if state else outcome


def _count_left(
    request: RunRequest, should_cancel: Callable[[], bool], why: str, *, complete: bool
) -> Counted:
    condition = request.postcondition
    if request.verify is None or condition is None:
        return Counted(reason=f"not countable: {request.not_countable}")
    if not complete:
        return Counted(reason=why)
    return count(
        request.verify, request.output, seconds=condition.timeout, environ=os.environ, stopped=should_cancel
    )
