"""Whether a run that claims success did its work: few enough failures, and nothing left to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from corpus_backfill_plugin.run import count
from corpus_backfill_plugin.run.record import ProofState
from corpus_backfill_plugin.spec.values import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.run.outcome import Outcome
    from corpus_backfill_plugin.run.request import RunRequest


class Proof(msgspec.Struct, frozen=True):
    """What came of a postcondition. Fields are as `proof` and `proof_reason` of `RunRecord`."""

    state: ProofState = ""
    reason: str = ""


def prove(
    outcome: Outcome,
    request: RunRequest,
    failures: int,
    *,
    whole: bool,
    stopped: Callable[[], bool],
    why: str,
) -> tuple[Outcome, Proof]:
    """Return how a run ended once its claim of success was put to the test.

    Args:
        outcome: by its exit code alone. One that claims no success is returned as it is.
        request: what was asked for.
        failures: how many items failed.
        whole: whether `request` is what the run was started with, secrets and all. Else nobody was there
            at its end, its lock is free, and what is counted now might be another's work.
        why: then why not.
        stopped: asked now and then while the script counts; true ends that.
    """
    if outcome.state != "succeeded":
        return outcome, Proof()
    condition = request.postcondition
    allowed = condition.max_failed if condition else None
    if allowed is not None and failures > allowed:
        reason = f"{failures} item{'s' * (failures != 1)} failed, at most {allowed} allowed"
        return msgspec.structs.replace(outcome, state="failed", reason=reason), Proof()
    if condition is None or request.not_checked or not condition.run:
        return outcome, _uncounted(request, failures)
    if request.verify is None:
        counted = count.Counted(reason=f"not countable: {request.not_countable}")
    elif whole:
        counted = count.count(
            request.verify,
            request.output,
            seconds=parse_duration(condition.timeout),
            environ=os.environ,
            stopped=stopped,
        )
    else:
        counted = count.Counted(reason=why)
    verdict = count.judge(condition, counted)
    proof = Proof(verdict.state, verdict.sentence)
    if verdict.state == "held":
        return outcome, proof
    state = "incomplete" if verdict.state == "failed" else "unverified"
    return msgspec.structs.replace(outcome, state=state, reason=verdict.sentence), proof


def doubt(outcome: Outcome, proof: Proof, request: RunRequest) -> tuple[Outcome, Proof]:
    """Return how a run ended whose printed lines were lost: a success that rests on them is not verified."""
    condition = request.postcondition
    if outcome.state != "succeeded" or condition is None or condition.max_failed is None:
        return outcome, proof
    reason = "its log was truncated or removed while it ran, so not all failures may have been counted"
    return msgspec.structs.replace(outcome, state="unverified", reason=reason), Proof("unknown", reason)


def _uncounted(request: RunRequest, failures: int) -> Proof:
    """Return what comes of a postcondition that asks for no count, or is not to be checked this time."""
    if request.not_checked:
        return Proof("skipped", request.not_checked)
    if request.postcondition is None:
        return Proof("none declared")
    return Proof("held", f"{failures} failed, at most {request.postcondition.max_failed} allowed")
