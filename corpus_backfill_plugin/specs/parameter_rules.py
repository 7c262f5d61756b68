"""Rules for one option or argument by itself, and for variables. Places are relative to its table."""

from __future__ import annotations

import math
import re
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from corpus_backfill_plugin.specs.model import ENV_PATTERN, Argument, Option
from corpus_backfill_plugin.specs.values import check_form, parse, several, value_text
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
_CHOICES = "use type = 'str' with choices"

Row: TypeAlias = "tuple[str, object, str, str]"
"""A key, whether it is wrong, what is wrong with it, and a hint or nothing."""


_DENIED = (
    ("PATH|CDPATH|PATHEXT|COMSPEC", "says where programs are found"),
    ("(LD|DYLD|_RLD|LIBPATH|SHLIB).*|GCONV_PATH|GLIBC_TUNABLES|LOCPATH|NLSPATH|MALLOC_.*",
     "makes the loader or the C library load or do other things"),
    ("PYTHON.*|__PYVENV_LAUNCHER__|VIRTUAL_ENV|CONDA_.*", "says which Python code and environment are used"),
    ("(UV|PIP|PIPX|POETRY|PDM)_.*", "says what is installed, and from where"),
    ("IFS|BASH.*|ENV|SHELL|SHELLOPTS|PS4|PROMPT_COMMAND|ZDOTDIR", "makes shells read or run other things"),
    ("(NODE|GEM|LUA|NPM_CONFIG)_.*|PERL.*|RUBY.*|PHPRC|PHP_INI_SCAN_DIR|CLASSPATH|.*JAVA.*_OPTIONS",
     "makes another language load code"),
    ("GTK_.*|QT_.*|GST_.*|GIO_.*|LADSPA_PATH|FREI0R_PATH", "makes a library load plugins"),
    ("(GIT|SSH|SUDO)_.*|EDITOR|VISUAL|PAGER|MANPAGER|BROWSER|LESSOPEN|LESSCLOSE|DISPLAY",
     "names a program that others start or ask"),
    ("SSL_CERT_.*|SSLKEYLOGFILE|OPENSSL_.*|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|CURL_HOME|KRB5.*",
     "decides whom an encrypted connection trusts"),
    ("([A-Z]+_)?PROXY", "sends connections through another machine"),
    ("HOME|USER|LOGNAME|(OLD)?PWD|TE?MP(DIR)?|XDG_.*|HOSTALIASES|RES_OPTIONS|TERMINFO.*",
     "moves the places where programs look for their settings"),
    ("CORPUS_BACKFILL_.*", "belongs to this program itself"),
)  # fmt: skip
"""Variables that a spec may neither set nor read, as they choose a program, a library or code: an expression
for complete names in capitals, and what such ones do."""


def denial(name: str) -> str:
    """Return what makes the variable `name` a denied one, `says where programs are found`; else nothing."""
    # In any case: http_proxy is read as HTTP_PROXY is, and a look-alike serves nobody.
    upper = name.upper()
    return next((reason for family, reason in _DENIED if re.fullmatch(family, upper)), "")


def variable_problem(name: str) -> str:
    """Return why `name` can't be a variable of a spec; nothing when it can."""
    if not re.search(ENV_PATTERN, name):
        return f"{quoted(name)} is not the name of an environment variable"
    reason = denial(name)
    return f"{name} is not for specs, it {reason}" if reason else ""


def wrong(rows: Iterable[Row], table: KeyPath = ()) -> Iterator[Found]:
    """Yield what is wrong of the rows of a table of rules, whose keys are those of `table`."""
    return (((*table, key), problem, hint) for key, is_wrong, problem, hint in rows if is_wrong)


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
            yield (key,), f"type {p.type} has no range", f"types with a range are {', '.join(_RANGED)}"
        elif problem := not_allowed(plain, bound):
            yield (key,), *problem
        else:
            bounds.append(parse(p.type, str(bound)))
    try:
        if bounds and bounds[0] > bounds[-1]:
            yield ("min",), f"{p.min} is more than max, {p.max}", "exchange them"
    except TypeError:
        yield ("max",), "of min and max only one has a time zone", "give both one, or none"


def _default_values(p: Option | Argument) -> Iterator[Found]:
    """What is sent without the operator's doing passes the checks that their own values pass."""
    if any((*_values(p), *_regex(p))):
        return
    for position, value in enumerate(several(p.default)):
        if problem := not_allowed(p, value):
            yield ("default", *([position] if isinstance(p.default, tuple) else [])), *problem


def _regex(p: Option | Argument) -> Iterator[Found]:
    """The regex is one of Python's, and a clear one."""
    if p.regex is None:
        return
    if any(character < " " or character == "\x7f" for character in p.regex):
        yield ("regex",), "holds a control character", "write it as an escape in single quotes: '\\t'"
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(p.regex)
    except re.error as error:
        at = "" if error.pos is None else f" at character {error.pos + 1}"
        yield ("regex",), f"is not a regular expression: {one_line(error.msg)}{at}", ""
    except Warning as warning:
        yield ("regex",), f"is not a clear regular expression: {one_line(str(warning))}", ""
    except (OverflowError, RecursionError):
        yield ("regex",), "is not a regular expression: too large a repeat, or nested too deeply", ""


def _others(p: Option | Argument) -> Iterator[Found]:
    """Variables that are read have proper names; what names another option names another, once."""
    for position, name in enumerate(several(p.envvar)):
        if problem := variable_problem(name):
            hint = "use a variable of your own" if "is not for specs" in problem else ""
            yield ("envvar", *([position] if isinstance(p.envvar, tuple) else [])), problem, hint
    yield from doubles(("envvar",), several(p.envvar))
    for position, name in enumerate(p.requires):
        if name == p.name:
            yield ("requires", position), "it names itself", "remove it"
    yield from doubles(("requires",), p.requires)
    if p.name in p.required_if:
        yield ("required-if", p.name), "it names itself", "remove it"


def _keys(p: Option | Argument) -> Iterable[Row]:
    """Keys need some others, and contradict others."""
    many = "multiple = 'repeat'" if isinstance(p, Option) else "multiple = true"
    always = "contradicts default: there is always a value"
    bad_metavar = p.metavar and (one_line(p.metavar) != p.metavar or any(map(str.isspace, p.metavar)))
    return (
        ("default", p.type == "bool" and p.default is True and not getattr(p, "negate", None),
         "true, and nothing turns it off", "give negate, or use fixed-args"),
        ("required", p.required and p.type == "bool", "a bool is never required", _CHOICES),
        ("required", p.required and p.type != "bool" and p.default is not None, always, _REMOVE_ONE),
        ("required-if", p.required and p.required_if,
         "it is required in any case", "remove required or required-if"),
        ("required-if", p.required_if and not p.required and p.default is not None, always, _REMOVE_ONE),
        ("regex", p.regex is not None and p.choices, "choices say already what is allowed", _REMOVE_ONE),
        ("regex-help", p.regex_help and p.regex is None,
         "there is no regex", "add regex, or say it in help"),
        ("exists", p.exists and p.type != "path", f"type {p.type} is not a path", "write type = 'path'"),
        ("ignore-case", p.ignore_case and not p.choices and p.type not in _VALUELESS,
         "there are no choices", "add choices, or remove it"),
        ("ignore-case", p.ignore_case and p.choices and p.type in {"int", "float"},
         f"type {p.type} has no upper and lower case", "remove it"),
        ("min-items", p.min_items is not None and not p.multiple,
         "it takes one value", f"add {many}, or remove min-items"),
        ("max-items", p.max_items is not None and not p.multiple,
         "it takes one value", f"add {many}, or remove max-items"),
        ("min-items", p.max_items and (p.min_items or 0) > p.max_items,
         f"{p.min_items} is more than max-items, {p.max_items}", "exchange them"),
        # It is shown in usage lines, where a blank would make it two.
        ("metavar", bad_metavar, f"{quoted(p.metavar)} is not one word", "write it without blanks"),
        ("deprecated", p.deprecated == "", "empty", "write true, or what to use instead"),
    )  # fmt: skip


def _defaults(p: Option | Argument) -> Iterable[Row]:
    """A list of the right length is the default of what takes several values, else it is one value."""
    if p.default is None or p.type in _VALUELESS:
        return ()
    many, is_list = p.multiple or p.nargs, isinstance(p.default, tuple)
    key = "multiple" if p.multiple else "nargs"
    length = len(p.default) if isinstance(p.default, tuple) else 0
    few, lots = length < (p.min_items or 0), length > (p.max_items or length)
    return (
        ("default", p.multiple and p.nargs, "lists of lists have no default", "say it in default-note"),
        ("default", is_list and not many,
         "a list, but it takes one value", "give multiple or nargs, or one value"),
        ("default", not is_list and many and not (p.multiple and p.nargs),
         f"one value, but with {key} it takes a list", f"write [{quoted(p.default)}]"),
        ("default", p.default == () and many and not (p.multiple and p.nargs),
         "an empty list", "remove it: without default nothing is sent"),
        ("default", length and p.nargs and not p.multiple and length != p.nargs,
         f"{length} given, but nargs is {p.nargs}", ""),
        ("default", length and p.multiple and few, f"{length} given, but min-items is {p.min_items}", ""),
        ("default", length and p.multiple and lots, f"{length} given, but max-items is {p.max_items}", ""),
    )  # fmt: skip


def _no_values(p: Option | Argument) -> Iterable[Row]:
    """A switch has no value that could be chosen, bounded or repeated."""
    if p.type not in _VALUELESS:
        return ()
    if isinstance(p, Argument):
        return (("type", True, f"an argument cannot be a {p.type}, it has no flag", _CHOICES),)
    found = {key: getattr(p, key.replace("-", "_")) not in (None, False, ()) for key in _KEYS_OF_VALUES}
    what = f"a {p.type} takes no value"
    return [(key, is_given, what, f"remove {key}, or change the type") for key, is_given in found.items()]


def _of_option(o: Option) -> Iterable[Row]:
    """An option reaches the script one way, which fits its type, its values and its role."""
    way = "pass-env" if o.pass_env else "pass-stdin" if o.pass_stdin else ""
    over, takes_value = f"{way} hands the value over already", o.type not in _VALUELESS
    hidden = "a secret must not stand in a file that others read"
    denied = variable_problem(o.pass_env) if o.pass_env else ""
    return (
        ("pass-env", denied, denied, "use a variable of your own"),
        ("pass-stdin", o.pass_env and o.pass_stdin, over, _REMOVE_ONE),
        ("flag", way and o.flag, over, f"remove flag or {way}"),
        ("negate", way and o.negate, over, f"remove negate or {way}"),
        ("multiple", way and o.multiple in {"repeat", "spread"},
         f"{way} carries one text", "write multiple = 'join'"),
        ("nargs", way and o.nargs, f"{way} carries one text", "write multiple = 'join' in place of nargs"),
        ("value-optional", way and o.value_optional,
         f"{way} has no flag that could stand alone", "remove it"),
        ("secret", o.secret and not way,
         "other users of the machine can read an argument list",
         "add pass-env = 'NAME' or pass-stdin = true"),
        ("type", o.secret and o.type != "str", f"a secret is of type str, not {o.type}", "remove type"),
        ("default", o.secret and o.default is not None, hidden, "remove default"),
        ("choices", o.secret and o.choices, hidden, "remove choices"),
        ("suggestions", o.secret and o.suggestions, hidden, "remove suggestions"),
        ("negate", o.negate and o.type != "bool", f"type {o.type} cannot be negated", "write type = 'bool'"),
        ("negate", o.type == "bool" and o.negate == o.script_flag,
         f"{quoted(o.negate)} is the flag itself", f"write '--no-{o.name}'"),
        ("nargs", takes_value and o.nargs and o.multiple in {"spread", "join"},
         f"multiple = {quoted(o.multiple)} sends one list already",
         "use multiple = 'repeat', or remove nargs"),
        ("value-optional", takes_value and o.value_optional and o.nargs,
         "does not go with nargs", _REMOVE_ONE),
        ("value-optional", takes_value and o.value_optional and o.multiple,
         "does not go with multiple", _REMOVE_ONE),
        ("separator", o.separator is not None and o.multiple != "join",
         "only multiple = 'join' has one", "write multiple = 'join', or remove it"),
        ("role", o.role == "dry-run" and o.type != "bool",
         f"'dry-run' is for a bool, not for type {o.type}", "write type = 'bool'"),
        ("role", o.role == "limit" and (o.type != "int" or o.multiple or o.nargs),
         "'limit' is for a single whole number", "write type = 'int'"),
        ("role", o.role == "retry-items" and not (o.multiple or o.type == "path"),
         "'retry-items' is for what takes a list, or a file with one",
         "add multiple = 'repeat', or write type = 'path'"),
    )  # fmt: skip


def _joined(p: Option | Argument) -> Iterator[Found]:
    """No declared value of those that are joined holds the separator."""
    if isinstance(p, Option) and p.multiple == "join":
        separator = p.separator or ","
        for key, values in (("choices", p.choices), ("default", p.default)):
            for position, value in enumerate(values if isinstance(values, tuple) else ()):
                if separator in value_text(value):
                    what = f"{quoted(value)} holds the separator {quoted(separator)}"
                    yield (key, position), what, "choose another separator"


TABLES: tuple[Callable[[Option | Argument], Iterable[Row]], ...] = (_no_values, _defaults, _keys)
PARAMETER_RULES: tuple[Callable[[Option | Argument], Iterator[Found]], ...] = (
    *(_values, _default_values, _regex, _others, _joined),
)


def broken_by(parameter: Option | Argument) -> Iterator[Found]:
    """Yield what is wrong with an option or argument by itself."""
    for table in TABLES:
        yield from wrong(table(parameter))
    if isinstance(parameter, Option):
        yield from wrong(_of_option(parameter))
    for rule in PARAMETER_RULES:
        yield from rule(parameter)
