"""Whether parsed TOML has the shape that the model declares: all that is wrong, in words of its author.

msgspec stops at the first error and speaks of types. Here each key is compared with its declared type
alone, and what does not fit is left out, so that the rest can still be judged.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import inspect

from corpus_backfill_plugin.specs import model
from corpus_backfill_plugin.specs.diagnostics import Diagnostic
from corpus_backfill_plugin.text import kind, listed, nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_PATTERNS = {
    model.NAME_PATTERN: ("lower case words joined by dashes", ""),
    model.FLAG_PATTERN: ("an option as a script spells it", "write it with its dashes, like --name"),
    model.UNLISTED_PATTERN: ("an option as a script spells it", "write it like --name or --name=choice"),
    model.ENV_PATTERN: ("the name of an environment variable", ""),
    model.DURATION_PATTERN: ("a duration", "write it like 90s, 12h or 1h30m"),
    r"^[A-Za-z0-9]\Z": ("one letter or digit, without a dash", ""),
}
"""What each pattern of the model asks for, and how to write it."""

_GUESSES = 100
"""Unknown keys of a table for which a guess is made: a file of noise is refused as quickly as another."""

_STAND_IN: dict[str, Any] = {
    "spec_version": 1,
    "script": "script.py",
    "members": (),
    "rule": "at-most-one",
}


def fit(raw: dict[str, Any], table: type[_Struct]) -> tuple[_Struct, list[Diagnostic]]:
    """Return `raw` as a `table`, and every diagnostic.

    Keys that don't fit are left out of the result; a required one is replaced by a stand-in. So with
    findings the result serves further checks only.
    """
    fields = _fields(table)
    findings: list[Diagnostic] = []
    kept: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in fields:
            if key in _fields(model.Script):
                what = "is a key of the file itself"
                findings.append(Diagnostic((key,), what, "move it up, above the tables"))
                continue
            near = nearest(key, fields) if len(findings) < _GUESSES else ""
            findings.append(Diagnostic((key,), "unknown key", near or f"known here are {', '.join(fields)}"))
            continue
        kept_value, found = _fit_field(value, fields[key].type)
        if found and table is model.Option and key == "name" and isinstance(value, str):
            found = [Diagnostic(one.path, one.problem, _respelt_name(value) or one.hint) for one in found]
        findings += [finding.under(key) for finding in found]
        if kept_value is not msgspec.UNSET:
            kept[fields[key].name] = kept_value
    for key, field in fields.items():
        if field.required and key not in raw:
            findings.append(Diagnostic((key,), "missing, and required", f"add {key} = {_EXAMPLES[key]}"))
        if field.required and field.name not in kept:
            kept[field.name] = _STAND_IN.get(field.name, f"?{id(raw)}")
    return table(**kept), findings


def _respelt_name(name: str) -> str:
    """Return how a name with underscores or capitals, as the script spells it, is written in a spec."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name.lstrip("-")).lower().replace("_", "-")
    if plain == name or not re.search(model.NAME_PATTERN, plain):
        return ""
    return f"write name = {quoted(plain)}" + (f", flag = {quoted('--' + name)}" if name[0] != "-" else "")


@cache
def _fields(table: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(table)}


@cache
def _described(declared: Any) -> Any:  # noqa: ANN401 - a type form, and msgspec's description of it
    return _plain(inspect.type_info(declared))


_EXAMPLES = {
    "spec-version": "1",
    "script": "'name.py'",
    "name": "'the-name'",
    "members": "['one-option', 'another']",
    "rule": "'at-most-one'",
}


def _fit_field(value: object, declared: Any) -> tuple[Any, list[Diagnostic]]:  # noqa: ANN401 - a type form
    """Return the converted value (UNSET when it does not fit) and what is wrong with it."""
    info = _described(declared)
    if isinstance(info, inspect.VarTupleType) and isinstance(_plain(info.item_type), inspect.StructType):
        return _fit_tables(value, _plain(info.item_type).cls)
    if isinstance(info, inspect.StructType) and isinstance(value, dict):
        return fit(value, info.cls)
    found = list(_check(value, info))
    if found and isinstance(info, inspect.DictType) and isinstance(value, dict):
        # What stands beside a bad entry is judged all the same.
        bad = {finding.path[0] for finding in found}
        return {key: item for key, item in value.items() if key not in bad}, found
    if found:
        return msgspec.UNSET, found
    try:
        return msgspec.convert(value, declared), []
    except msgspec.ValidationError:
        return msgspec.UNSET, [Diagnostic((), f"expected {_words(info)}, got {kind(value)}")]


def _fit_tables(value: object, table: type[_Struct]) -> tuple[Any, list[Diagnostic]]:
    if not isinstance(value, list):
        name = table.__name__.lower()
        return msgspec.UNSET, [Diagnostic((), f"expected tables, got {kind(value)}", f"write [[{name}]]")]
    fitted, findings = [], []
    for position, item in enumerate(value):
        if not isinstance(item, dict):
            findings.append(Diagnostic((position,), f"expected a table, got {kind(item)}"))
            item = {}  # noqa: PLW2901 - keeps the positions of those that follow
            fitted.append(fit(item, table)[0])
            continue
        one, found = fit(item, table)
        fitted.append(one)
        findings += [finding.under(position) for finding in found]
    return tuple(fitted), findings


def _plain(info: inspect.Type) -> Any:  # noqa: ANN401 - one of msgspec's type descriptions
    """Return the type itself, without the metadata around it, and without None where it may be left out."""
    while isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.UnionType):
        types = [t for t in map(_plain, info.types) if not isinstance(t, inspect.NoneType)]
        return types[0] if len(types) == 1 else inspect.UnionType(tuple(types))
    return info


def _check(value: object, info: Any) -> Iterator[Diagnostic]:  # noqa: ANN401 - one of msgspec's type descriptions
    judge = _JUDGES.get(type(info))
    accepts, words = _ACCEPTS[type(info)]
    if isinstance(info, inspect.UnionType):
        yield from _check_union(value, info)
    elif isinstance(info, inspect.LiteralType):
        yield from _judge_literal(value, info.values)
    elif not isinstance(value, accepts) or (isinstance(value, bool) and bool not in accepts):
        yield Diagnostic((), f"expected {words}, got {kind(value)}", _respell(value, words))
    elif judge:
        yield from judge(value, info)


def _check_union(value: object, info: inspect.UnionType) -> Iterator[Diagnostic]:
    literals = [v for option in info.types if isinstance(option, inspect.LiteralType) for v in option.values]
    if literals:
        yield from _judge_literal(value, (True, False, *literals))
        return
    for option in info.types:
        accepts, _ = _ACCEPTS[type(option)]
        if isinstance(value, accepts) and (not isinstance(value, bool) or bool in accepts):
            yield from _check(value, option)
            return
    yield Diagnostic((), f"expected {_words(info)}, got {kind(value)}", _respell(value, _words(info)))


def _words(info: Any) -> str:  # noqa: ANN401 - one of msgspec's type descriptions
    if not isinstance(info, inspect.UnionType):
        return _ACCEPTS[type(info)][1]
    names = [_ACCEPTS[type(option)][1] for option in info.types]
    if {"text", "a number", "true or false"} <= set(names):
        return "a single value or a list" if "a list" in names else "a single value"
    if "a number" in names:
        names.remove("a whole number")
    return " or ".join(names)


def _respell(value: object, wanted: str) -> str:
    if isinstance(value, str) and wanted == "a whole number" and re.fullmatch(r"[+-]?[0-9]+", value):
        return f"write {value} without quotes"
    if isinstance(value, str) and wanted == "true or false" and value.lower() in {"true", "false"}:
        return f"write {value.lower()} without quotes"
    if isinstance(value, str) and wanted == "a list":
        return f"put it in brackets: [{quoted(value)}]"
    if not isinstance(value, str | list | dict) and wanted.startswith(("text", "a single value")):
        return "put it in quotes"
    return ""


def _judge_text(value: str, info: inspect.StrType) -> Iterator[Diagnostic]:
    if info.min_length and len(value) < info.min_length:
        yield Diagnostic((), "must not be empty")
    elif info.max_length and len(value) > info.max_length:
        yield Diagnostic((), f"{len(value)} characters, {info.max_length} at most")
    elif info.pattern and not re.search(info.pattern, value):
        words, hint = _PATTERNS[info.pattern]
        yield Diagnostic((), f"{quoted(value)} is not {words}", hint)


def _judge_number(value: float, info: inspect.IntType) -> Iterator[Diagnostic]:
    if info.ge is not None and value < info.ge:
        yield Diagnostic((), f"{quoted(value)} is less than {info.ge}")
    elif info.le is not None and value > info.le:
        yield Diagnostic((), f"{quoted(value)} is more than {info.le}")


def _judge_literal(value: object, allowed: tuple[Any, ...]) -> Iterator[Diagnostic]:
    if any(type(value) is type(one) and value == one for one in allowed):
        return
    hint = nearest(value, [one for one in allowed if isinstance(one, str)]) if isinstance(value, str) else ""
    if isinstance(value, str) and value in map(str, allowed):
        hint = f"write {value} without quotes"
    few = "is not" if len(allowed) == 1 else "is not one of"
    yield Diagnostic((), f"{quoted(value)} {few} {listed(allowed)}", hint)


def _judge_list(value: list[Any], info: inspect.VarTupleType) -> Iterator[Diagnostic]:
    if info.min_length and len(value) < info.min_length:
        yield Diagnostic((), f"has {len(value)}, needs at least {info.min_length}")
    item_type = _plain(info.item_type)
    for position, item in enumerate(value):
        yield from (found.under(position) for found in _check(item, item_type))


def _judge_table(value: dict[str, Any], info: inspect.DictType) -> Iterator[Diagnostic]:
    for key, item in value.items():
        yield from (found.under(key) for found in _check(item, _plain(info.value_type)))


_ACCEPTS: dict[type, tuple[tuple[type, ...], str]] = {
    inspect.StrType: ((str,), "text"),
    inspect.IntType: ((int,), "a whole number"),
    inspect.FloatType: ((int, float), "a number"),
    inspect.BoolType: ((bool,), "true or false"),
    inspect.LiteralType: ((str, int), "text"),
    inspect.VarTupleType: ((list,), "a list"),
    inspect.DictType: ((dict,), "a table"),
    inspect.StructType: ((dict,), "a table"),
    inspect.UnionType: ((object,), "a value"),
}
_JUDGES: dict[type, Callable[[Any, Any], Iterator[Diagnostic]]] = {
    inspect.StrType: _judge_text,
    inspect.IntType: _judge_number,
    inspect.VarTupleType: _judge_list,
    inspect.DictType: _judge_table,
}
