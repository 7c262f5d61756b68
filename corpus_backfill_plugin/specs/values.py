"""Whether one value is what its option asks for. Checking never rewrites: the text itself is sent on.

The same functions judge the defaults and choices of a spec and what the operator types. Where Python's own
readers accept more than other programs do (`1_000`, ` 5`, `nan`, `20240131`), only the common form passes.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import re
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.text import listed, nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.specs.model import Argument, Option, Scalar

TRUE_TEXTS = frozenset({"1", "true", "t", "yes", "y", "on"})
FALSE_TEXTS = frozenset({"0", "false", "f", "no", "n", "off"})

MAX_SECONDS = 100 * 365 * 86400
"""A hundred years. The system's timers hold less than three times that."""

MAX_CHECKED = 1000
"""Characters of a value that a `regex` is matched against, as that has no time limit; more are refused."""

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MOST_DIGITS = 1000
"""Digits of a whole number: far more than any script wants, below the limit where Python's own int fails."""


def check_value(parameter: Option | Argument, text: str) -> None:
    """Check one value that an operator gave. The ValueError names it: don't show that for a secret."""
    check_form(parameter, text)
    if parameter.exists and not os.path.exists(text):  # noqa: PTH110 - a Path would rewrite the text
        raise ValueError(f"{quoted(text)} does not exist on this machine")


def check_form(parameter: Option | Argument, text: str) -> None:
    """Check one value by itself, without a look at the machine; a ValueError says what is wrong."""
    if "\0" in text:
        raise ValueError("holds a NUL character, which no argument or variable can carry")
    value = parse(parameter.type, text)
    if parameter.choices:
        _check_choice(parameter, text, value)
    if parameter.type != "bool":
        _check_range(parameter, text, value)
    if parameter.max_length is not None and len(text) > parameter.max_length:
        raise ValueError(f"{len(text)} characters, {parameter.max_length} at most")
    if parameter.regex is not None:
        _check_regex(parameter, parameter.regex, text)


def several(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any value of a spec
    """Return the values of a key that takes one or a list; none for None."""
    return value if isinstance(value, tuple) else () if value is None else (value,)


def value_text(value: Scalar) -> str:
    """Return a value of a spec as an operator would type it: what is sent for a default."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse(value_type: str, text: str) -> Any:  # noqa: ANN401 - what it is depends on the type
    """Return `text` as what it means, only to be compared; a ValueError says why it is not of that type."""
    if value_type not in _FORMS:
        return _OTHERS[value_type](text)
    pattern, words, read, refusal = _FORMS[value_type]
    if not re.fullmatch(pattern, text):
        raise ValueError(f"{quoted(text)} is not {words}")
    try:
        return read(text)
    except ValueError:
        raise ValueError(f"{quoted(text)} {refusal}") from None


def parse_duration(text: str) -> float:
    """Return the seconds in a duration such as `90s` or `1h30m`; a ValueError says why it is none."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{quoted(text)} is not a duration such as 90s, 12h or 1h30m")
    seconds = math.fsum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > MAX_SECONDS:
        raise ValueError(f"{quoted(text)} is too long a duration, {MAX_SECONDS // 86400}d at most")
    return seconds


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError
    return int(text)


def _times(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _bool(text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE_TEXTS | FALSE_TEXTS:
        raise ValueError(f"{quoted(text)} is neither true nor false")
    return word in TRUE_TEXTS


def _path(text: str) -> str:
    if not text:
        raise ValueError("an empty text is not a path")
    return text


_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_FORMS: dict[str, tuple[str, str, Callable[[str], Any], str]] = {
    "int": ("[+-]?[0-9]+", "a whole number", _whole, "has too many digits"),
    "count": ("[+-]?[0-9]{1,1000}", "a whole number", _times, "is less than 0, and counts how often"),
    "float": (
        r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?",
        *("a number", _finite, "is too large a number"),
    ),
    "date": (_DAY, "a date such as 2024-01-31", dt.date.fromisoformat, "is not a day of the calendar"),
    "datetime": (
        rf"{_DAY}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?",
        "a time such as 2024-01-31T09:30:00 or 2024-01-31T09:30:00+02:00",
        *(dt.datetime.fromisoformat, "is not a moment of the calendar"),
    ),
    "uuid": (
        r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
        *("a UUID such as 123e4567-e89b-12d3-a456-426614174000", str.lower, ""),
    ),
}
"""Types by their form: an expression, its words, what reads it, and the problem where that refuses."""

_OTHERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "bool": _bool,
    "path": _path,
    "duration": parse_duration,
}


def _shown(parameter: Option | Argument, text: str) -> str:
    return quoted(text)[1:-1] if parameter.type in {"int", "float", "count"} else quoted(text)


def _check_choice(parameter: Option | Argument, text: str, value: object) -> None:
    texts = [value_text(choice) for choice in parameter.choices]
    if parameter.ignore_case:
        found = text.lower() in {choice.lower() for choice in texts}
    elif parameter.type in {"int", "float"}:
        # As numbers: argparse compares what it has read, so that 05 is 5 there as well.
        found = value in parameter.choices
    else:
        found = text in texts
    if not found:
        near = nearest(text, texts) if parameter.type == "str" else ""
        what = f"{_shown(parameter, text)} is not one of {listed(parameter.choices)}"
        raise ValueError(f"{what}; {near}" if near else what)


def _check_range(parameter: Option | Argument, text: str, value: Any) -> None:  # noqa: ANN401 - what the type makes of it
    for bound, word in ((parameter.min, "less"), (parameter.max, "more")):
        if bound is None:
            continue
        limit: Any = parse(parameter.type, bound) if isinstance(bound, str) else bound
        try:
            outside = value < limit if word == "less" else value > limit
        except TypeError:
            # Of two times only one has a zone: which is earlier depends on where one stands.
            has = "needs" if limit.tzinfo else "must not have"
            raise ValueError(
                f"{quoted(text)} {has} a time zone, to be compared with {quoted(bound)}"
            ) from None
        if outside:
            raise ValueError(f"{_shown(parameter, text)} is {word} than {value_text(bound)}")


def _check_regex(parameter: Option | Argument, regex: str, text: str) -> None:
    if len(text) > MAX_CHECKED:
        raise ValueError(f"{len(text)} characters, {MAX_CHECKED} at most")
    if not re.fullmatch(regex, text):
        asked = parameter.regex_help or f"must match {quoted(regex)}"
        raise ValueError(f"{quoted(text)} is not right: {asked}")
