"""Text from specs, files and the environment, made safe for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.escape import duration, is_text, one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["duration", "is_text", "kind", "listed", "nearest", "one_line", "printable", "quoted"]
_GUESSED = 200  # words that a guess is made among at most: each costs time
_SHOWN = 60  # characters of a wrong value that a message repeats at most
_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number with a decimal point",
    "str": "text",
    **dict.fromkeys(("datetime", "date", "time"), "a date or time without quotes"),
    **dict.fromkeys(("list", "tuple"), "a list"),
    "dict": "a table",
}


def kind(value: object) -> str:
    """Return what sort of TOML value this is, in words."""
    return _KINDS.get(type(value).__name__, "a value of another kind")


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
