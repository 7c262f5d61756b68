"""A run that this process did not start: found, watched, its logs shown."""

from __future__ import annotations

import functools
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.finish import UnrecordedError
from corpus_backfill_plugin.agent.folder import STREAMS, RunFolder
from corpus_backfill_plugin.agent.recover import current, is_here, resolve
from corpus_backfill_plugin.agent.state import current_user
from corpus_backfill_plugin.agent.stop import stop
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.runs.summary import close
from corpus_backfill_plugin.runs.tail import Closed, Follower
from corpus_backfill_plugin.runs.viewer import Detached, FolderEnd, Signals, Watcher
from corpus_backfill_plugin.terminal.sink import TerminalSink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import RunRecord
    from corpus_backfill_plugin.agent.redact import Secret
    from corpus_backfill_plugin.agent.state import State

_RECORD_SECONDS = 30.0
_NOTICE_SECONDS = 2.0
_PAUSE = 0.02


def find(state: State, ledger: Ledger, number: int | None) -> tuple[RunRecord, RunFolder]:
    """Return run `number`, the latest for None, and its folder.

    Raises:
        BackfillError: there is none.
    """
    record = ledger.latest() if number is None else ledger.get(number)
    if record is None:
        wanted = "no run has been recorded yet" if number is None else f"there is no run {number}"
        raise BackfillError(wanted, "See `backfill runs` for those there are.")
    return current(record, state), RunFolder(state.run_folder(record.number), record.token)


def attach(record: RunRecord, folder: RunFolder, ledger: Ledger) -> int:
    """Show a running run as the one who started it sees it, signals included; return its exit code.

    Raises:
        BackfillError: it does not run any more, or not on this machine.
    """
    _require_running(record, folder)
    name = f"{record.command} (run {record.number})"
    notify(f"Attached to {name}. Ctrl-C asks it to stop, Ctrl-\\ leaves it going on.")
    with Signals() as signals:
        watcher = Watcher(folder, name, signals)
        try:
            with _shown(record, folder, ledger) as sink:
                watcher.watch(FolderEnd(folder), sink)
        except Detached as left:
            return left.code
    ended = wait_for_record(record, folder, ledger)
    return close(replace(ended, failed=ended.failed or ledger.failed_items(ended.number)), name)


def stop_run(record: RunRecord, folder: RunFolder, ledger: Ledger, after: float) -> RunRecord:
    """Stop a run and return its record; `after` are the seconds between interrupt and terminate.

    Raises:
        BackfillError: it does not run, not here, or processes of it are left.
    """
    _require_running(record, folder)
    folder.note_stop(current_user(), "runs stop")
    left = stop(folder, after)
    if left is not None:
        names = ", ".join(f"{survivor.pid} {survivor.command}" for survivor in left) or "not known which"
        raise BackfillError(
            f"run {record.number} has not ended: processes of it are left: {names}",
            "They may belong to another user or hang in the kernel; `runs` tells when they are gone.",
        )
    return wait_for_record(record, folder, ledger)


def show_logs(folder: RunFolder, streams: Sequence[str], *, follow: bool) -> int:
    """Write a run's logs to our streams of the same name; return the exit code.

    Args:
        folder: the run's.
        streams: which of stdout and stderr.
        follow: show what comes until the run ends; Ctrl-C leaves.

    Raises:
        BackfillError: the logs are gone.
    """
    sink = TerminalSink(None, _secrets(folder), name=None)
    follower = Follower(folder, sink, streams)
    with Signals() as signals, follower, sink:
        try:
            follower.follow(_until(FolderEnd(folder), signals) if follow else lambda _: True)
        except Closed:
            return 128 + signal.SIGPIPE
        except Detached as left:
            return left.code
    return 0


def wait_for_record(record: RunRecord, folder: RunFolder, ledger: Ledger) -> RunRecord:
    """Return the record of a run whose processes are gone, as soon as its end is written in it.

    Where it can't be written, for want of space, how the run ended is returned all the same.
    """
    until = time.monotonic() + _RECORD_SECONDS
    told_at = time.monotonic() + _NOTICE_SECONDS
    while time.monotonic() < until or _is_finished_by_another(folder):
        if time.monotonic() > told_at:
            told_at = float("inf")
            notify(f"The script of run {record.number} has ended; waiting for what its end comes to.")
        try:
            resolve(folder, record, ledger)
        except UnrecordedError as failed:
            notify(f"{failed.problem}. The next `backfill runs` that can write records how this one ended.")
            return failed.record
        found = ledger.get(record.number)
        if found is None:
            raise BackfillError(f"run {record.number} was pruned meanwhile", "")
        if found.state != "running":
            return found
        time.sleep(_PAUSE)
    return record


def _is_finished_by_another(folder: RunFolder) -> bool:
    """Return whether somebody lives who sees to a run's record: counting what is left may take long."""
    process = folder.process()
    return process is not None and process.is_supervised()


def _until(end: FolderEnd, signals: Signals) -> Callable[[float], bool]:
    def ended(seconds: float) -> bool:
        if signals.pending:
            raise Detached(128 + signals.pending[0])
        return end.wait(seconds)

    return ended


def _shown(record: RunRecord, folder: RunFolder, ledger: Ledger) -> TerminalSink:
    request = folder.request()
    output = request.output if request else None
    note = functools.partial(ledger.note, record.number)
    past = {stream: folder.size(stream) for stream in STREAMS}
    return TerminalSink(
        output, _secrets(folder), name=record.command, took=record.took or 0.0, past=past, note=note
    )


def _secrets(folder: RunFolder) -> tuple[Secret, ...]:
    request = folder.request()
    return request.invocation.secrets if request else ()


def _require_running(record: RunRecord, folder: RunFolder) -> None:
    if record.state != "running":
        raise BackfillError(
            f"run {record.number} does not run any more: {record.state}",
            f"See `backfill runs show {record.number}`.",
        )
    if not is_here(record, folder):
        raise BackfillError(
            f"run {record.number} runs on {record.host}", "Its processes can only be reached from there."
        )
