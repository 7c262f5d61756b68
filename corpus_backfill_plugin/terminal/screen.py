r"""This process's own stdout and stderr, and the progress that is shown beside what goes through them.

Why the bar is not `rich.live.Live`: Live owns the screen. It draws what is printed through its own console,
line by line, and moves the cursor up over its last drawing. A script's raw bytes do not go through a
console: they hold escapes of their own, bars that redraw themselves with a bare ``\r``, and lines
that are not finished for seconds, and all of that must arrive unchanged and at once. So the scrolling
region (DECSTBM) is set to end one line above the bottom, as apt does it: the script's bytes pass as they
are, the terminal itself keeps its cursor, colours and unfinished lines, and the bar is drawn outside of
the region between a saved and a restored cursor.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.files import write_all
from corpus_backfill_plugin.terminal import bar

if TYPE_CHECKING:
    from typing import TextIO

    from corpus_backfill_plugin.agent.progress import View

FIRST_DRAW = 0.2
"""Seconds: what is over sooner needs no bar."""

PATIENCE = 1.0
"""Seconds for which an unfinished escape sequence keeps the bar from being drawn."""

_SAVE, _RESTORE = "\x1b7", "\x1b8"
_WHOLE = f"{_SAVE}\x1b[r{_RESTORE}"
"""The region is the complete screen again; setting it moves the cursor, hence saved and restored."""

_MAKE_ROOM = "\x1bD\x1b[A"
"""Down, scrolling if at the bottom, and up again in the same column: the last line is free."""

_ERASE_BELOW = "\x1b[J"

_UNSETTING = re.compile(rb"\x1bc|\x1b\[[0-9;]*r|\x1b\[!p|\x1b\[\?(?:47|1047|1049)[hl]")
"""A reset, a region of the script's own, another screen: ours has to be set again."""

_UNFINISHED = re.compile(
    rb"(?:\x1b(?:\[[0-?]*[ -/]*|[ -/]+|[\]PX^_][^\x07\x1b]*\x1b?)?"
    rb"|[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z"
)
"""An escape sequence or a UTF-8 character that is not complete yet: nothing may be put into it."""

_TAIL = 1024
MIN_ROWS = 3
"""With fewer there is no room for a bar and anything else."""


def open_terminal(name: str | None, line_every: float) -> Terminal:
    """Return what fits where our own output goes.

    A terminal gets a bar, on stderr if that is one, else on stdout; anything else, also `TERM=dumb`, gets
    a plain line on stderr now and then. Only with UTF-8 are line-drawing characters used.

    Args:
        name: what plain lines of progress begin with; None shows no progress.
        line_every: seconds between two of them.
    """
    if name is None:
        return Terminal()
    fds = (_descriptor(sys.stderr), _descriptor(sys.stdout))
    screen = next((fd for fd in fds if fd is not None and os.isatty(fd)), None)
    if screen is None or os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return LineTerminal(name, line_every)
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    ascii_only = encoding.lower().replace("-", "") != "utf8"
    return BarTerminal(screen, color=not os.environ.get("NO_COLOR"), ascii_only=ascii_only)


class Terminal:
    """Our own stdout and stderr, which a script's bytes are written to as they are; shows no progress.

    Text already written through Python's streams goes out first. Where a stream has been replaced by one
    without a descriptor, as test runners do, bytes go through that one.
    """

    def __init__(self) -> None:
        self._targets: dict[str, TextIO] = {"stdout": sys.stdout, "stderr": sys.stderr}
        self._descriptors = {name: _descriptor(target) for name, target in self._targets.items()}
        for target in self._targets.values():
            with contextlib.suppress(OSError, ValueError):
                target.flush()

    def write(self, stream: str, piece: bytes, now: float) -> None:  # noqa: ARG002  for who draws as well
        """Write all of `piece`.

        Raises:
            OSError: the operator's end is gone.
        """
        descriptor = self._descriptors[stream]
        if descriptor is not None:
            write_all(descriptor, piece)
            return
        buffer = self._targets[stream].buffer
        buffer.write(piece)
        buffer.flush()

    def show(self, view: View, now: float) -> None:
        """Show how far the run is, if it is time for that."""

    def hide(self) -> None:
        """Remove what `show` left on a screen."""

    def _same_as(self, descriptor: int | None) -> frozenset[str]:
        """Return the streams that go to the same file or terminal as `descriptor`."""
        if descriptor is None:
            return frozenset()
        fds = self._descriptors.items()
        return frozenset(s for s, fd in fds if fd is not None and os.path.sameopenfile(fd, descriptor))


class LineTerminal(Terminal):
    """With a plain line of progress on stderr now and then, for pipes, files and dumb terminals."""

    def __init__(self, name: str, every: float) -> None:
        super().__init__()
        self._streams = self._same_as(self._descriptors["stderr"]) | {"stderr"}
        self._name, self._every = name, every
        self._shown = 0.0
        self._line_open = False

    def write(self, stream: str, piece: bytes, now: float) -> None:
        """Write it, and remember whether the script's last line is finished."""
        super().write(stream, piece, now)
        if stream in self._streams:
            self._line_open = not piece.endswith(b"\n")

    def show(self, view: View, now: float) -> None:
        """Write a line when it is time for one, behind an unfinished one of the script's if need be."""
        if view.elapsed - self._shown < self._every:
            return
        self._shown = view.elapsed
        begin = "\n" if self._line_open else ""
        line = f"{begin}{self._name}: {bar.plain(view)}\n".encode("utf-8", "replace")
        with contextlib.suppress(OSError):
            super().write("stderr", line, now)
        self._line_open = False


class BarTerminal(Terminal):
    """With a bar in the last line of the terminal `fd`; one that can't be drawn on is left alone."""

    def __init__(self, fd: int, *, color: bool, ascii_only: bool) -> None:
        super().__init__()
        self._fd, self._streams = fd, self._same_as(fd)
        self._color, self._ascii = color, ascii_only
        self._size: os.terminal_size | None = None
        self._text: str | None = None
        self._tail = b""
        self._written = float("-inf")

    def write(self, stream: str, piece: bytes, now: float) -> None:
        """Write it, and keep track of where it leaves the terminal."""
        super().write(stream, piece, now)
        if stream not in self._streams:
            return
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
        size = self._terminal_size()
        has_room = size is not None and size.lines >= MIN_ROWS and _in_foreground(self._fd)
        width = size.columns if size is not None and has_room else 0
        text = bar.draw(view, width, color=self._color, ascii_only=self._ascii)
        if not text or size is None:
            self.hide()
        elif size != self._size or text != self._text:
            out = "" if size == self._size else self._reserved(size)
            self._size, self._text = size, text
            self._put(f"{out}{_SAVE}\x1b[{size.lines};1H\x1b[0m{text}\x1b[0m\x1b[K{_RESTORE}")

    def hide(self) -> None:
        """Give the line back, erased; the cursor stays where the script left it."""
        if self._size is None and self._text is None:
            return
        was, self._size, self._text = self._size, None, None
        size = self._terminal_size()
        if size is None:
            return
        erase = f"{_SAVE}\x1b[{size.lines};1H\x1b[2K{_RESTORE}" if was == size else _ERASE_BELOW
        self._put(f"{_WHOLE}{erase}")

    def _terminal_size(self) -> os.terminal_size | None:
        with contextlib.suppress(OSError):
            return os.get_terminal_size(self._fd)
        return None

    def _reserved(self, size: os.terminal_size) -> str:
        """Return what takes the last line of a screen of `size` out of the scrolling region.

        After a resize the old bar stands anywhere below the cursor, perhaps broken into two lines.
        """
        erase = "" if self._size is None else _ERASE_BELOW
        return f"{_WHOLE}{erase}{_MAKE_ROOM}{_SAVE}\x1b[1;{size.lines - 1}r{_RESTORE}"

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError):
            write_all(self._fd, text.encode("utf-8", "replace"))


def _in_foreground(fd: int) -> bool:
    """Return whether we may draw on the terminal `fd`: not after `bg`, when a shell uses it."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # not our controlling terminal, so no shell of ours waits on it
        return True


def _descriptor(target: TextIO) -> int | None:
    """Return the target's descriptor, if it has one that is open."""
    try:
        number = target.fileno()
        os.fstat(number)
    except (OSError, ValueError, AttributeError):
        return None
    return number
