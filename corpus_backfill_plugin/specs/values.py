"""Whether one value is what its option asks for. Checking never rewrites: the text itself is sent on.

The same functions judge the defaults and choices of a spec and what the operator types. Where Python's own
readers accept more than other programs do (`1_000`, ` 5`, `nan`, `20240131`), only the common form passes.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.text import listed, nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.specs.model import Argument, Option, Scalar

MAX_SECONDS = 100 * 365 * 86400  # a hundred years. The system's timers hold less than three times that
MAX_CHECKED = 1000
"""Characters of a value that a `regex` is matched against, as that has no time limit; more are refused."""

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


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
    """Return the values of what may be one or a list; none for None."""
    return tuple(value) if isinstance(value, tuple | list) else () if value is None else (value,)


def value_text(value: Scalar) -> str:
    """Return a value of a spec as an operator would type it: what is sent for a default."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse(value_type: str, text: str) -> Any:  # noqa: ANN401 - what it is depends on the type
    """Return `text` as what it means, only to be compared; a ValueError says why it is not of that type."""
    if value_type == "duration":
        return parse_duration(text)
    pattern, problem, read, refusal = _FORMS[value_type]
    if not re.fullmatch(pattern, text):
        raise ValueError(f"{quoted(text)} {problem}")
    with suppress(ValueError):
        value = read(text)
        if value not in (math.inf, -math.inf) and not (value_type == "count" and value < 0):
            return value
    raise ValueError(f"{quoted(text)} {refusal}")


def parse_duration(text: str) -> float:
    """Return the seconds in a duration such as `90s` or `1h30m`; a ValueError says why it is none."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{quoted(text)} is not a duration such as 90s, 12h or 1h30m")
    seconds = math.fsum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > MAX_SECONDS:
        raise ValueError(f"{quoted(text)} is too long a duration, {MAX_SECONDS // 86400}d at most")
    return seconds


def _is_true(text: str) -> bool:
    return text.strip().lower() in _TRUE


_TRUE = ("1", "true", "t", "yes", "y", "on")
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_FORMS: dict[str, tuple[str, str, Callable[[str], Any], str]] = {
    "str": ("(?s).*", "", str, ""),
    "path": ("(?s).+", "is not a path", str, ""),
    "bool": (
        rf"(?ai)\s*({'|'.join(_TRUE)}|0|false|f|no|n|off)\s*",
        *("is neither true nor false", _is_true, ""),
    ),
    "int": ("[+-]?[0-9]+", "is not a whole number", int, "has too many digits"),
    "count": ("[+-]?[0-9]+", "is not a whole number", int, "is less than 0, and counts how often"),
    "float": (
        r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?",
        *("is not a number", float, "is too large a number"),
    ),
    "date": (
        *(_DAY, "is not a date such as 2024-01-31"),
        *(dt.date.fromisoformat, "is not a day of the calendar"),
    ),
    "datetime": (
        rf"{_DAY}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?",
        "is not a time such as 2024-01-31T09:30:00 or 2024-01-31T09:30:00+02:00",
        *(dt.datetime.fromisoformat, "is not a moment of the calendar"),
    ),
    "uuid": (
        r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
        *("is not a UUID such as 123e4567-e89b-12d3-a456-426614174000", str.lower, ""),
    ),
}
"""Types by their form: an expression, the problem without it, what reads it, and where that refuses."""


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
