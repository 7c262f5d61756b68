"""Rules for one option or argument by itself. Paths are relative to its table."""

from __future__ import annotations

import math
import re
import warnings
from typing import TYPE_CHECKING, TypeAlias

from corpus_backfill_plugin.specs.diagnostics import Diagnostic
from corpus_backfill_plugin.specs.environment import denial
from corpus_backfill_plugin.specs.model import ENV_PATTERN, Argument, Option
from corpus_backfill_plugin.specs.values import check_form, parse, value_text
from corpus_backfill_plugin.text import kind, one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from corpus_backfill_plugin.specs.model import Scalar

_WANTED: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "count": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
}
_RANGED = ("int", "float", "date", "datetime", "duration")
_VALUELESS = ("bool", "count")
_KEYS_OF_VALUES = (
    *("choices", "ignore-case", "suggestions", "min", "max", "regex", "max-length"),
    *("metavar", "nargs", "multiple", "value-optional"),
)


def wrong_form(parameter: Option | Argument, value: object) -> tuple[str, str] | None:
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
    if value_type == "bool":
        return text.lower() in {"true", "false"}
    return _error(lambda: parse(value_type, text)) is None


def takes_no_value(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """A switch has no value that could be chosen, bounded or repeated."""
    if parameter.type not in _VALUELESS:
        return
    if isinstance(parameter, Argument):
        hint = "use type = 'str' with choices"
        yield Diagnostic(("type",), f"an argument cannot be a {parameter.type}, it has no flag", hint)
        return
    for key in _KEYS_OF_VALUES:
        if getattr(parameter, key.replace("-", "_")) not in (None, False, ()):
            yield Diagnostic(
                (key,), f"a {parameter.type} takes no value", f"remove {key}, or change the type"
            )


def choices_are_values(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """Each choice is a value of the type, and stands once."""
    if parameter.type in _VALUELESS:
        return
    seen: set[str] = set()
    for position, choice in enumerate(parameter.choices):
        problem = _unreadable(parameter, choice)
        if problem:
            yield Diagnostic(("choices", position), *problem)
        text = value_text(choice)
        if (text.lower() if parameter.ignore_case else text) in seen:
            yield Diagnostic(("choices", position), f"{quoted(choice)} stands twice", "remove one of them")
        seen.add(text.lower() if parameter.ignore_case else text)


def _unreadable(parameter: Option | Argument, value: Scalar) -> tuple[str, str] | None:
    """Return problem and hint when `value` is not one of the parameter's type."""
    return wrong_form(parameter, value) or _error(lambda: parse(parameter.type, value_text(value)))


def not_allowed(parameter: Option | Argument, value: Scalar) -> tuple[str, str] | None:
    """Return problem and hint when the operator could not give `value`."""
    return wrong_form(parameter, value) or _error(lambda: check_form(parameter, value_text(value)))


def _error(check: Callable[[], object]) -> tuple[str, str] | None:
    try:
        check()
    except ValueError as error:
        return str(error), ""
    return None


def bounds_are_values(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """`min` and `max` are values of a type that has an order."""
    for key, bound in (("min", parameter.min), ("max", parameter.max)):
        if bound is None or parameter.type in _VALUELESS:
            continue
        if parameter.type not in _RANGED:
            hint = f"types with a range are {', '.join(_RANGED)}"
            yield Diagnostic((key,), f"type {parameter.type} has no range", hint)
        elif problem := _unreadable(parameter, bound):
            yield Diagnostic((key,), *problem)


def bounds_are_in_order(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """Some value lies between `min` and `max`."""
    if parameter.min is None or parameter.max is None or any(bounds_are_values(parameter)):
        return
    if parameter.type not in _RANGED:
        return
    low, high = (parse(parameter.type, value_text(bound)) for bound in (parameter.min, parameter.max))
    try:
        empty = low > high
    except TypeError:
        yield Diagnostic(("max",), "of min and max only one has a time zone", "give both one, or none")
        return
    if empty:
        what = f"{value_text(parameter.min)} is more than max, {value_text(parameter.max)}"
        yield Diagnostic(("min",), what, "exchange them")


def default_has_its_form(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """A list is the default of what takes several values, a single value that of what takes one."""
    default, many = parameter.default, parameter.multiple or parameter.nargs
    if default is None or parameter.type in _VALUELESS:
        return
    if parameter.multiple and parameter.nargs:
        yield Diagnostic(("default",), "lists of lists have no default", "say it in default-note")
    elif isinstance(default, tuple) and not many:
        yield Diagnostic(
            ("default",), "a list, but it takes one value", "give multiple or nargs, or one value"
        )
    elif not isinstance(default, tuple) and many:
        key = "multiple" if parameter.multiple else "nargs"
        yield Diagnostic(
            ("default",), f"one value, but with {key} it takes a list", f"write [{quoted(default)}]"
        )
    elif default == ():
        yield Diagnostic(("default",), "an empty list", "remove it: without default nothing is sent")


def default_has_its_length(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """A default's list is as long as the operator's would have to be."""
    if not isinstance(parameter.default, tuple) or not parameter.default:
        return
    length = len(parameter.default)
    nargs, low, high = parameter.nargs, parameter.min_items, parameter.max_items
    for key, number, is_wrong in (
        ("nargs", nargs, not parameter.multiple and length != nargs),
        ("min-items", low, parameter.multiple and length < (low or 0)),
        ("max-items", high, parameter.multiple and length > (high or length)),
    ):
        if number and is_wrong:
            yield Diagnostic(("default",), f"{length} given, but {key} is {number}")


def default_is_allowed(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """What is sent without the operator's doing must pass the checks that his own values pass."""
    default = parameter.default
    if default is None or any(_declared_wrong(parameter)):
        return
    several = isinstance(default, tuple)
    for position, value in enumerate(default if isinstance(default, tuple) else (default,)):
        path = ("default", position) if several else ("default",)
        if problem := not_allowed(parameter, value):
            yield Diagnostic(path, *problem)


def _declared_wrong(parameter: Option | Argument) -> Iterator[Diagnostic]:
    yield from choices_are_values(parameter)
    yield from bounds_are_values(parameter)
    yield from bounds_are_in_order(parameter)
    yield from regex_compiles(parameter)


def regex_compiles(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """The regex is one of Python's, and a clear one."""
    if parameter.regex is None:
        return
    if any(character < " " or character == "\x7f" for character in parameter.regex):
        yield Diagnostic(
            ("regex",), "holds a control character", "write it as an escape in single quotes: '\\t'"
        )
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(parameter.regex)
    except re.error as error:
        at = "" if error.pos is None else f" at character {error.pos + 1}"
        yield Diagnostic(("regex",), f"is not a regular expression: {one_line(error.msg)}{at}")
    except Warning as warning:
        yield Diagnostic(("regex",), f"is not a clear regular expression: {one_line(str(warning))}")
    except (OverflowError, RecursionError):
        yield Diagnostic(("regex",), "is not a regular expression: too large a repeat, or nested too deeply")


def environment_is_allowed(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """What is read from the operator's environment has a proper name, once, and is not of the denied ones."""
    several = isinstance(parameter.envvar, tuple)
    names = parameter.envvar if isinstance(parameter.envvar, tuple) else (parameter.envvar,)
    for position, name in enumerate(names):
        path = ("envvar", position) if several else ("envvar",)
        if name is None:
            continue
        if not re.search(ENV_PATTERN, name):
            yield Diagnostic(path, f"{quoted(name)} is not the name of an environment variable")
        elif reason := denial(name):
            yield Diagnostic(path, f"{name} is not for specs, it {reason}", "use a variable of your own")
        if name in names[:position]:
            yield Diagnostic(path, f"{quoted(name)} stands twice", "remove one of them")


def requires_others(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """A rule about another option names another option, once."""
    for position, name in enumerate(parameter.requires):
        if name == parameter.name:
            yield Diagnostic(("requires", position), "it names itself", "remove it")
        if name in parameter.requires[:position]:
            yield Diagnostic(("requires", position), f"{quoted(name)} stands twice", "remove one of them")
    if parameter.name in parameter.required_if:
        yield Diagnostic(("required-if", parameter.name), "it names itself", "remove it")


def joined_values_lack_the_separator(option: Option | Argument) -> Iterator[Diagnostic]:
    """No declared value holds the separator."""
    if not isinstance(option, Option) or option.multiple != "join":
        return
    separator = option.separator or ","
    for key in ("choices", "default"):
        values = getattr(option, key)
        for position, value in enumerate(values if isinstance(values, tuple) else ()):
            if separator in value_text(value):
                what = f"{quoted(value)} holds the separator {quoted(separator)}"
                yield Diagnostic((key, position), what, "choose another separator")


_Facts: TypeAlias = "Iterator[tuple[str, str, str]]"
"""A key, what is wrong with it, and a hint."""


def _presence(p: Option | Argument) -> _Facts:
    if p.type == "bool" and p.default is True and not getattr(p, "negate", None):
        yield "default", "true, and nothing turns it off", "give negate, or use fixed-args"
    if p.required and p.type == "bool":
        yield "required", "a bool is never required", "use type = 'str' with choices"
    elif p.required and p.default is not None:
        yield "required", "contradicts default: there is always a value", "remove one of them"
    if p.required and p.required_if:
        yield "required-if", "it is required in any case", "remove required or required-if"
    elif p.required_if and p.default is not None:
        yield "required-if", "contradicts default: there is always a value", "remove one of them"


def _partners(p: Option | Argument) -> _Facts:
    if p.regex is not None and p.choices:
        yield "regex", "choices say already what is allowed", "remove one of them"
    if p.regex_help and p.regex is None:
        yield "regex-help", "there is no regex", "add regex, or say it in help"
    if p.exists and p.type != "path":
        yield "exists", f"type {p.type} is not a path", "write type = 'path'"
    if p.ignore_case and not p.choices and p.type not in _VALUELESS:
        yield "ignore-case", "there are no choices", "add choices, or remove it"
    elif p.ignore_case and p.type in {"int", "float"}:
        yield "ignore-case", f"type {p.type} has no upper and lower case", "remove it"


def _texts(p: Option | Argument) -> _Facts:
    how = "'repeat'" if isinstance(p, Option) else "true"
    for key, number in (("min-items", p.min_items), ("max-items", p.max_items)):
        if number is not None and not p.multiple:
            yield key, "it takes one value", f"add multiple = {how}, or remove {key}"
    if p.min_items and p.max_items and p.min_items > p.max_items:
        yield "min-items", f"{p.min_items} is more than max-items, {p.max_items}", "exchange them"
    if p.metavar and (any(c.isspace() for c in p.metavar) or one_line(p.metavar) != p.metavar):
        # It is shown in usage lines, where a blank would make it two.
        yield "metavar", f"{quoted(p.metavar)} is not one word", "write it without blanks"
    if p.deprecated == "":
        yield "deprecated", "empty", "write true, or what to use instead"


def _ways_to_the_script(o: Option) -> _Facts:
    way = "pass-env" if o.pass_env else "pass-stdin" if o.pass_stdin else ""
    if o.pass_env and o.pass_stdin:
        yield "pass-stdin", "pass-env hands the value over already", "remove one of them"
    for key, flag in (("flag", o.flag), ("negate", o.negate)):
        if way and flag:
            yield key, f"{way} hands the value over already", f"remove {key} or {way}"
    if way and o.multiple in {"repeat", "spread"}:
        yield "multiple", f"{way} carries one text", "write multiple = 'join'"
    if way and o.nargs:
        yield "nargs", f"{way} carries one text", "write multiple = 'join' in place of nargs"
    if way and o.value_optional:
        yield "value-optional", f"{way} has no flag that could stand alone", "remove it"
    if o.pass_env and (reason := denial(o.pass_env)):
        yield "pass-env", f"{o.pass_env} is not for specs, it {reason}", "use a variable of your own"


def _secrets(o: Option) -> _Facts:
    if not o.secret:
        return
    if not (o.pass_env or o.pass_stdin):
        what = "other users of the machine can read an argument list"
        yield "secret", what, "add pass-env = 'NAME' or pass-stdin = true"
    if o.type != "str":
        yield "type", f"a secret is of type str, not {o.type}", "remove type"
    for key in ("default", "choices", "suggestions"):
        if getattr(o, key) not in (None, ()):
            yield key, "a secret must not stand in a file that others read", f"remove {key}"


def _forms(o: Option) -> _Facts:
    if o.negate and o.type != "bool":
        yield "negate", f"type {o.type} cannot be negated", "write type = 'bool'"
    elif o.negate and o.negate == o.script_flag:
        yield "negate", f"{quoted(o.negate)} is the flag itself", f"write '--no-{o.name}'"
    if o.type not in _VALUELESS and o.nargs and o.multiple in {"spread", "join"}:
        what = f"multiple = {quoted(o.multiple)} sends one list already"
        yield "nargs", what, "use multiple = 'repeat', or remove nargs"
    for key, value in (("nargs", o.nargs), ("multiple", o.multiple)):
        if o.type not in _VALUELESS and o.value_optional and value:
            yield "value-optional", f"does not go with {key}", "remove one of them"
    if o.separator is not None and o.multiple != "join":
        yield "separator", "only multiple = 'join' has one", "write multiple = 'join', or remove it"


def _roles(o: Option) -> _Facts:
    if o.role == "dry-run" and o.type != "bool":
        yield "role", f"'dry-run' is for a bool, not for type {o.type}", "write type = 'bool'"
    if o.role == "limit" and (o.type != "int" or o.multiple or o.nargs):
        yield "role", "'limit' is for a single whole number", "write type = 'int'"
    if o.role == "retry-items" and not (o.multiple or o.type == "path"):
        what = "'retry-items' is for what takes a list, or a file with one"
        yield "role", what, "add multiple = 'repeat', or write type = 'path'"


def keys_go_together(parameter: Option | Argument) -> Iterator[Diagnostic]:
    """Keys say nothing without some others, and contradict others."""
    found = [*_presence(parameter), *_partners(parameter), *_texts(parameter)]
    if isinstance(parameter, Option):
        for facts in (_ways_to_the_script, _secrets, _forms, _roles):
            found += facts(parameter)
    for key, problem, hint in found:
        yield Diagnostic((key,), problem, hint)


PARAMETER_RULES: tuple[Callable[[Option | Argument], Iterator[Diagnostic]], ...] = (
    takes_no_value,
    choices_are_values,
    bounds_are_values,
    bounds_are_in_order,
    default_has_its_form,
    default_has_its_length,
    default_is_allowed,
    regex_compiles,
    keys_go_together,
    environment_is_allowed,
    requires_others,
    joined_values_lack_the_separator,
)
"""Rules for an option or argument by itself."""
