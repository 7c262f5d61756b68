"""Text from specs, files and the environment, made safe to stand on a terminal."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# C0 without tab and newline, DEL, C1, and the marks that reorder text: any of them lets a spec or a
# file name redraw the terminal or show a line other than the one that is there. Surrogates can't be written.
_BYTES = (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))
_TURNING = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x2070))


@cache
def _unsafe() -> dict[int, str]:
    wide = (*_TURNING, *range(0xD800, 0xE000))
    return {code: f"\\x{code:02x}" for code in _BYTES} | {code: f"\\u{code:04x}" for code in wide}


@cache
def _unsafe_on_one_line() -> dict[int, str]:
    return _unsafe() | {0x09: " ", 0x0A: "\\n"}


def printable(text: str) -> str:
    """Return `text` with every character that a terminal would obey, newline and tab aside, escaped."""
    return text if text.isprintable() else text.translate(_unsafe())


def one_line(text: str) -> str:
    """Return `text` as one line that is safe on a terminal: newlines are escaped as well."""
    return text if text.isprintable() else text.translate(_unsafe_on_one_line())


def is_text(text: str) -> bool:
    """Return whether `text` can be written as UTF-8; bytes of an argument that are no text can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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


_GUESSED = 200
"""Words that a guess is made among at most: each costs time."""

_SHOWN = 60
"""Characters of a wrong value that a message repeats at most."""

_KINDS: tuple[tuple[str, str], ...] = (
    ("bool", "true or false"),
    ("int", "a whole number"),
    ("float", "a number with a decimal point"),
    ("str", "text"),
    ("datetime date time", "a date or time without quotes"),
    ("list tuple", "a list"),
    ("dict", "a table"),
)


def kind(value: object) -> str:
    """Return what sort of TOML value this is, in words."""
    name = type(value).__name__
    return next((words for names, words in _KINDS if name in names.split()), "a value of another kind")


def quoted(value: object) -> str:
    """Return `value` as the author of a TOML file would write it: on one line, not too long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        short = one_line(value[:_SHOWN])
        return f"'{short}'" if len(value) <= _SHOWN else f"'{short}...'"
    if not isinstance(value, int | float):
        return kind(value)
    try:
        text = str(value)
    except ValueError:  # Python refuses to write numbers of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def listed(values: Iterable[object]) -> str:
    """Return `values` as a list in a sentence."""
    return ", ".join(map(quoted, values))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the one of `known` that is most like `word`; empty when none is."""
    import difflib

    near = difflib.get_close_matches(word[:_SHOWN], list(known)[:_GUESSED], n=1)
    return f"did you mean {quoted(near[0])}?" if near else ""
