"""The end of a run written down, exactly once, by whoever comes to it first.

`main` is what a supervisor becomes when nobody watched its run to the end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import write_whole
from corpus_backfill_plugin.agent.folder import STREAMS, RunFolder
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.logs import read_logs, view_at_end
from corpus_backfill_plugin.agent.outcome import Outcome, judge
from corpus_backfill_plugin.agent.output import Failure, Results
from corpus_backfill_plugin.agent.plain import load
from corpus_backfill_plugin.agent.progress import View  # noqa: TC001  `plain` reads the annotations
from corpus_backfill_plugin.agent.records import RunRequest
from corpus_backfill_plugin.agent.redact import Masker, mask
from corpus_backfill_plugin.agent.verify import Proof, doubt, prove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from corpus_backfill_plugin.agent.output import OutputReader
    from corpus_backfill_plugin.agent.records import OnEnd, RunRecord
    from corpus_backfill_plugin.agent.redact import Secret

_CHUNK = 1 << 20
_DESCRIPTORS = 4096
"""More than a supervisor inherits."""

_CUT = "its log was truncated or removed while it ran"
_MASKED = "its finisher was killed when it had masked the log"

_FATAL = {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ),
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
}
"""Signals whose meaning can't be changed, or may not: a program's own faults, and what Python sees to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What finishing came to.

    Attributes:
        outcome: how the run ended.
        masked: whether secrets were found in its logs and taken out; None when they could not be searched.
        results: what the script said it did.
        view: how far it came; None when it never said.
        proof: what came of its postcondition.
    """

    outcome: Outcome
    masked: bool | None = False
    results: Results = Results()  # noqa: RUF009  frozen
    view: View | None = None
    proof: Proof = Proof()  # noqa: RUF009  frozen


class UnrecordedError(AgentError):
    """How a run ended is known, and could not be written down."""

    def __init__(self, finished: Finished, failed: AgentError) -> None:
        super().__init__(failed.problem, failed.hint)
        self.finished = finished


def never() -> bool:
    """Tell that nobody wants the end of a run to be hurried."""
    return False


def finish(
    folder: RunFolder,
    request: RunRequest | None,
    ledger: Ledger | None,
    stopped: Callable[[], bool] = never,
    seen: OutputReader | None = None,
    *,
    number: int | None = None,
) -> Finished:
    """Finish the record of a run whose processes are proved to be gone.

    Any number of processes may do this at once, and any of them may be killed or stopped meanwhile: none
    waits for another. What the first of them writes into the file `verdict` is what all report and record.

    Args:
        folder: the run's. One without a record is removed at the end.
        request: what was asked for, with its secrets; None takes the one kept, which has none.
        ledger: where the record is; None for a run without one.
        stopped: asked now and then while what is left is counted; true ends that, and by raising it leaves
            the run to be finished by another.
        seen: what has read the run's logs already, all of them; None reads them now.
        number: the run's, which its folder need not say any more; None takes what it says.

    Returns:
        What it came to, also when another was faster.

    Raises:
        UnrecordedError: the ledger can't be written; whoever looks next does it.
    """
    metadata = folder.metadata()
    if number is None and metadata:
        number = metadata.number
    on_end = metadata.request.on_end if metadata else None
    record = None
    with suppress(AgentError):  # unreadable: writing will fail as well, and say so
        record = ledger.get(number) if ledger and number is not None else None
    if ledger and record and record.state != "running":
        return as_recorded(record, ledger)
    finished = read_verdict(folder, request, seen)
    if finished is None:
        verdict = folder.verdict
        finished = conclude(folder, request, lambda: stopped() or verdict.exists(), seen, record)
        if not folder.keep_verdict(_without_items(finished)):
            finished = read_verdict(folder, request, seen) or finished
    try:
        if ledger and number is not None and not write_end(ledger, number, finished, on_end):
            record = ledger.get(number)
            if record and record.state != "running":
                return as_recorded(record, ledger)
    except AgentError as unwritable:
        raise UnrecordedError(finished, unwritable) from unwritable
    if metadata and metadata.ledger is None:
        shutil.rmtree(folder.path.parent, ignore_errors=True)  # the temporary folder around it
    return finished


def read_verdict(folder: RunFolder, request: RunRequest | None, seen: OutputReader | None) -> Finished | None:
    """Return what another found that the run came to; None when nobody has yet. Arguments as of `finish`."""
    try:
        found = load(Finished, folder.verdict.read_bytes())
    except (OSError, ValueError):
        return None
    if found.masked is None or not found.results.failures:
        return found
    metadata = folder.metadata()
    request = request or (metadata.request if metadata else None)
    seen = seen or read_logs(folder, request.output if request else None)
    results = replace(found.results, failed=seen.results.failed)
    return replace(found, results=results)


def _without_items(finished: Finished) -> Finished:
    """Return `finished` small enough for the space kept for it: the items that failed are in the logs."""
    results = replace(finished.results, failed=(), failed_total=finished.results.failures)
    return replace(finished, results=results)


def write_end(ledger: Ledger, number: int, finished: Finished, on_end: OnEnd | None) -> bool:
    """Put what a run came to into its row; return whether that was still to be done."""
    return ledger.finish(
        number,
        finished.results.failed,
        **asdict(finished.outcome),
        masked=finished.masked,
        view=finished.view,
        counts=finished.results.counts,
        failures=finished.results.failures,
        proof=finished.proof.state,
        proof_reason=finished.proof.reason,
        on_end="due" if on_end and on_end.is_due(finished.outcome.state) else "",
    )


def as_recorded(record: RunRecord, ledger: Ledger) -> Finished:
    """Return what an ended run came to, as its record has it."""
    facts = {name: getattr(record, name) for name in (f.name for f in fields(Outcome))}
    return Finished(
        outcome=Outcome(**facts),
        masked=record.masked,
        results=Results(record.counts, ledger.failed_items(record.number), record.failures),
        view=record.view,
        proof=Proof(record.proof, record.proof_reason),
    )


def conclude(
    folder: RunFolder,
    request: RunRequest | None,
    stopped: Callable[[], bool] = never,
    seen: OutputReader | None = None,
    noted: RunRecord | None = None,
) -> Finished:
    """Judge the end of a run from what its processes left, read what its logs say, then clean them.

    Arguments as of `finish`; `noted` is the record, with what somebody who watched has counted.
    """
    metadata = folder.metadata()
    whole = request is not None
    request = request or (metadata.request if metadata else None)
    codes = request.success_codes if request else (0,)
    outcome = judge(
        folder.ending(), folder.stop_request(), folder.process(), codes, time.time(),
        taken=not folder.path.exists(),
    )  # fmt: skip
    cut = seen.cut if seen else folder.is_cut()  # before masking, which changes lengths
    lost = _CUT if cut else ""
    if seen is None and folder.masked.exists():  # by a finisher that was killed or stopped since
        lost = lost or _MASKED
    secrets = request.invocation.secrets if request else ()
    seen = seen or read_logs(folder, request.output if request else None)
    results, view = seen.results, view_at_end(seen, outcome.took)
    masked: bool | None = None
    if not (metadata and metadata.secret) or secrets:
        with suppress(OSError):  # no space to write them anew: `runs show` says that they were not searched
            found = [mask_file(folder.log(stream), secrets, cut=cut) for stream in STREAMS]
            masked = any(found) or folder.masked.exists()
        results = _without_secrets(results, secrets)
    else:  # what failed might be named by a secret: how many is all that may be kept
        results = replace(results, failed=())
    if cut and noted:
        counts, failures = noted.counts | results.counts, max(noted.failures, results.failures)
        results = replace(results, counts=counts, failed_total=failures)
    proof = Proof()
    if request:
        why = folder.finisher_failure() or "its supervisor was killed before it was counted"
        outcome, proof = prove(outcome, request, results.failures, whole=whole, stopped=stopped, why=why)
        if lost:
            outcome, proof = doubt(outcome, proof, request, lost)
    return Finished(outcome=outcome, masked=masked, results=results, view=view, proof=proof)


def _without_secrets(results: Results, secrets: tuple[Secret, ...]) -> Results:
    failed = []
    for failure in results.failed if secrets else ():
        item = mask(failure.item, secrets)
        failed.append(Failure(item, mask(failure.reason, secrets), masked=item != failure.item))
    return replace(results, failed=tuple(failed)) if failed else results


def mask_file(path: Path, secrets: Iterable[Secret], *, cut: bool = False) -> bool:
    """Take `secrets` out of the file at `path`, which is rewritten only if there are any; return whether.

    Beside it the file `masked` is left, which says whether the log was `cut` before its length changed.
    """
    secrets = tuple(secrets)
    if not secrets or not path.exists() or not _has_any(path, secrets):
        return False
    temporary = path.with_suffix(f".{os.getpid()}.masked")
    masker = Masker(secrets)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with path.open("rb") as source, os.fdopen(descriptor, "wb") as target:
            while piece := source.read(_CHUNK):
                target.write(masker.feed(piece))
            target.write(masker.flush())
            target.flush()
            os.fsync(target.fileno())
        write_whole(path.with_name("masked"), b"cut" if cut else b"")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return True


def _has_any(path: Path, secrets: Iterable[Secret]) -> bool:
    """Return whether the file has a secret in it: far faster than to rewrite it."""
    masker = Masker(secrets)
    with path.open("rb") as source:
        while not masker.found and (piece := source.read(_CHUNK)):
            masker.feed(piece)
    masker.flush()
    return masker.found


def main(arguments: list[str]) -> int:
    """Finish the run in the folder `arguments[0]`; `arguments[1]` is the descriptor of its request.

    It was started with all signals blocked, and nothing that asks it to end does so.
    """
    for number in signal.valid_signals() - _FATAL:
        # Unlike an ignored one, a handled one is not handed on to programs started from here.
        signal.signal(number, lambda *_: None)
    if sys.platform == "linux":
        while signal.sigtimedwait(_FATAL - {signal.SIGKILL, signal.SIGSTOP}, 0):
            pass  # sent to the supervisor, and pending since
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    path = Path(arguments[0])
    with os.fdopen(int(arguments[1]), "rb") as stream:
        request = load(RunRequest, stream.read())
    metadata = RunFolder(path, "").metadata()
    if metadata is None:
        return 1
    folder = RunFolder(path, metadata.token)
    try:
        if metadata.ledger is None:
            finish(folder, request, None)
        else:
            with Ledger(Path(metadata.ledger)) as ledger:
                finish(folder, request, ledger, lambda: folder.stop_request() is not None)
            _call_hook(Path(metadata.ledger), metadata.number or 0, request)
    except AgentError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1  # whoever looks at the runs next finishes this one
    (path / "finisher.log").unlink(missing_ok=True)
    return 0


def _call_hook(path: Path, number: int, request: RunRequest) -> None:
    """Let the run's locks go, then tell the operator: the next run of the kind need not wait for that."""
    from corpus_backfill_plugin.agent.hook import call_hook

    if request.on_end is None:
        return
    os.closerange(3, _DESCRIPTORS)
    with Ledger(path) as ledger:
        call_hook(ledger, number, request)
