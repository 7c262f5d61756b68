"""The end of a run written down, exactly once, by whoever comes to it first.

`main` is what a supervisor becomes when nobody watched its run to the end.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import write_whole
from corpus_backfill_plugin.agent.folder import STREAMS, RunFolder
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.logs import read_logs, view_at_end
from corpus_backfill_plugin.agent.outcome import judge
from corpus_backfill_plugin.agent.plain import load
from corpus_backfill_plugin.agent.records import Failure, Outcome, RunRecord, RunRequest, record_of
from corpus_backfill_plugin.agent.redact import Masker, mask
from corpus_backfill_plugin.agent.value import replace
from corpus_backfill_plugin.agent.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.agent.output import OutputReader
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
"""Signals whose meaning can't be changed, or may not: a program's own errors, and what Python sees to."""


class UnrecordedError(AgentError):
    """How a run ended is known, and could not be written down."""

    def __init__(self, record: RunRecord, failed: AgentError) -> None:
        super().__init__(failed.problem, failed.hint)
        self.record = record


def finish(
    folder: RunFolder,
    request: RunRequest | None,
    ledger: Ledger,
    number: int,
    should_cancel: Callable[[], bool] = lambda: False,
    *,
    seen: OutputReader | None = None,
) -> RunRecord:
    """Finish the record of a run whose processes are proved to be gone, and return it.

    Any number of processes may do this at once, and any of them may be killed or stopped meanwhile: none
    waits for another. What the first of them writes into the file `verdict` is what all report and record.

    The `request` has its secrets; None takes the one kept, which has none. While what is left is counted,
    `should_cancel` ends that by returning true, and by raising leaves the run to be finished by another. What
    has `seen` all of the run's logs saves reading them. The folder of a run without a record is removed.

    Raises:
        UnrecordedError: the ledger can't be written; whoever looks next does it.
    """
    record = None
    with suppress(AgentError):  # unreadable: writing will fail as well, and say so
        record = _recorded(ledger, number)
    if record and record.state != "running":
        return record
    known = request or folder.bare_request()
    outcome = read_verdict(folder, known, seen)
    if outcome is None:
        outcome = conclude(folder, request, should_cancel, seen, record)
        # Small enough for the space kept for it: the items that failed are in the logs.
        if not folder.keep_verdict(replace(outcome, failed=())):
            outcome = read_verdict(folder, known, seen) or outcome
    due = "due" if known and known.on_end and known.on_end.is_due(outcome.state) else ""
    ended = replace(record or _unrecorded(folder, known, number), **vars(outcome), on_end=due)
    try:
        if not ledger.finish(number, **vars(outcome), on_end=due):
            ended = _recorded(ledger, number) or ended
    except AgentError as unwritable:
        raise UnrecordedError(ended, unwritable) from unwritable
    if not number:
        import shutil

        shutil.rmtree(folder.path.parent.parent, ignore_errors=True)  # the temporary state folder
    return ended


def _recorded(ledger: Ledger, number: int) -> RunRecord | None:
    """Return the record of a run, with the items that failed."""
    record = ledger.get(number)
    return record and replace(record, failed=ledger.failed_items(number))


def _unrecorded(folder: RunFolder, request: RunRequest | None, number: int) -> RunRecord:
    """Return the record of a run that has none, or one that can't be read."""
    if request is None:
        raise AgentError(f"the folder {folder.path} of a run was taken away")
    return record_of(request, number=number, token=folder.token, user="", host="", boot="", started=0.0)


def read_verdict(folder: RunFolder, request: RunRequest | None, seen: OutputReader | None) -> Outcome | None:
    """Return what another found that the run came to; None when nobody has."""
    try:
        found = load(Outcome, folder.verdict.read_bytes())
    except (OSError, ValueError):
        return None
    if found.masked is None or not found.failures:
        return found
    seen = seen or read_logs(folder, request.output if request else None)
    # What has been read while the run went on was not masked yet.
    failed = _without_secrets(seen.results.failed, request.invocation.secrets if request else ())
    return replace(found, failed=failed)


def conclude(
    folder: RunFolder,
    request: RunRequest | None,
    should_cancel: Callable[[], bool],
    seen: OutputReader | None,
    noted: RunRecord | None,
) -> Outcome:
    """Judge the end of a run from what its processes left, read what its logs say, then clean them.

    `noted` is the record, with what somebody who watched has counted.
    """
    known = request or folder.bare_request()
    outcome = judge(
        folder.ending(), folder.stop_request(), folder.process(), known.success_codes if known else (0,),
        time.time(), taken=not folder.path.exists(),
    )  # fmt: skip
    cut = seen.cut if seen else folder.is_cut()  # before masking, which changes lengths
    # Masked without our having read it: by a finisher that was killed or stopped since.
    lost = _CUT if cut else _MASKED if seen is None and folder.masked.exists() else ""
    seen = seen or read_logs(folder, known.output if known else None)
    results = seen.results
    secrets = known.invocation.secrets if known else ()
    masked: bool | None = None
    failed: tuple[Failure, ...] = ()  # might be named by a secret: then how many is all that may be kept
    if secrets or not folder.had_secrets():
        with suppress(OSError):  # no space to write them anew: `runs show` says that they were not searched
            found = [mask_file(folder.log(stream), secrets, cut=cut) for stream in STREAMS]
            masked = any(found) or folder.masked.exists()
        failed = _without_secrets(results.failed, secrets)
    counts, failures = results.counts, results.failures
    if cut and noted:
        counts, failures = noted.counts | counts, max(noted.failures, failures)
    outcome = replace(
        outcome,
        masked=masked,
        view=view_at_end(seen, outcome.took),
        counts=counts,
        failures=failures,
        failed=failed,
    )
    if known:
        return verify(
            outcome,
            known,
            complete=request is not None,
            should_cancel=lambda: should_cancel() or folder.verdict.exists(),
            why=folder.finisher_failure() or "its supervisor was killed before it was counted",
            lost=lost,
        )
    # Killed between the record and the start, or its folder was taken away, all or part of it.
    reason = f"what it was asked for is gone from its folder ({folder.path}), so nothing could be checked"
    return replace(outcome, state="unverified", reason=reason) if outcome.state == "succeeded" else outcome


def _without_secrets(failed: tuple[Failure, ...], secrets: tuple[Secret, ...]) -> tuple[Failure, ...]:
    if not secrets:
        return failed
    masked = [(each, mask(each.item, secrets)) for each in failed]
    return tuple(Failure(item, mask(f.reason, secrets), masked=item != f.item) for f, item in masked)


def mask_file(path: Path, secrets: tuple[Secret, ...], *, cut: bool = False) -> bool:
    """Take `secrets` out of the file at `path`, which is rewritten only if there are any; return whether.

    Beside it the file `masked` is left, which says whether the log was `cut` before its length changed.
    """
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


def _has_any(path: Path, secrets: tuple[Secret, ...]) -> bool:
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
    folder, run = RunFolder(path, metadata.token), metadata.number or 0
    place = Path(metadata.ledger) if metadata.ledger else None
    try:
        with Ledger(place) as ledger:
            finish(folder, request, ledger, run, lambda: folder.stop_request() is not None)
        if request.on_end:
            from corpus_backfill_plugin.agent.hook import call_hook

            os.closerange(3, _DESCRIPTORS)  # the run's locks: the next run of the kind need not wait
            with Ledger(place) as ledger:
                call_hook(ledger, run, request)
    except AgentError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1  # whoever looks at the runs next finishes this one
    (path / "finisher.log").unlink(missing_ok=True)
    return 0
