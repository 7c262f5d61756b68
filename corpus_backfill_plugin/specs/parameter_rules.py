"""Rules for one option or argument by itself. Places are relative to its table."""

from __future__ import annotations

import math
import re
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from corpus_backfill_plugin.specs.environment import variable_problem
from corpus_backfill_plugin.specs.model import Argument, Option
from corpus_backfill_plugin.specs.values import check_form, parse, value_text
from corpus_backfill_plugin.text import kind, one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from corpus_backfill_plugin.specs.diagnostics import Found, KeyPath
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
_REMOVE_ONE = "remove one of them"


def doubles(path: KeyPath, values: Iterable[Scalar], *, ignore_case: bool = False) -> Iterator[Found]:
    """Yield each item of the list at `path` that is in it before: a thing said twice is a slip."""
    seen = set()
    for position, value in enumerate(values):
        text = value_text(value).lower() if ignore_case else value_text(value)
        if text in seen:
            yield (*path, position), f"{quoted(value)} stands twice", _REMOVE_ONE
        seen.add(text)


def not_allowed(parameter: Option | Argument, value: Scalar) -> tuple[str, str] | None:
    """Return problem and hint when the operator could not give `value`, or TOML writes its type otherwise."""
    if problem := _wrong_form(parameter.type, value):
        return problem
    try:
        check_form(parameter, value_text(value))
    except ValueError as error:
        return str(error), ""
    return None


def _wrong_form(value_type: str, value: object) -> tuple[str, str] | None:
    accepted, wanted = _WANTED.get(value_type, ((str,), "text"))
    if isinstance(value, accepted) and (value_type == "bool" or not isinstance(value, bool)):
        if isinstance(value, float) and not math.isfinite(value):
            return f"{value} is not a number to compare with or to send", ""
        return None
    hint = "put it in quotes" if wanted == "text" else ""
    if isinstance(value, str):
        text = value.lower() if value_type == "bool" else value
        with suppress(ValueError):
            if value_type != "bool" or text in {"true", "false"}:
                parse(value_type, value)
                hint = f"write {text} without quotes"
    return f"type {value_type} wants {wanted}, got {kind(value)}", hint


def _values(p: Option | Argument) -> Iterator[Found]:
    """Choices and bounds are values of the type, and some value lies between the bounds."""
    if p.type in _VALUELESS:
        yield from _no_values(p)
        return
    plain = Option(name=p.name, type=p.type)
    for position, choice in enumerate(p.choices):
        if problem := not_allowed(plain, choice):
            yield ("choices", position), *problem
    yield from doubles(("choices",), p.choices, ignore_case=p.ignore_case)
    bounds = []
    for key, bound in (("min", p.min), ("max", p.max)):
        if bound is None:
            continue
        if p.type not in _RANGED:
            yield key, f"type {p.type} has no range", f"types with a range are {', '.join(_RANGED)}"
        elif problem := not_allowed(plain, bound):
            yield key, *problem
        else:
            bounds.append(parse(p.type, str(bound)))
    try:
        if bounds and bounds[0] > bounds[-1]:
            yield "min", f"{p.min} is more than max, {p.max}", "exchange them"
    except TypeError:
        yield "max", "of min and max only one has a time zone", "give both one, or none"


def _no_values(p: Option | Argument) -> Iterator[Found]:
    """A switch has no value that could be chosen, bounded or repeated."""
    if isinstance(p, Argument):
        hint = "use type = 'str' with choices"
        yield "type", f"an argument cannot be a {p.type}, it has no flag", hint
        return
    for key in _KEYS_OF_VALUES:
        if getattr(p, key.replace("-", "_")) not in (None, False, ()):
            yield key, f"a {p.type} takes no value", f"remove {key}, or change the type"


def _default_form(p: Option | Argument) -> Iterator[Found]:
    """A list is the default of what takes several values, a single value that of what takes one."""
    default, many = p.default, p.multiple or p.nargs
    if default is None or p.type in _VALUELESS:
        return
    if p.multiple and p.nargs:
        yield "default", "lists of lists have no default", "say it in default-note"
    elif isinstance(default, tuple) and not many:
        yield "default", "a list, but it takes one value", "give multiple or nargs, or one value"
    elif not isinstance(default, tuple) and many:
        key = "multiple" if p.multiple else "nargs"
        yield "default", f"one value, but with {key} it takes a list", f"write [{quoted(default)}]"
    elif default == ():
        yield "default", "an empty list", "remove it: without default nothing is sent"


def _default_length(p: Option | Argument) -> Iterator[Found]:
    """A default's list is as long as the operator's would have to be."""
    if not isinstance(p.default, tuple) or not p.default:
        return
    length = len(p.default)
    for key, number, is_wrong in (
        ("nargs", p.nargs, not p.multiple and length != p.nargs),
        ("min-items", p.min_items, p.multiple and length < (p.min_items or 0)),
        ("max-items", p.max_items, p.multiple and length > (p.max_items or length)),
    ):
        if number and is_wrong:
            yield "default", f"{length} given, but {key} is {number}", ""


def _default_values(p: Option | Argument) -> Iterator[Found]:
    """What is sent without the operator's doing passes the checks that their own values pass."""
    declared = () if p.type in _VALUELESS else (*_values(p), *_regex(p))
    if p.default is None or declared:
        return
    several = isinstance(p.default, tuple)
    for position, value in enumerate(p.default if isinstance(p.default, tuple) else (p.default,)):
        if problem := not_allowed(p, value):
            yield ("default", position) if several else "default", *problem


def _regex(p: Option | Argument) -> Iterator[Found]:
    """The regex is one of Python's, and a clear one."""
    if p.regex is None:
        return
    if any(character < " " or character == "\x7f" for character in p.regex):
        yield "regex", "holds a control character", "write it as an escape in single quotes: '\\t'"
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(p.regex)
    except re.error as error:
        at = "" if error.pos is None else f" at character {error.pos + 1}"
        yield "regex", f"is not a regular expression: {one_line(error.msg)}{at}", ""
    except Warning as warning:
        yield "regex", f"is not a clear regular expression: {one_line(str(warning))}", ""
    except (OverflowError, RecursionError):
        yield "regex", "is not a regular expression: too large a repeat, or nested too deeply", ""


def _others(p: Option | Argument) -> Iterator[Found]:
    """Variables that are read have proper names; what names another option names another, once."""
    several = isinstance(p.envvar, tuple)
    names = p.envvar if isinstance(p.envvar, tuple) else (p.envvar or "",)
    for position, name in enumerate(names):
        if p.envvar is not None and (problem := variable_problem(name)):
            hint = "use a variable of your own" if "is not for specs" in problem else ""
            yield ("envvar", position) if several else "envvar", problem, hint
    yield from doubles(("envvar",), names)
    for position, name in enumerate(p.requires):
        if name == p.name:
            yield ("requires", position), "it names itself", "remove it"
    yield from doubles(("requires",), p.requires)
    if p.name in p.required_if:
        yield ("required-if", p.name), "it names itself", "remove it"


def _presence(p: Option | Argument) -> Iterator[Found]:
    """What must be given has no default, and what has a default need not be given."""
    if p.type == "bool" and p.default is True and not getattr(p, "negate", None):
        yield "default", "true, and nothing turns it off", "give negate, or use fixed-args"
    if p.required and p.type == "bool":
        yield "required", "a bool is never required", "use type = 'str' with choices"
    elif p.required and p.default is not None:
        yield "required", "contradicts default: there is always a value", _REMOVE_ONE
    if p.required and p.required_if:
        yield "required-if", "it is required in any case", "remove required or required-if"
    elif p.required_if and p.default is not None:
        yield "required-if", "contradicts default: there is always a value", _REMOVE_ONE


def _partners(p: Option | Argument) -> Iterator[Found]:
    """Keys say nothing without some others, and contradict others."""
    if p.regex is not None and p.choices:
        yield "regex", "choices say already what is allowed", _REMOVE_ONE
    if p.regex_help and p.regex is None:
        yield "regex-help", "there is no regex", "add regex, or say it in help"
    if p.exists and p.type != "path":
        yield "exists", f"type {p.type} is not a path", "write type = 'path'"
    if p.ignore_case and not p.choices and p.type not in _VALUELESS:
        yield "ignore-case", "there are no choices", "add choices, or remove it"
    elif p.ignore_case and p.type in {"int", "float"}:
        yield "ignore-case", f"type {p.type} has no upper and lower case", "remove it"


def _texts(p: Option | Argument) -> Iterator[Found]:
    """Numbers of items need several values, and are in order; a placeholder is one word."""
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


def _handed_over(o: Option) -> Iterator[Found]:
    """A variable or standard input carries one text, and needs no flag."""
    way = "pass-env" if o.pass_env else "pass-stdin" if o.pass_stdin else ""
    if o.pass_env and (problem := variable_problem(o.pass_env)):
        yield "pass-env", problem, "use a variable of your own"
    if o.pass_env and o.pass_stdin:
        yield "pass-stdin", "pass-env hands the value over already", _REMOVE_ONE
    for key, is_wrong, problem, hint in (
        ("flag", o.flag, f"{way} hands the value over already", f"remove flag or {way}"),
        ("negate", o.negate, f"{way} hands the value over already", f"remove negate or {way}"),
        (
            "multiple",
            o.multiple in {"repeat", "spread"},
            f"{way} carries one text",
            "write multiple = 'join'",
        ),
        ("nargs", o.nargs, f"{way} carries one text", "write multiple = 'join' in place of nargs"),
        ("value-optional", o.value_optional, f"{way} has no flag that could stand alone", "remove it"),
    ):
        if way and is_wrong:
            yield key, problem, hint


def _secrets(o: Option) -> Iterator[Found]:
    """A secret is in no argument list and in no spec."""
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


def _forms(o: Option) -> Iterator[Found]:
    """How several values are sent, and no value, fits the type; no declared value holds the separator."""
    if o.negate and o.type != "bool":
        yield "negate", f"type {o.type} cannot be negated", "write type = 'bool'"
    elif o.negate and o.negate == o.script_flag:
        yield "negate", f"{quoted(o.negate)} is the flag itself", f"write '--no-{o.name}'"
    if o.type not in _VALUELESS and o.nargs and o.multiple in {"spread", "join"}:
        what = f"multiple = {quoted(o.multiple)} sends one list already"
        yield "nargs", what, "use multiple = 'repeat', or remove nargs"
    for key, value in (("nargs", o.nargs), ("multiple", o.multiple)):
        if o.type not in _VALUELESS and o.value_optional and value:
            yield "value-optional", f"does not go with {key}", _REMOVE_ONE


def _separator(o: Option) -> Iterator[Found]:
    """Only joined values have a separator, and no declared value holds it."""
    if o.multiple != "join":
        if o.separator is not None:
            yield "separator", "only multiple = 'join' has one", "write multiple = 'join', or remove it"
        return
    separator = o.separator or ","
    for key in ("choices", "default"):
        values = getattr(o, key)
        for position, value in enumerate(values if isinstance(values, tuple) else ()):
            if separator in value_text(value):
                what = f"{quoted(value)} holds the separator {quoted(separator)}"
                yield (key, position), what, "choose another separator"


def _roles(o: Option) -> Iterator[Found]:
    """What plans and retries look for has the form that they can use."""
    if o.role == "dry-run" and o.type != "bool":
        yield "role", f"'dry-run' is for a bool, not for type {o.type}", "write type = 'bool'"
    if o.role == "limit" and (o.type != "int" or o.multiple or o.nargs):
        yield "role", "'limit' is for a single whole number", "write type = 'int'"
    if o.role == "retry-items" and not (o.multiple or o.type == "path"):
        what = "'retry-items' is for what takes a list, or a file with one"
        yield "role", what, "add multiple = 'repeat', or write type = 'path'"


PARAMETER_RULES: tuple[Callable[[Option | Argument], Iterator[Found]], ...] = (
    *(
        _values,
        _default_form,
        _default_length,
        _default_values,
        _regex,
        _presence,
        _partners,
        _texts,
        _others,
    ),
)
OPTION_RULES: tuple[Callable[[Option], Iterator[Found]], ...] = (
    *(_handed_over, _secrets, _forms, _separator, _roles),
)


def broken_by(parameter: Option | Argument) -> Iterator[Found]:
    """Yield what is wrong with an option or argument by itself."""
    for rule in PARAMETER_RULES:
        yield from rule(parameter)
    if isinstance(parameter, Option):
        for option_rule in OPTION_RULES:
            yield from option_rule(parameter)
