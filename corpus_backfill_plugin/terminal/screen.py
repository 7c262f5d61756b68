r"""The last line of a terminal, kept for ourselves while a script's bytes scroll above it.

Why this is not `rich.live.Live`: Live owns the screen. It draws what is printed through its own console,
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
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.files import write_all
from corpus_backfill_plugin.terminal import bar

if TYPE_CHECKING:
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


class BarDisplay:
    """A bar in the last line of a terminal, shown and removed.

    A terminal that fails while it is drawn on is left alone from then on; the run matters more.

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
        self._size: os.terminal_size | None = None
        self._text: str | None = None
        self._tail = b""
        self._passed = float("-inf")

    def passed(self, stream: str, data: bytes, now: float) -> None:
        """Keep track of where the script's bytes left the terminal."""
        if stream not in self._streams:
            return
        if b"\x1b" in data:
            self._text = None  # whatever it was, it may have erased the bar
            if _UNSETTING.search(self._tail[-16:] + data):
                self._size = None
        self._tail = data[-_TAIL:] if len(data) >= _TAIL else (self._tail + data)[-_TAIL:]
        self._passed = now

    def show(self, view: View, now: float) -> None:
        """Draw, but never into a sequence that is not complete; nothing is written when nothing changed."""
        if view.elapsed < FIRST_DRAW or (now - self._passed < PATIENCE and _UNFINISHED.search(self._tail)):
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
