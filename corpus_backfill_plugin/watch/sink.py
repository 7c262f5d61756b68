"""Where a followed run's bytes go: past the watcher, to the operator, with progress shown beside them."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Protocol, TypeAlias

from corpus_backfill_plugin.masking import Masker
from corpus_backfill_plugin.watch import bar
from corpus_backfill_plugin.watch.reader import STREAMS
from corpus_backfill_plugin.watch.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType, TracebackType
    from typing import Self

    from corpus_backfill_plugin.masking import Secret
    from corpus_backfill_plugin.watch.reader import Watcher

DRAW_EVERY = 0.1
"""Seconds between two drawings of the bar."""

FIRST_DRAW = 0.2
"""Seconds: what is over sooner needs no bar."""

LINE_EVERY = 10.0
"""Seconds between two plain lines of progress."""

PARTS = 64
"""Moments that are told apart in what was printed before anybody watched."""

NOTE_EVERY = 1.0
"""Seconds between two notes of how far the run is, for those who look from elsewhere."""

PATIENCE = 1.0
"""Seconds for which an unfinished escape sequence keeps the bar from being drawn."""


Note: TypeAlias = "Callable[[bar.View, dict[str, int]], None]"
"""Takes how far a run is and the counts that it has named, for others to read."""


class Target(Protocol):
    """Where a script's bytes are shown, as `run.sink.PlainSink` does it."""

    def write(self, stream: str, piece: bytes) -> None:
        """Show `piece` of `stream`; raises OSError when the operator's end is gone."""

    def descriptor(self, stream: str) -> int | None:
        """Return the descriptor that `stream` is shown on, None when it has none."""


class Display(Protocol):
    """How progress is shown beside a script's output."""

    def passed(self, stream: str, data: bytes, now: float) -> None:
        """Take note of `data`, just written for `stream`."""

    def show(self, view: bar.View, now: float) -> None:
        """Show how far the run is; called some ten times a second."""

    def hide(self) -> None:
        """Remove what is shown; `show` may bring it back."""


class BarDisplay:
    """A bar in the terminal's last line.

    Args:
        fd: the terminal.
        streams: the script's streams that are written to the same terminal.
        color: whether colours may be used.
        ascii_only: whether the bar must do without line-drawing characters.
    """

    def __init__(self, fd: int, streams: frozenset[str], *, color: bool, ascii_only: bool) -> None:
        self._fd = fd
        self._streams = streams
        self._color = color
        self._ascii = ascii_only
        self._screen = Screen(fd)
        self._passed = float("-inf")

    def passed(self, stream: str, data: bytes, now: float) -> None:
        """Keep track of where the script's bytes left the terminal."""
        if stream in self._streams:
            self._screen.passed(data)
            self._passed = now

    def show(self, view: bar.View, now: float) -> None:
        """Draw, but never into a sequence that is not complete."""
        if view.elapsed < FIRST_DRAW:
            return
        if self._screen.busy and now - self._passed < PATIENCE:
            return
        width = self._screen.width() if _in_foreground(self._fd) else 0
        text = bar.draw(view, width, color=self._color, ascii_only=self._ascii)
        if text:
            self._screen.show(text)
        else:
            self._screen.remove()

    def hide(self) -> None:
        """Give the last line back."""
        self._screen.remove()


class LineDisplay:
    """A plain line every ten seconds, for pipes, files and dumb terminals.

    Args:
        target: its stderr is where the lines go.
        streams: the script's streams that go to the same place.
        name: what each line begins with.
        every: seconds between two lines.
    """

    def __init__(
        self, target: Target, streams: frozenset[str], name: str, *, every: float = LINE_EVERY
    ) -> None:
        self._target = target
        self._streams = streams
        self._name = name
        self._every = every
        self._shown = 0.0
        self._line_open = False

    def passed(self, stream: str, data: bytes, now: float) -> None:  # noqa: ARG002 - a Display's method
        """Keep track of whether the script's last line is finished."""
        if stream in self._streams:
            self._line_open = not data.endswith(b"\n")

    def show(self, view: bar.View, now: float) -> None:  # noqa: ARG002 - a Display's method
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


class NoDisplay:
    """Nothing beside the output: the progress is only read, or only taken out."""

    def passed(self, stream: str, data: bytes, now: float) -> None:
        """Do nothing."""

    def show(self, view: bar.View, now: float) -> None:
        """Do nothing."""

    def hide(self) -> None:
        """Do nothing."""


class WatchingSink:
    """Takes what a run prints, in the order it comes, and shows it with its progress.

    As a context manager it also puts the bar away while the CLI is stopped with Ctrl-Z.

    Args:
        watcher: reads the run's output.
        display: shows the progress.
        secrets: taken out of what is shown, once it was read: a mask must not change what lines mean.
        target: where the script's bytes go.
        started: when the run began, on `clock`.
        past: for each stream how many bytes at its beginning were printed before anybody watched. They come
            all at once, and when they were printed is judged by how far into the stream they stand.
        note: called with how far the run is, once in `NOTE_EVERY` at the most.
        clock: tells the time in seconds; must not go back.
    """

    def __init__(
        self,
        watcher: Watcher,
        display: Display,
        secrets: Iterable[Secret] = (),
        *,
        target: Target,
        started: float,
        past: Mapping[str, int] | None = None,
        note: Note | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.watcher = watcher
        self._display = display
        secrets = tuple(secrets)
        self._maskers = {stream: Masker(secrets) for stream in STREAMS}
        self._target = target
        self._started = started
        self._clock = clock
        self._closed = False
        self._shown = float("-inf")
        self._noted = clock()
        self._note = note
        self._past = {name: size for name, size in (past or {}).items() if size}
        self._unread = dict(self._past)
        self._opened = clock()
        self._wrote = False

    def write(self, stream: str, piece: bytes) -> None:
        """Show `piece` of `stream` at once, without lines of the protocol.

        Raises:
            OSError: the operator's end is gone.
        """
        self._wrote = True
        # The watcher takes a piece as of one moment, so what was printed over hours comes in parts.
        step = max(self._past[stream] // PARTS, 64) if stream in self._unread else len(piece)
        for at in range(0, len(piece), step):
            part = piece[at : at + step]
            now = self._when(stream, len(part))
            self._pass(stream, self.watcher.feed(stream, part, now), now)
        self._show(self._clock())

    def descriptor(self, stream: str) -> int | None:  # noqa: ARG002 - the signature is the follower's
        """Return None: no piece may pass unseen."""
        return None

    def tick(self, now: float) -> None:
        """Bring the display up to date; to be called some times a second, also in silence."""
        if not self._wrote:
            self._unread.clear()  # whatever was to come of the past has come
        self._wrote = False
        self._show(now)

    def close(self) -> None:
        """Show what was held back, remove the bar. Closing twice, or with the terminal gone, is no fault."""
        if self._closed:
            return
        self._closed = True
        now = self._clock()
        for stream in STREAMS:
            with contextlib.suppress(OSError):
                self._pass(stream, self.watcher.close(stream, now), now)
                self._write(stream, self._maskers[stream].flush(), now)
        self._display.hide()

    def view(self, now: float) -> bar.View | None:
        """Return how far the run is at `now`, None while it has not said so."""
        progress = self.watcher.progress
        return None if progress is None else bar.view(progress, self.watcher.results, self._started, now)

    def _when(self, stream: str, length: int) -> float:
        """Return when the next `length` bytes of `stream` were printed."""
        if stream not in self._unread:
            return self._clock()
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
            self._display.passed(stream, shown, now)

    def _show(self, now: float) -> None:
        # Pieces come a thousand times a second, and those of the past are not worth drawing.
        if self._closed or self._unread or now - self._shown < DRAW_EVERY:
            return
        view = self.view(now)
        if view is not None:
            self._shown = now
            self._display.show(view, now)
            if self._note and now - self._noted >= NOTE_EVERY:
                self._noted = now
                self._note(view, self.watcher.results.counts)

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
        self._display.hide()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._stop)


def open_sink(
    watcher: Watcher,
    target: Target,
    *,
    started: float,
    environ: Mapping[str, str],
    name: str = "progress",
    encoding: str = "utf-8",
    line_every: float = LINE_EVERY,
) -> WatchingSink:
    """Return a sink with the display that `choose_display` takes.

    Args:
        watcher: reads the run's output.
        target: where the script's bytes go.
        started: when the run began, on `time.monotonic`'s clock.
        environ: as of `choose_display`, like the rest.
        name: see there.
        encoding: see there.
        line_every: see there.
    """
    display = choose_display(target, environ=environ, name=name, encoding=encoding, line_every=line_every)
    return WatchingSink(watcher, display, target=target, started=started)


def choose_display(
    target: Target, *, environ: Mapping[str, str], name: str, encoding: str = "utf-8", line_every: float
) -> Display:
    """Return the display that fits where our own output goes.

    A terminal gets a bar, on stderr if that is one, else on stdout; anything else, also `TERM=dumb`, gets
    a plain line on stderr now and then.

    Args:
        target: where the script's bytes go.
        environ: where `TERM` and `NO_COLOR` are looked up.
        name: the command's, which plain lines begin with.
        encoding: of the terminal; only with UTF-8 are line-drawing characters used.
        line_every: seconds between two plain lines.
    """
    fds = {stream: target.descriptor(stream) for stream in STREAMS}
    terminal = next((fd for fd in (fds["stderr"], fds["stdout"]) if fd is not None and os.isatty(fd)), None)
    if terminal is None or environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return LineDisplay(target, _on(fds, fds["stderr"]) | {"stderr"}, name, every=line_every)
    ascii_only = encoding.lower().replace("-", "") != "utf8"
    return BarDisplay(terminal, _on(fds, terminal), color=not environ.get("NO_COLOR"), ascii_only=ascii_only)


def _on(fds: Mapping[str, int | None], place: int | None) -> frozenset[str]:
    """Return the streams that go to the file or terminal of the descriptor `place`."""
    if place is None:
        return frozenset()
    return frozenset(s for s, fd in fds.items() if fd is not None and os.path.sameopenfile(fd, place))


def _in_foreground(fd: int) -> bool:
    """Return whether we may draw on the terminal `fd`: not after `bg`, when a shell uses it."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # not our controlling terminal, so no shell of ours waits on it
        return True
