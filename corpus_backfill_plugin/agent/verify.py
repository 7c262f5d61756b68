"""What is left to do, counted by the script itself, and whether that is what a spec expects.

The count is a process of its own, without a record and without a lock: it only reads. Whatever goes wrong
with it is a reason why there is no count, never a count of zero.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess  # nosec B404 - scripts are started here, with an argument list
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from corpus_backfill_plugin.agent.escape import duration, one_line
from corpus_backfill_plugin.agent.files import memory_file
from corpus_backfill_plugin.agent.folder import signal_name
from corpus_backfill_plugin.agent.output import Output, OutputReader, text
from corpus_backfill_plugin.agent.processes import has_ended
from corpus_backfill_plugin.agent.redact import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from corpus_backfill_plugin.agent.outcome import Outcome
    from corpus_backfill_plugin.agent.records import Invocation, RunRequest, RunState


MAX_BYTES = 8 << 20
"""Output of a count, both streams together; a script that prints more does not count, it does its work."""

MAX_SHOWN = 200
"""Characters of a script's line that a reason quotes."""

TERM_SECONDS = 2.0
"""How long a count that is ended may take to end by itself."""

_CHUNK = 1 << 16
_TAIL = 1 << 15
_TICK = 0.1


Verified: TypeAlias = Literal["held", "failed", "unknown"]
"""What a count says of a postcondition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a count came to.

    Attributes:
        counts: by name, as the spec's `result` templates found them; empty when there is a reason.
        reason: why there is no count, on one line, secrets masked; empty when there is one.
    """

    counts: dict[str, int] = field(default_factory=dict)
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
    """Run `job`, which makes a script count, and return what it printed.

    Whatever it started in its process group is ended with it.

    Args:
        job: as `prepare.count_invocation` makes it.
        output: what the script's lines mean; its `result` templates name the counts.
        seconds: how long it may take, then it is ended.
        environ: the caller's environment.
        stopped: asked ten times a second; once it is true, the count is ended.
    """
    counted = _Count(job, output)
    reason = counted.run(seconds, job.environment(environ), stopped)
    counts = counted.reader.results.counts
    if not reason and not counts:
        last = counted.last_line("stdout")
        reason = (
            f"the count printed no number that was asked for: {last}" if last else "the count printed nothing"
        )
    if reason:
        return Counted(reason=one_line(mask(reason, job.secrets)))
    return Counted(counts=dict(counts))


class _Count:
    """One process that counts."""

    def __init__(self, job: Invocation, output: Output | None) -> None:
        self._job = job
        self._read = 0
        self.reader = OutputReader(Output(result=output.result) if output else None)
        self._tails = {"stdout": b"", "stderr": b""}

    def run(self, seconds: float, environ: dict[str, str], stopped: Callable[[], bool]) -> str:
        """Run it to its end and return what was wrong with it, or nothing."""
        stdin = subprocess.DEVNULL
        if self._job.stdin is not None:
            stdin = memory_file(self._job.stdin.encode(errors="surrogateescape"))
        try:
            process = subprocess.Popen(  # noqa: S603  # nosec B603 - an argument list made from checked values
                self._job.argv,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._job.folder,
                env=environ,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"the count was not started: {getattr(error, 'strerror', None) or error}"
        finally:
            if stdin != subprocess.DEVNULL:
                os.close(stdin)
        with process:
            try:
                reason = self._follow(process, time.monotonic() + seconds, stopped)
            finally:
                _end(process)
        self.reader.close("stdout", 0.0)
        if reason == "late":
            return f"the count took longer than {duration(seconds)} and was ended"
        return reason or self._fault(process.returncode)

    def _follow(self, process: subprocess.Popen[bytes], until: float, stopped: Callable[[], bool]) -> str:
        """Read both streams until the process has ended; return why it was left before, or nothing."""
        with selectors.DefaultSelector() as selector:
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    selector.register(stream, selectors.EVENT_READ, name)
            while not has_ended(process):
                if stopped():
                    return "the count was stopped"
                if time.monotonic() >= until:
                    return "late"
                if not selector.get_map():
                    time.sleep(_TICK / 10)  # it closed both streams and goes on
                elif not self._take(selector, _TICK):
                    return f"the count printed more than {MAX_BYTES >> 20} MB and was ended"
            # What it started may hold the streams open: only what is there already is read.
            while selector.get_map() and selector.select(0):
                if not self._take(selector, 0):
                    break
        return ""

    def _take(self, selector: selectors.BaseSelector, wait: float) -> bool:
        """Read what is there; return whether it may print more."""
        for key, _ in selector.select(wait):
            data = os.read(key.fd, _CHUNK)
            if not data:
                selector.unregister(key.fileobj)
                continue
            self._read += len(data)
            self._tails[key.data] = (self._tails[key.data] + data)[-_TAIL:]
            if key.data == "stdout":
                self.reader.feed("stdout", data, 0.0)
        return self._read <= MAX_BYTES

    def last_line(self, stream: str) -> str:
        """Return the last line of a stream that is not blank, cut to what a reason may quote."""
        tail = self._tails[stream]
        if len(tail) == _TAIL:
            tail = tail.partition(b"\n")[2]  # its first line may be the end of a secret, which no mask knows
        # Masked before it is cut, for the same reason.
        lines = mask(text(tail), self._job.secrets).strip().splitlines()
        return lines[-1].strip()[:MAX_SHOWN] if lines else ""

    def _fault(self, code: int) -> str:
        if code == 0:
            return ""
        end = f"died of {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        last = self.last_line("stderr")
        return f"the count {end}: {last}" if last else f"the count {end}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started: asked first if it still runs, then for certain."""
    if not has_ended(process):
        _signal(process, signal.SIGTERM)
        until = time.monotonic() + TERM_SECONDS
        while not has_ended(process) and time.monotonic() < until:
            time.sleep(_TICK / 10)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # the group is gone, or (macOS) nothing but a zombie
        os.killpg(process.pid, number)


def verify(
    outcome: Outcome, request: RunRequest, *, complete: bool, should_cancel: Callable[[], bool], why: str
) -> Outcome:
    """Return how a run ended once its claim of success was put to the test.

    Args:
        outcome: by its exit code alone. One that claims no success is returned as it is.
        request: what was asked for.
        complete: whether `request` is what the run was started with, secrets and all. Else nobody was there
            at its end, its lock is free, and what is counted now might be another's work.
        why: then why not.
        should_cancel: asked now and then while the script counts; true ends that.
    """
    if outcome.state != "succeeded":
        return outcome
    condition, failures = request.postcondition, outcome.failures
    allowed = condition.max_failed if condition else None
    if allowed is not None and failures > allowed:
        reason = f"{failures} item{'s' * (failures != 1)} failed, at most {allowed} allowed"
        return replace(outcome, state="failed", reason=reason)
    if request.not_checked:
        return replace(outcome, proof="skipped", proof_reason=request.not_checked)
    if condition is None:
        return replace(outcome, proof="none declared")
    if not condition.run:
        return replace(outcome, proof="held", proof_reason=f"{failures} failed, at most {allowed} allowed")
    if request.verify is None:
        counted = Counted(reason=f"not countable: {request.not_countable}")
    elif not complete:
        counted = Counted(reason=why)
    else:
        counted = count(
            request.verify,
            request.output,
            seconds=condition.timeout,
            environ=os.environ,
            stopped=should_cancel,
        )
    proof, reason = compare(condition.expect, counted)
    outcome = replace(outcome, proof=proof, proof_reason=reason)
    states: dict[str, RunState] = {"failed": "incomplete", "unknown": "unverified"}
    return replace(outcome, state=states[proof], reason=reason) if proof in states else outcome


def doubt(outcome: Outcome, request: RunRequest, why: str) -> Outcome:
    """Return how a run ended whose printed lines were lost: a success that rests on them is not verified.

    Args:
        outcome: by its exit code and by what was counted.
        request: what was asked for.
        why: what became of the lines.
    """
    condition = request.postcondition
    if outcome.state != "succeeded" or condition is None or condition.max_failed is None:
        return outcome
    reason = f"{why}, so not all failures may have been counted"
    return replace(outcome, state="unverified", reason=reason, proof="unknown", proof_reason=reason)
