r"""The way of a run's bytes: past the reader and the masker to the terminal, with progress beside them.

Why the bar is not `rich.live.Live`: Live draws what is printed through a console of its own, line by line. A
script's bytes hold escapes, bars that redraw themselves with a bare ``\r``, and lines that are not finished
for seconds, and all of that must arrive unchanged and at once. So the scrolling region (DECSTBM) is set to
end one line above the bottom, as apt does it: the terminal itself keeps its cursor, colours and unfinished
lines, and the bar is drawn outside of the region between a saved and a restored cursor.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.files import write_all
from corpus_backfill_plugin.agent.folder import STREAMS
from corpus_backfill_plugin.agent.output import OutputReader
from corpus_backfill_plugin.agent.redact import Masker
from corpus_backfill_plugin.terminal import bar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self, TextIO

    from corpus_backfill_plugin.agent.progress import View
    from corpus_backfill_plugin.agent.records import Output
    from corpus_backfill_plugin.agent.redact import Secret

DRAW_EVERY = 0.1  # seconds between two drawings of the bar
LINE_EVERY = 10.0  # seconds between two plain lines of progress
NOTE_EVERY = 1.0  # seconds between two notes of how far the run is, for those who look from elsewhere
PARTS = 64  # moments that are distinguished in what was printed before anybody watched
FIRST_DRAW = 0.2  # seconds: what is over sooner needs no bar
PATIENCE = 1.0  # seconds for which an unfinished escape sequence keeps the bar from being drawn
MIN_ROWS = 3  # with fewer there is no room for a bar and anything else
_TAIL = 1024

_SAVE, _RESTORE = "\x1b7", "\x1b8"
_ALL_ROWS = f"{_SAVE}\x1b[r{_RESTORE}"  # setting the region moves the cursor
_MAKE_ROOM = "\x1bD\x1b[A"  # down, scrolling if at the bottom, and up again: the last line is free
_ERASE_BELOW = "\x1b[J"

# A reset, a region of the script's own, another screen: ours has to be set again.
_UNSETTING = re.compile(rb"\x1bc|\x1b\[[0-9;]*r|\x1b\[!p|\x1b\[\?(?:47|1047|1049)[hl]")
# An escape sequence or a UTF-8 character that is not complete yet: nothing may be put into it.
_UNFINISHED = re.compile(
    rb"(?:\x1b(?:\[[0-?]*[ -/]*|[ -/]+|[\]PX^_][^\x07\x1b]*\x1b?)?"
    rb"|[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z"
)


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
        past: bytes of each stream that were printed before anybody watched. They come all at once, and when
            they were printed is judged by how far into the stream they are.
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


def open_terminal(name: str | None, line_every: float) -> Terminal:
    """Return what fits where our own output goes.

    A terminal gets a bar, on stderr if that is one, else on stdout; anything else, also `TERM=dumb`, gets
    a plain line on stderr every so many seconds, which begins with `name`. Without a name there is neither.
    """
    if name is None:
        return Terminal()
    stderr = _descriptor(sys.stderr)
    screen = next((fd for fd in (stderr, _descriptor(sys.stdout)) if fd is not None and os.isatty(fd)), None)
    if screen is None or os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return Terminal(stderr, name, line_every)
    return BarTerminal(screen)


class Terminal:
    """Our own stdout and stderr, which a script's bytes are written to as they are, with lines of progress.

    Text already written through Python's streams goes out first. Where a stream has been replaced by one
    without a descriptor, as test runners do, bytes go through that one.
    """

    def __init__(self, shown_on: int | None = None, name: str = "", every: float = float("inf")) -> None:
        self._writers: dict[str, Callable[[bytes], object]] = {}
        self._beside: set[str] = set()  # the streams that go to the same file or terminal as the progress
        for stream, target in (("stdout", sys.stdout), ("stderr", sys.stderr)):
            with suppress(OSError, ValueError):
                target.flush()
            own = _descriptor(target)
            self._writers[stream] = target.buffer.write if own is None else partial(write_all, own)
            if own is not None and shown_on is not None and os.path.sameopenfile(own, shown_on):
                self._beside.add(stream)
        self._name, self._every, self._shown = name, every, 0.0
        self._tail = b""  # the last bytes beside the progress

    def write(self, stream: str, piece: bytes, now: float) -> None:
        """Write all of `piece`; raises an OSError when the operator's end is gone."""
        self._writers[stream](piece)
        if stream in self._beside:
            self._passed(piece, now)

    def _passed(self, piece: bytes, now: float) -> None:  # noqa: ARG002  for the bar
        self._tail = piece[-1:]

    def show(self, view: View, now: float) -> None:
        """Show how far the run is, if it is time for that: here by a plain line."""
        if view.elapsed - self._shown >= self._every:
            self._shown = view.elapsed
            begin = "" if self._tail in (b"", b"\n") else "\n"  # behind an unfinished line of the script's
            line = f"{begin}{self._name}: {bar.plain(view)}\n"
            with suppress(OSError):
                self.write("stderr", line.encode("utf-8", "replace"), now)

    def hide(self) -> None:
        """Remove what `show` left; a plain line stays."""


class BarTerminal(Terminal):
    """With a bar in the last line of the terminal `fd`; one that can't be drawn on is left alone."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        ascii_only = encoding.lower().replace("-", "") != "utf8"  # line-drawing characters need UTF-8
        self._draw = partial(bar.draw, color=not os.environ.get("NO_COLOR"), ascii_only=ascii_only)
        self._fd = fd
        self._size: os.terminal_size | None = None
        self._text: str | None = None
        self._written = float("-inf")

    def _passed(self, piece: bytes, now: float) -> None:
        if b"\x1b" in piece:
            self._text = None  # whatever it was, it may have erased the bar
            if _UNSETTING.search(self._tail[-16:] + piece):
                self._size = None
        self._tail = (self._tail + piece[-_TAIL:])[-_TAIL:]
        self._written = now

    def show(self, view: View, now: float) -> None:
        """Draw, but never into a sequence that is not complete; nothing is written when nothing changed."""
        if view.elapsed < FIRST_DRAW or (now - self._written < PATIENCE and _UNFINISHED.search(self._tail)):
            return
        size = self._room()
        has_room = size.lines >= MIN_ROWS and _in_foreground(self._fd)
        text = self._draw(view, size.columns) if has_room else ""
        if not text:
            self.hide()
        elif size != self._size or text != self._text:
            # After a resize the old bar is anywhere below, perhaps broken into two lines.
            erase = "" if self._size is None else _ERASE_BELOW
            out = f"{_ALL_ROWS}{erase}{_MAKE_ROOM}{_SAVE}\x1b[1;{size.lines - 1}r{_RESTORE}"
            out = "" if size == self._size else out
            self._size, self._text = size, text
            self._put(f"{out}{_SAVE}\x1b[{size.lines};1H\x1b[0m{text}\x1b[0m\x1b[K{_RESTORE}")

    def hide(self) -> None:
        """Give the line back, erased; the cursor stays where the script left it."""
        was, size = self._size, self._room()
        if size.lines and (was or self._text is not None):
            erase = f"{_SAVE}\x1b[{size.lines};1H\x1b[2K{_RESTORE}" if was == size else _ERASE_BELOW
            self._put(f"{_ALL_ROWS}{erase}")
        self._size = self._text = None

    def _room(self) -> os.terminal_size:
        with suppress(OSError):
            return os.get_terminal_size(self._fd)
        return os.terminal_size((0, 0))  # it is gone

    def _put(self, text: str) -> None:
        with suppress(OSError):
            write_all(self._fd, text.encode("utf-8", "replace"))


def _in_foreground(fd: int) -> bool:
    """Return whether we may draw on the terminal `fd`: not after `bg`, when a shell uses it."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # not our controlling terminal, so no shell of ours waits on it
        return True


def _descriptor(target: TextIO) -> int | None:
    try:
        return target.fileno()
    except (OSError, ValueError, AttributeError):
        return None
