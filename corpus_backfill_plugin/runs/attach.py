"""A run that this process did not start: watched, its logs shown."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.attach import require_running, wait_for_record
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.folder import STREAMS
from corpus_backfill_plugin.agent.logs import read_on
from corpus_backfill_plugin.runs.signals import Signals
from corpus_backfill_plugin.runs.summary import close
from corpus_backfill_plugin.runs.viewer import End, Watcher
from corpus_backfill_plugin.terminal.sink import Detached, TerminalSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpus_backfill_plugin.agent.folder import RunFolder
    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import RunRecord


def attach(record: RunRecord, folder: RunFolder, ledger: Ledger) -> int:
    """Show a running run as the one who started it sees it, signals included; return its exit code."""
    require_running(record, folder)
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
    return close(wait_for_record(record, folder, ledger), name)


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
