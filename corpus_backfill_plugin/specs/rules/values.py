"""Rules for what a single option or argument says of its value. Paths are relative to its table."""

from __future__ import annotations

import math
import re
import warnings
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.specs.diagnostics import Finding
from corpus_backfill_plugin.specs.environment import denial
from corpus_backfill_plugin.specs.model import ENV_PATTERN, Argument, Option
from corpus_backfill_plugin.specs.values import check_form, parse, value_text
from corpus_backfill_plugin.text import kind, one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

_WANTED: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "count": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
}
_RANGED = ("int", "float", "date", "datetime", "duration")
_VALUELESS = ("bool", "count")
_KEYS_OF_VALUES = (
    "choices",
    "ignore-case",
    "suggestions",
    "min",
    "max",
    "regex",
    "max-length",
    "metavar",
    "nargs",
    "multiple",
    "value-optional",
)


def misfit(parameter: Option | Argument, value: object) -> tuple[str, str] | None:
    """Return problem and hint when `value` of a spec is not written as the parameter's type is in TOML."""
    accepted, wanted = _WANTED.get(parameter.type, ((str,), "text"))
    if isinstance(value, accepted) and (parameter.type == "bool" or not isinstance(value, bool)):
        if isinstance(value, float) and not math.isfinite(value):
            return f"{value} is not a number to compare with or to send", ""
        return None
    hint = "put it in quotes" if wanted == "text" else ""
    if isinstance(value, str) and _reads_as(parameter.type, value):
        hint = f"write {value.lower() if parameter.type == 'bool' else value} without quotes"
    return f"type {parameter.type} wants {wanted}, got {kind(value)}", hint


def _reads_as(value_type: str, text: str) -> bool:
    try:
        parse(value_type, text)
    except ValueError:
        return False
    return value_type != "bool" or text.lower() in {"true", "false"}


def takes_no_value(parameter: Option | Argument) -> Iterator[Finding]:
    """A switch has no value that could be chosen, bounded or repeated."""
    if parameter.type not in _VALUELESS:
        return
    if isinstance(parameter, Argument):
        hint = "use type = 'str' with choices"
        yield Finding(("type",), f"an argument cannot be a {parameter.type}, it has no flag", hint)
        return
    for key in _KEYS_OF_VALUES:
        if getattr(parameter, key.replace("-", "_")) not in (None, False, ()):
            yield Finding((key,), f"a {parameter.type} takes no value", f"remove {key}, or change the type")


def choices_are_values(parameter: Option | Argument) -> Iterator[Finding]:
    """Each choice is a value of the type, and stands once."""
    if parameter.type in _VALUELESS:
        return
    seen: set[str] = set()
    for position, choice in enumerate(parameter.choices):
        problem = misfit(parameter, choice) or _unreadable(parameter, choice)
        if problem:
            yield Finding(("choices", position), *problem)
        text = value_text(choice)
        if (text.lower() if parameter.ignore_case else text) in seen:
            yield Finding(("choices", position), f"{quoted(choice)} stands twice", "remove one of them")
        seen.add(text.lower() if parameter.ignore_case else text)


def _unreadable(parameter: Option | Argument, value: Any) -> tuple[str, str] | None:  # noqa: ANN401 - any scalar
    try:
        parse(parameter.type, value_text(value))
    except ValueError as error:
        return str(error), ""
    return None


def bounds_are_values(parameter: Option | Argument) -> Iterator[Finding]:
    """`min` and `max` are values of a type that has an order."""
    for key, bound in (("min", parameter.min), ("max", parameter.max)):
        if bound is None or parameter.type in _VALUELESS:
            continue
        if parameter.type not in _RANGED:
            hint = f"types with a range are {', '.join(_RANGED)}"
            yield Finding((key,), f"type {parameter.type} has no range", hint)
        elif problem := misfit(parameter, bound) or _unreadable(parameter, bound):
            yield Finding((key,), *problem)


def bounds_are_in_order(parameter: Option | Argument) -> Iterator[Finding]:
    """Some value lies between `min` and `max`."""
    if parameter.min is None or parameter.max is None or any(bounds_are_values(parameter)):
        return
    if parameter.type not in _RANGED:
        return
    low, high = (parse(parameter.type, value_text(bound)) for bound in (parameter.min, parameter.max))
    try:
        empty = low > high
    except TypeError:
        yield Finding(("max",), "of min and max only one has a time zone", "give both one, or none")
        return
    if empty:
        what = f"{value_text(parameter.min)} is more than max, {value_text(parameter.max)}"
        yield Finding(("min",), what, "exchange them")


def default_has_its_form(parameter: Option | Argument) -> Iterator[Finding]:
    """A list is the default of what takes several values, a single value that of what takes one."""
    default, many = parameter.default, parameter.multiple or parameter.nargs
    if default is None or parameter.type in _VALUELESS:
        return
    if parameter.multiple and parameter.nargs:
        yield Finding(("default",), "lists of lists have no default", "say it in default-note")
    elif isinstance(default, tuple) and not many:
        yield Finding(("default",), "a list, but it takes one value", "give multiple or nargs, or one value")
    elif not isinstance(default, tuple) and many:
        key = "multiple" if parameter.multiple else "nargs"
        yield Finding(
            ("default",), f"one value, but with {key} it takes a list", f"write [{quoted(default)}]"
        )
    elif default == ():
        yield Finding(("default",), "an empty list", "remove it: without default nothing is sent")


def default_has_its_length(parameter: Option | Argument) -> Iterator[Finding]:
    """A default's list is as long as the operator's would have to be."""
    if not isinstance(parameter.default, tuple) or not parameter.default:
        return
    length = len(parameter.default)
    if parameter.nargs and not parameter.multiple and length != parameter.nargs:
        yield Finding(("default",), f"{length} given, but nargs is {parameter.nargs}")
    if parameter.multiple and parameter.min_items and length < parameter.min_items:
        yield Finding(("default",), f"{length} given, but min-items is {parameter.min_items}")
    if parameter.multiple and parameter.max_items and length > parameter.max_items:
        yield Finding(("default",), f"{length} given, but max-items is {parameter.max_items}")


def default_is_allowed(parameter: Option | Argument) -> Iterator[Finding]:
    """What is sent without the operator's doing must pass the checks that his own values pass."""
    default = parameter.default
    if default is None or any(_declared_wrong(parameter)):
        return
    several = isinstance(default, tuple)
    for position, value in enumerate(default if isinstance(default, tuple) else (default,)):
        path = ("default", position) if several else ("default",)
        problem = misfit(parameter, value)
        if problem is None:
            try:
                check_form(parameter, value_text(value))
            except ValueError as error:
                problem = str(error), ""
        if problem:
            yield Finding(path, *problem)


def _declared_wrong(parameter: Option | Argument) -> Iterator[Finding]:
    yield from choices_are_values(parameter)
    yield from bounds_are_values(parameter)
    yield from bounds_are_in_order(parameter)
    yield from regex_compiles(parameter)


def default_true_can_be_turned_off(parameter: Option | Argument) -> Iterator[Finding]:
    """A flag that is always sent, and cannot be taken back, is no option."""
    if parameter.type == "bool" and parameter.default is True and not getattr(parameter, "negate", None):
        yield Finding(("default",), "true, and nothing turns it off", "give negate, or use fixed-args")


def required_is_meant(parameter: Option | Argument) -> Iterator[Finding]:
    """What must be given has no default, and a bool is given by its absence as well."""
    if parameter.required and parameter.type == "bool":
        yield Finding(("required",), "a bool is never required", "use type = 'str' with choices")
    elif parameter.required and parameter.default is not None:
        yield Finding(("required",), "contradicts default: there is always a value", "remove one of them")
    if parameter.required and parameter.required_if:
        yield Finding(("required-if",), "it is required in any case", "remove required or required-if")
    elif parameter.required_if and parameter.default is not None:
        yield Finding(("required-if",), "contradicts default: there is always a value", "remove one of them")


def regex_compiles(parameter: Option | Argument) -> Iterator[Finding]:
    """The regex is one of Python's, and a clear one."""
    if parameter.regex is None:
        return
    if any(character < " " or character == "\x7f" for character in parameter.regex):
        yield Finding(
            ("regex",), "holds a control character", "write it as an escape in single quotes: '\\t'"
        )
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(parameter.regex)
    except re.error as error:
        at = "" if error.pos is None else f" at character {error.pos + 1}"
        yield Finding(("regex",), f"is not a regular expression: {one_line(error.msg)}{at}")
    except Warning as warning:
        yield Finding(("regex",), f"is not a clear regular expression: {one_line(str(warning))}")
    except (OverflowError, RecursionError):
        yield Finding(("regex",), "is not a regular expression: too large a repeat, or nested too deeply")


def keys_have_their_partners(parameter: Option | Argument) -> Iterator[Finding]:
    """Keys that say nothing without another, or against one another."""
    if parameter.regex is not None and parameter.choices:
        yield Finding(("regex",), "choices say already what is allowed", "remove one of them")
    if parameter.regex_help and parameter.regex is None:
        yield Finding(("regex-help",), "there is no regex", "add regex, or say it in help")
    if parameter.exists and parameter.type != "path":
        yield Finding(("exists",), f"type {parameter.type} is not a path", "write type = 'path'")
    if parameter.ignore_case and not parameter.choices and parameter.type not in _VALUELESS:
        yield Finding(("ignore-case",), "there are no choices", "add choices, or remove it")
    elif parameter.ignore_case and parameter.type in {"int", "float"}:
        yield Finding(("ignore-case",), f"type {parameter.type} has no upper and lower case", "remove it")


def items_are_several(parameter: Option | Argument) -> Iterator[Finding]:
    """`min-items` and `max-items` count the values of `multiple`."""
    low, high = parameter.min_items, parameter.max_items
    for key, number in (("min-items", low), ("max-items", high)):
        if number is not None and not parameter.multiple:
            how = "'repeat'" if isinstance(parameter, Option) else "true"
            yield Finding((key,), "it takes one value", f"add multiple = {how}, or remove {key}")
    if low is not None and high is not None and low > high:
        yield Finding(("min-items",), f"{low} is more than max-items, {high}", "exchange them")


def environment_is_allowed(parameter: Option | Argument) -> Iterator[Finding]:
    """What is read from the operator's environment has a proper name, once, and is not of the denied ones."""
    several = isinstance(parameter.envvar, tuple)
    names = parameter.envvar if isinstance(parameter.envvar, tuple) else (parameter.envvar,)
    for position, name in enumerate(names):
        path = ("envvar", position) if several else ("envvar",)
        if name is None:
            continue
        if not re.search(ENV_PATTERN, name):
            yield Finding(path, f"{quoted(name)} is not the name of an environment variable")
        elif reason := denial(name):
            yield Finding(path, f"{name} is not for specs, it {reason}", "use a variable of your own")
        if name in names[:position]:
            yield Finding(path, f"{quoted(name)} stands twice", "remove one of them")


def metavar_is_a_word(parameter: Option | Argument) -> Iterator[Finding]:
    """The placeholder stands in usage lines, where a blank would make it two."""
    metavar = parameter.metavar
    if metavar and (any(c.isspace() for c in metavar) or one_line(metavar) != metavar):
        yield Finding(("metavar",), f"{quoted(metavar)} is not one word", "write it without blanks")


def deprecation_says_something(parameter: Option | Argument) -> Iterator[Finding]:
    """An empty text would be read as not deprecated."""
    if parameter.deprecated == "":
        yield Finding(("deprecated",), "empty", "write true, or what to use instead")


def requires_others(parameter: Option | Argument) -> Iterator[Finding]:
    """A rule about another option names another option, once."""
    for position, name in enumerate(parameter.requires):
        if name == parameter.name:
            yield Finding(("requires", position), "it names itself", "remove it")
        if name in parameter.requires[:position]:
            yield Finding(("requires", position), f"{quoted(name)} stands twice", "remove one of them")
    if parameter.name in parameter.required_if:
        yield Finding(("required-if", parameter.name), "it names itself", "remove it")


RULES = (
    takes_no_value,
    choices_are_values,
    bounds_are_values,
    bounds_are_in_order,
    default_has_its_form,
    default_has_its_length,
    default_is_allowed,
    default_true_can_be_turned_off,
    required_is_meant,
    regex_compiles,
    keys_have_their_partners,
    items_are_several,
    environment_is_allowed,
    metavar_is_a_word,
    deprecation_says_something,
    requires_others,
)
