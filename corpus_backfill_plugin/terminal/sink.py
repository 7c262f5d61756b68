"""Where a followed run's bytes go: past the reader, to the operator, with progress shown beside them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, TypeAlias

from corpus_backfill_plugin.agent.files import write_all
from corpus_backfill_plugin.agent.folder import STREAMS
from corpus_backfill_plugin.agent.output import OutputReader
from corpus_backfill_plugin.agent.redact import Masker
from corpus_backfill_plugin.terminal import bar
from corpus_backfill_plugin.terminal.screen import BarDisplay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType, TracebackType
    from typing import Self, TextIO

    from corpus_backfill_plugin.agent.output import Templates
    from corpus_backfill_plugin.agent.progress import View
    from corpus_backfill_plugin.agent.redact import Secret

DRAW_EVERY = 0.1
"""Seconds between two drawings of the bar."""

LINE_EVERY = 10.0
"""Seconds between two plain lines of progress."""

PARTS = 64
"""Moments that are distinguished in what was printed before anybody watched."""

NOTE_EVERY = 1.0
"""Seconds between two notes of how far the run is, for those who look from elsewhere."""


Note: TypeAlias = "Callable[[View, dict[str, int]], None]"
"""Takes how far a run is and the counts that it has named, for others to read."""


class Streams:
    """This process's own stdout and stderr, which a script's bytes are written to as they are.

    Text already written through Python's streams goes out first. Where a stream has been replaced by one
    without a descriptor, as test runners do, bytes go through that one.
    """

    def __init__(self) -> None:
        self._targets: dict[str, TextIO] = {"stdout": sys.stdout, "stderr": sys.stderr}
        self.descriptors = {name: _descriptor(target) for name, target in self._targets.items()}
        for target in self._targets.values():
            with contextlib.suppress(OSError, ValueError):
                target.flush()

    def write(self, stream: str, piece: bytes) -> None:
        """Write all of `piece`; raises OSError when the operator's end is gone."""
        descriptor = self.descriptors[stream]
        if descriptor is not None:
            write_all(descriptor, piece)
            return
        target = self._targets[stream]
        buffer = getattr(target, "buffer", None)
        if buffer is not None:
            buffer.write(piece)
        else:
            target.write(piece.decode(errors="backslashreplace"))
        target.flush()

    def on(self, descriptor: int | None) -> frozenset[str]:
        """Return the streams that go to the same file or terminal as `descriptor`."""
        if descriptor is None:
            return frozenset()
        fds = self.descriptors.items()
        return frozenset(s for s, fd in fds if fd is not None and os.path.sameopenfile(fd, descriptor))


class LineDisplay:
    """A plain line every ten seconds, for pipes, files and dumb terminals.

    Args:
        target: its stderr is where the lines go.
        name: what each line begins with.
        every: seconds between two lines.
    """

    def __init__(self, target: Streams, name: str, every: float) -> None:
        self._target = target
        self._streams = target.on(target.descriptors["stderr"]) | {"stderr"}
        self._name = name
        self._every = every
        self._shown = 0.0
        self._line_open = False

    def passed(self, stream: str, data: bytes, now: float) -> None:  # noqa: ARG002 - as of BarDisplay
        """Keep track of whether the script's last line is finished."""
        if stream in self._streams:
            self._line_open = not data.endswith(b"\n")

    def show(self, view: View, now: float) -> None:  # noqa: ARG002 - as of BarDisplay
        """Write a line when it is time for one, behind an unfinished one of the script's if need be."""
        if view.elapsed - self._shown < self._every:
            return
        self._shown = view.elapsed
        line = f"{self._name}: {bar.plain(view)}\n"
        with contextlib.suppress(OSError):
            self._target.write(
                "stderr", (f"\n{line}" if self._line_open else line).encode("utf-8", "replace")
            )
        self._line_open = False

    def hide(self) -> None:
        """Do nothing: a written line stays."""


class TerminalSink:
    """Takes what a run prints, in the order it comes, and shows it with its progress.

    As a context manager it also puts the bar away while the CLI is stopped with Ctrl-Z.

    Args:
        output: what the script's lines mean.
        secrets: taken out of what is shown, once it was read: a mask must not change what lines mean.
        name: what plain lines of progress begin with; None shows no progress.
        took: seconds since the run began.
        past: for each stream how many bytes at its beginning were printed before anybody watched. They come
            all at once, and when they were printed is judged by how far into the stream they stand.
        note: called with how far the run is, at most once in `NOTE_EVERY`.
        line_every: seconds between two plain lines of progress, where there is no terminal.

    Attributes:
        reader: what has read the output.
    """

    def __init__(
        self,
        output: Templates | None,
        secrets: Iterable[Secret] = (),
        *,
        name: str | None,
        took: float = 0.0,
        past: Mapping[str, int] | None = None,
        note: Note | None = None,
        line_every: float = LINE_EVERY,
    ) -> None:
        self.reader = OutputReader(output)
        secrets = tuple(secrets)
        self._maskers = {stream: Masker(secrets) for stream in STREAMS}
        self._target = Streams()
        self._display = None if name is None else _display(self._target, name, line_every)
        self._opened = self._noted = time.monotonic()
        self._started = self._opened - took
        self._closed = self._wrote = False
        self._shown = float("-inf")
        self._note = note
        self._past = {stream: size for stream, size in (past or {}).items() if size}
        self._unread = dict(self._past)

    def write(self, stream: str, piece: bytes) -> None:
        """Show `piece` of `stream` at once, without lines of the protocol.

        Raises:
            OSError: the operator's end is gone.
        """
        self._wrote = True
        # The reader takes a piece as of one moment, so what was printed over hours comes in parts.
        step = max(self._past[stream] // PARTS, 64) if stream in self._unread else len(piece)
        for at in range(0, len(piece), step):
            part = piece[at : at + step]
            now = self._when(stream, len(part))
            self._pass(stream, self.reader.feed(stream, part, now), now)
        self._show(time.monotonic())

    def tick(self, now: float) -> None:
        """Bring the display up to date; to be called some times a second, also in silence."""
        if not self._wrote:
            self._unread.clear()  # whatever was to come of the past has come
        self._wrote = False
        self._show(now)

    def close(self) -> None:
        """Show what was held back, remove the bar. Closing twice, or with the terminal gone, is no error."""
        if self._closed:
            return
        self._closed = True
        now = time.monotonic()
        for stream in STREAMS:
            with contextlib.suppress(OSError):
                self._pass(stream, self.reader.close(stream, now), now)
                self._write(stream, self._maskers[stream].flush(), now)
        self._hide()

    def view(self, now: float) -> View | None:
        """Return how far the run is at `now`, None while it has not said so."""
        progress, failures = self.reader.progress, self.reader.results.failures
        return (
            None if progress is None else progress.view(now, elapsed=now - self._started, failures=failures)
        )

    def _when(self, stream: str, length: int) -> float:
        """Return when the next `length` bytes of `stream` were printed."""
        if stream not in self._unread:
            return time.monotonic()
        left = self._unread.pop(stream) - length
        if left > 0:
            self._unread[stream] = left
        return self._opened - (self._opened - self._started) * max(left, 0) / self._past[stream]

    @property
    def found_secret(self) -> bool:
        """Whether a secret had to be taken out."""
        return any(masker.found for masker in self._maskers.values())

    def _pass(self, stream: str, shown: bytes, now: float) -> None:
        self._write(stream, self._maskers[stream].feed(shown), now)

    def _write(self, stream: str, shown: bytes, now: float) -> None:
        if shown:
            self._target.write(stream, shown)
            if self._display:
                self._display.passed(stream, shown, now)

    def _hide(self) -> None:
        if self._display:
            self._display.hide()

    def _show(self, now: float) -> None:
        # Pieces come a thousand times a second, and those of the past are not worth drawing.
        if self._display is None or self._closed or self._unread or now - self._shown < DRAW_EVERY:
            return
        view = self.view(now)
        if view is not None:
            self._shown = now
            self._display.show(view, now)
            if self._note and now - self._noted >= NOTE_EVERY:
                self._noted = now
                self._note(view, self.reader.results.counts)

    def __enter__(self) -> Self:
        """Begin to handle Ctrl-Z, unless somebody else does."""
        self._catches_stop = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
        )
        if self._catches_stop:
            signal.signal(signal.SIGTSTP, self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, whatever happened."""
        self.close()
        if self._catches_stop:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's
        """Put the bar away, stop as Ctrl-Z means it, and go on from here once continued."""
        self._hide()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._stop)


def _display(target: Streams, name: str, line_every: float) -> BarDisplay | LineDisplay:
    """Return the display that fits where our own output goes.

    A terminal gets a bar, on stderr if that is one, else on stdout; anything else, also `TERM=dumb`, gets
    a plain line on stderr now and then. Only with UTF-8 are line-drawing characters used.
    """
    fds = (target.descriptors["stderr"], target.descriptors["stdout"])
    terminal = next((fd for fd in fds if fd is not None and os.isatty(fd)), None)
    if terminal is None or os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return LineDisplay(target, name, line_every)
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    ascii_only = encoding.lower().replace("-", "") != "utf8"
    color = not os.environ.get("NO_COLOR")
    return BarDisplay(terminal, target.on(terminal), color=color, ascii_only=ascii_only)


def _descriptor(target: TextIO) -> int | None:
    """Return the target's descriptor, if it has one that is open."""
    try:
        number = target.fileno()
        os.fstat(number)
    except (OSError, ValueError, AttributeError):
        return None
    return number
