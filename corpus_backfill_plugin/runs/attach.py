"""A run that this process did not start: found, watched, its logs shown."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.finish import UnrecordedError
from corpus_backfill_plugin.agent.folder import STREAMS, RunFolder
from corpus_backfill_plugin.agent.logs import read_on, with_view
from corpus_backfill_plugin.agent.recover import is_here, resolve
from corpus_backfill_plugin.agent.state import State, current_user
from corpus_backfill_plugin.agent.stop import stop
from corpus_backfill_plugin.agent.value import replace
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.runs.signals import Signals
from corpus_backfill_plugin.runs.summary import close
from corpus_backfill_plugin.runs.viewer import End, Watcher
from corpus_backfill_plugin.terminal.sink import Detached, TerminalSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import RunRecord

_RECORD_SECONDS = 30.0
_NOTICE_SECONDS = 2.0
_PAUSE = 0.02


def find(state: State, ledger: Ledger, number: int | None) -> tuple[RunRecord, RunFolder]:
    """Return run `number`, the latest for None, and its folder."""
    record = ledger.latest() if number is None else ledger.get(number)
    if record is None:
        wanted = "no run has been recorded yet" if number is None else f"there is no run {number}"
        raise BackfillError(wanted, "See `backfill runs` for those there are.")
    return current(record, state), RunFolder(state.run_folder(record.number), record.token)


def current(record: RunRecord, state: State) -> RunRecord:
    """Return `record` with what a running one's folder knows better: its process, how long, how far."""
    folder = RunFolder(state.run_folder(record.number), record.token)
    if record.state == "running" and is_here(record, folder) and (process := folder.process()):
        return with_view(replace(record, pid=process.pid, took=process.took()), folder)
    return record


def attach(record: RunRecord, folder: RunFolder, ledger: Ledger) -> int:
    """Show a running run as the one who started it sees it, signals included; return its exit code."""
    _require_running(record, folder)
    name = f"{record.command} (run {record.number})"
    notify(f"Attached to {name}. Ctrl-C asks it to stop, Ctrl-\\ leaves it going on.")
    request = folder.request()
    sink = TerminalSink(
        request.output if request else None,
        request.invocation.secrets if request else (),
        name=record.command,
        took=record.took or 0.0,
        past={stream: folder.size(stream) for stream in STREAMS},
        note=functools.partial(ledger.note, record.number),
    )
    with Signals() as signals:
        try:
            Watcher(folder, name, signals).watch(End(folder), sink)
        except Detached as left:
            return left.code
    ended = wait_for_record(record, folder, ledger)
    return close(replace(ended, failed=ended.failed or ledger.failed_items(ended.number)), name)


def stop_run(record: RunRecord, folder: RunFolder, ledger: Ledger, after: float) -> RunRecord:
    """Stop a run and return its record; `after` are the seconds between interrupt and terminate."""
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
    """Write a run's logs to our streams of the same name, following them to its end or Ctrl-C if asked to."""
    request, end = folder.request(), End(folder)
    sink = TerminalSink(None, request.invocation.secrets if request else (), name=None)
    with Signals() as signals, sink:

        def ended(seconds: float) -> bool:
            if signals.pending:
                raise Detached(128 + signals.pending[0])
            return not follow or end.wait(seconds)

        try:
            read_on(folder, sink.write, ended, streams)
        except Detached as left:
            return left.code
    return 0


def wait_for_record(record: RunRecord, folder: RunFolder, ledger: Ledger) -> RunRecord:
    """Return the record of a run whose processes are gone, as soon as its end is written in it.

    Where it can't be written, for want of space, how the run ended is returned all the same.
    """
    began, notice_at = time.monotonic(), time.monotonic() + _NOTICE_SECONDS
    # Whoever sees to the record may take long: what is left is counted.
    while time.monotonic() < began + _RECORD_SECONDS or folder.supervisor():
        if time.monotonic() > notice_at:
            notice_at = float("inf")
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
