"""Text made safe for a terminal, and notices written there."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache

# C0 without tab and newline, DEL, C1, and the marks that reorder text: any of them lets a spec or a
# file name redraw the terminal or show a line other than the one that is there. Surrogates can't be written.
_BYTES = (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))
_WIDE = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x2070))


@cache
def _escapes(*, newlines: bool) -> dict[int, str]:
    escapes = {code: f"\\x{code:02x}" for code in _BYTES}
    escapes |= {code: f"\\u{code:04x}" for code in (*_WIDE, *range(0xD800, 0xE000))}
    return escapes | ({0x09: " ", 0x0A: "\\n"} if newlines else {})


def printable(text: str) -> str:
    """Return `text` with every character that a terminal would obey, newline and tab aside, escaped."""
    return text if text.isprintable() else text.translate(_escapes(newlines=False))


def one_line(text: str) -> str:
    """Return `text` as one line that is safe on a terminal: newlines are escaped as well."""
    return text if text.isprintable() else text.translate(_escapes(newlines=True))


def is_text(text: str) -> bool:
    """Return whether `text` can be written as UTF-8; bytes of an argument that are no text can't."""
    return text.encode(errors="ignore").decode() == text


def duration(seconds: float) -> str:
    """Return a duration as people say it: `0.4s`, `12s`, `3m 05s`, `2h 03m`, `4d 01h`."""
    seconds = max(seconds, 0.0)  # a clock set back must not make a run shorter than nothing
    if seconds < 10:  # noqa: PLR2004 - below, a tenth is worth a mention
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}h"
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


def notify(text: str) -> None:
    """Write one line to the person's stderr; if that is gone, nobody is there to read it."""
    with suppress(OSError):
        sys.stderr.write(f"{one_line(text)}\n")
        sys.stderr.flush()
