"""A run watched by a person: its output shown, their signals passed on."""

from __future__ import annotations

import functools
import signal
import time
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.hook import call_hook
from corpus_backfill_plugin.agent.logs import pass_on, read_on
from corpus_backfill_plugin.agent.state import current_user
from corpus_backfill_plugin.agent.stop import Asked, FolderEnd
from corpus_backfill_plugin.runs.signals import LEAVING, STOPPING, Signals
from corpus_backfill_plugin.runs.summary import close
from corpus_backfill_plugin.terminal.sink import LINE_EVERY, Detached, TerminalSink

if TYPE_CHECKING:
    from io import FileIO

    from corpus_backfill_plugin.agent.folder import RunFolder
    from corpus_backfill_plugin.agent.launch import Launch
    from corpus_backfill_plugin.agent.link import Link
    from corpus_backfill_plugin.agent.output import OutputReader

_NOTICE_SECONDS = 1.0


class End(FolderEnd):
    """Where the watcher learns that a run has ended: from its supervisor, or else from its folder.

    Only who started the run has a `link`. Once the supervisor is killed, the folder is left.
    """

    def __init__(self, folder: RunFolder, link: Link | None = None, name: str = "") -> None:
        super().__init__(folder)
        self._link, self._name = link, name

    def wait(self, seconds: float) -> bool:
        """Wait `seconds` at most, less when something happens; return whether the run has ended."""
        if self._link and not self._link.broken:
            self._link.wait(seconds)
            self.script_ended = self._link.script_ended
            return self._link.gone
        if self._link:
            self._link = None
            notify(f"The supervisor of {self._name} was killed; waiting for the processes of the run.")
        return super().wait(seconds)


class Watcher:
    """Shows one run, called `name`, until it ends or the person leaves; that raises `Detached`."""

    def __init__(self, folder: RunFolder, name: str, signals: Signals) -> None:
        self._folder, self._name, self._signals = folder, name, signals
        self._asked, self._stops = Asked(folder), 0
        self._notice_at = 0.0

    def watch(self, end: End, sink: TerminalSink, logs: dict[str, FileIO] | None = None) -> OutputReader:
        """Show the run to its end, from its open `logs` if there are any; return what has read its output."""

        def ended(seconds: float) -> bool:
            sink.tick(time.monotonic())
            while self._signals.pending:
                self._obey(self._signals.pending.pop(0))
            self._asked.insist()
            over = end.wait(seconds)
            if end.script_ended and not over and self._is_notice_due():
                names = ", ".join(f"{s.pid} {s.command}" for s in self._folder.survivors()[:3])
                what = f"what it started still runs: {names or 'not known which'}"
                notify(f"The script has ended; {what}. Waiting.")
            return over

        with sink:
            show, folder = sink.write, self._folder
            sink.reader.cut = pass_on(logs, show, ended) if logs else read_on(folder, show, ended)
        self._notice_at = 0.0
        return sink.reader

    def should_cancel(self) -> bool:
        """Return whether to stop counting what is left: Ctrl-C or SIGTERM here, `runs stop` elsewhere."""
        if left := LEAVING.intersection(self._signals.pending):
            raise Detached(128 + min(left))  # the supervisor counts in our place
        if self._is_notice_due():
            notify("Counting what is left; Ctrl-C gives up on that.")
        return bool(self._signals.pending) or self._folder.stop_request() is not None

    def _obey(self, number: int) -> None:
        if number == signal.SIGQUIT:
            notify(f"Left {self._name}; it goes on.")
        if number in LEAVING:
            raise Detached(128 + number)
        self._stops += 1
        self._folder.note_stop(current_user(), "Ctrl-C" if number == signal.SIGINT else "SIGTERM")
        self._asked.ask(self._stops, number)
        first = f"Asked {self._name} to stop; press Ctrl-C again to end it."
        notify(first if self._stops == 1 else f"Ending {self._name}.")

    def _is_notice_due(self) -> bool:
        """Return once that something has taken so long that the person is due an explanation."""
        now = time.monotonic()
        self._notice_at = self._notice_at or now + _NOTICE_SECONDS
        if is_due := now >= self._notice_at:
            self._notice_at = float("inf")
        return is_due


def watch_run(run: Launch, link: Link, signals: Signals, line_every: float | None = None) -> int:
    """Show the run to its end, finish its record, and return the exit code."""
    watcher = Watcher(run.folder, run.name, signals)
    sink = TerminalSink(
        run.request.output,
        run.request.invocation.secrets,
        name=run.request.command,
        note=functools.partial(run.ledger.note, run.number),
        line_every=LINE_EVERY if line_every is None else line_every,
    )
    try:
        seen = watcher.watch(End(run.folder, link, run.name), sink, run.logs)
        record = run.finish(link, watcher.should_cancel, seen)
    except Detached as left:
        link.close(finished=False)
        return left.code
    if sink.found_secret or record.masked:
        notify(f"{run.name} printed a secret: it is masked here and in the log. Change the script.")
    try:
        return close(record, run.name)
    finally:
        signals.pending.clear()
        call_hook(run.ledger, run.number, run.request, lambda: bool(STOPPING & {*signals.pending}))
