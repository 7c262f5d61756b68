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

from corpus_backfill_plugin.agent.files import write_all

_SAVE, _RESTORE = "\x1b7", "\x1b8"
_WHOLE = f"{_SAVE}\x1b[r{_RESTORE}"
"""The region is the whole screen again; setting it moves the cursor, hence saved and restored."""

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


class Screen:
    """The terminal behind `fd`, with a line at its bottom that can be shown and removed.

    A terminal that fails while it is drawn on is left alone from then on; the run matters more.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size: os.terminal_size | None = None
        self._text: str | None = None
        self._tail = b""

    @property
    def busy(self) -> bool:
        """Whether what passed last ended inside an escape sequence or a character."""
        return _UNFINISHED.search(self._tail) is not None

    def passed(self, data: bytes) -> None:
        """Take note of bytes that somebody wrote to the terminal."""
        if b"\x1b" in data:
            self._text = None  # whatever it was, it may have erased the bar
            if _UNSETTING.search(self._tail[-16:] + data):
                self._size = None
        self._tail = data[-_TAIL:] if len(data) >= _TAIL else (self._tail + data)[-_TAIL:]

    def width(self) -> int:
        """Return the columns there are now; 0 when there is no room for a line of ours."""
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            return 0
        return size.columns if size.lines >= MIN_ROWS else 0

    def show(self, text: str) -> None:
        """Draw `text`, which fits into one line, at the bottom; nothing is written when it stands there."""
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            return
        if size == self._size and text == self._text:
            return
        out = "" if size == self._size else self._reserved(size)
        out += f"{_SAVE}\x1b[{size.lines};1H\x1b[0m{text}\x1b[0m\x1b[K{_RESTORE}"
        self._size, self._text = size, text
        self._put(out)

    def remove(self) -> None:
        """Give the line back, erased; the cursor stays where the script left it."""
        if self._size is None and self._text is None:
            return
        was, self._size, self._text = self._size, None, None
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            return
        if was == size:
            self._put(f"{_WHOLE}{_SAVE}\x1b[{size.lines};1H\x1b[2K{_RESTORE}")
        else:
            self._put(f"{_WHOLE}{_ERASE_BELOW}")

    def _reserved(self, size: os.terminal_size) -> str:
        """Return what takes the last line of a screen of `size` out of the scrolling region.

        After a resize the old bar stands anywhere below the cursor, perhaps broken into two lines.
        """
        erase = "" if self._size is None else _ERASE_BELOW
        return f"{_WHOLE}{erase}{_MAKE_ROOM}{_SAVE}\x1b[1;{size.lines - 1}r{_RESTORE}"

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError):
            write_all(self._fd, text.encode("utf-8", "replace"))
