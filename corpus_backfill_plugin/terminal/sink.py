"""The way of a run's bytes: past the reader and the masker to the terminal, with progress beside them."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.folder import STREAMS
from corpus_backfill_plugin.agent.output import OutputReader
from corpus_backfill_plugin.agent.redact import Masker
from corpus_backfill_plugin.terminal.screen import open_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from corpus_backfill_plugin.agent.output import Output
    from corpus_backfill_plugin.agent.progress import View
    from corpus_backfill_plugin.agent.redact import Secret

DRAW_EVERY = 0.1  # seconds between two drawings of the bar
LINE_EVERY = 10.0  # seconds between two plain lines of progress
NOTE_EVERY = 1.0  # seconds between two notes of how far the run is, for those who look from elsewhere
PARTS = 64  # moments that are distinguished in what was printed before anybody watched


class Detached(Exception):  # noqa: N818  not an error: the run goes on without us
    """The person, the terminal or the reader of our stdout leaves a run; `code` is the CLI's exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class TerminalSink:
    """Takes what a run prints, in the order it comes, and shows it with its progress.

    As a context manager it also puts the bar away while the CLI is stopped with Ctrl-Z.

    Args:
        secrets: taken out of what is shown, once it was read: a mask must not change what lines mean.
        name: what plain lines of progress begin with; None shows no progress.
        took: seconds since the run began.
        past: for each stream how many bytes were printed before anybody watched. They come all at once, and
            when they were printed is judged by how far into the stream they are.
        note: takes how far the run is and what it has counted, at most once in `NOTE_EVERY`.
        line_every: seconds between two plain lines of progress, where there is no terminal.
    """

    def __init__(
        self,
        output: Output | None,
        secrets: Sequence[Secret] = (),
        *,
        name: str | None,
        took: float = 0.0,
        past: Mapping[str, int] | None = None,
        note: Callable[[View, dict[str, int]], None] | None = None,
        line_every: float = LINE_EVERY,
    ) -> None:
        self.reader = OutputReader(output)
        self._maskers = {stream: Masker(secrets) for stream in STREAMS}
        self._terminal = open_terminal(name, line_every)
        self._opened = self._noted = time.monotonic()
        self._started = self._opened - took
        self._wrote = self._stderr_lost = False
        self._shown, self._note = float("-inf"), note
        self._past = {stream: size for stream, size in (past or {}).items() if size}
        self._unread = dict(self._past)

    @property
    def found_secret(self) -> bool:
        """Whether a secret had to be taken out."""
        return any(masker.found for masker in self._maskers.values())

    def write(self, stream: str, piece: bytes) -> None:
        """Show `piece` of `stream` at once; raises `Detached` when our stdout, not stderr, is gone."""
        self._wrote = True
        # The reader takes a piece as of one moment, so what was printed over hours comes in parts.
        step = max(self._past[stream] // PARTS, 64) if stream in self._unread else len(piece)
        for at in range(0, len(piece), step):
            part = piece[at : at + step]
            now = self._when(stream, len(part))
            self._write(stream, self._maskers[stream].feed(self.reader.feed(stream, part, now)), now)
        self._show(time.monotonic())

    def tick(self, now: float) -> None:
        """Bring the progress up to date; to be called some times a second, also in silence."""
        if not self._wrote:
            self._unread.clear()  # whatever was to come of the past has come
        self._wrote = False
        self._show(now)

    def _write(self, stream: str, shown: bytes, now: float) -> None:
        if not shown or (stream == "stderr" and self._stderr_lost):
            return
        try:
            self._terminal.write(stream, shown, now)
        except OSError as error:
            if stream == "stdout":  # EIO is of a terminal that is gone, and most else EPIPE, of `| head`
                left = signal.SIGHUP if error.errno == errno.EIO else signal.SIGPIPE
                raise Detached(128 + left) from error
            self._stderr_lost = True

    def _when(self, stream: str, length: int) -> float:
        """Return when the next `length` bytes of `stream` were printed."""
        if stream not in self._unread:
            return time.monotonic()
        left = self._unread.pop(stream) - length
        if left > 0:
            self._unread[stream] = left
        return self._opened - (self._opened - self._started) * max(left, 0) / self._past[stream]

    def _show(self, now: float) -> None:
        # Pieces come a thousand times a second, and those of the past are not worth drawing.
        if self._unread or now - self._shown < DRAW_EVERY:
            return
        view = self.reader.pace.view(now, now - self._started, self.reader.results.failures)
        if view is not None:
            self._shown = now
            self._terminal.show(view, now)
            if self._note and now - self._noted >= NOTE_EVERY:
                self._noted = now
                self._note(view, self.reader.results.counts)

    def __enter__(self) -> Self:
        """Begin to handle Ctrl-Z, unless somebody else does."""
        is_main = threading.current_thread() is threading.main_thread()
        self._catches_stop = is_main and signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
        if self._catches_stop:
            signal.signal(signal.SIGTSTP, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        """Show what was held back and remove the bar, whatever happened."""
        now = time.monotonic()
        for stream, masker in self._maskers.items():
            rest = masker.feed(self.reader.close(stream, now)) + masker.flush()
            with suppress(Detached):
                self._write(stream, rest, now)
        self._terminal.hide()
        if self._catches_stop:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def _stop(self, *_: object) -> None:
        """Put the bar away, stop as Ctrl-Z means it, and go on from here once continued."""
        self._terminal.hide()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._stop)
