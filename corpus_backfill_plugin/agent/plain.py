"""Values and named tuples as JSON, and read back with the type of every value checked."""

from __future__ import annotations

import json
import types
from functools import cache
from math import isfinite
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

_LARGEST = 1e308
_PLAIN = frozenset((str, int, bool, type(None)))


def dump(value: object) -> bytes:
    """Return `value` as JSON, without blanks."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")).encode()


def plain(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return `value` with records as objects, and None for numbers that JSON does not have."""
    if names := getattr(value, "_fields", ()):
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def load(kind: type[T], content: bytes | str) -> T:
    """Return the `kind`, a value or named tuple, that JSON `content` says; other members are ignored.

    Raises:
        ValueError: `content` is no JSON, or a value in it is missing or of another type.
    """
    try:
        return build(kind, json.loads(content))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def build(kind: type[T], value: object) -> T:
    """Return the `kind` that JSON `value`, decoded, says."""
    return cast("T", _build(kind, value, "$"))


def _build(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401, PLR0911  any type, a return each
    if kind is Any:
        return value
    if hasattr(kind, "_field_defaults"):
        return _record(kind, value, where)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(inner, value, where)
    if origin is Literal and isinstance(value, str) and value in inner:
        return value
    if origin is tuple and isinstance(value, list):
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(kinds) == len(value):
            return tuple(_build(k, each, f"{where}[]") for k, each in zip(kinds, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {name: _build(inner[1], each, f"{where}.{name}") for name, each in value.items()}
    if origin is None and _is(kind, value):
        return float(value) if kind is float else value
    raise ValueError(f"{getattr(kind, '__name__', kind)} expected, not {type(value).__name__} - at {where}")


def _is(kind: type, value: object) -> bool:
    if kind is float:  # also an integer, but neither NaN nor one beyond all measure
        return isinstance(value, int | float) and type(value) is not bool and abs(value) < _LARGEST
    return type(value) is kind


def _one_of(kinds: tuple[Any, ...], value: object, where: str) -> Any:  # noqa: ANN401  any of them
    for kind in kinds[:-1]:
        try:
            return _build(kind, value, where)
        except ValueError:
            continue
    return _build(kinds[-1], value, where)


def _record(kind: Any, value: object, where: str) -> Any:  # noqa: ANN401  a record
    if not isinstance(value, dict):
        raise ValueError(f"an object expected, not {type(value).__name__} - at {where}")  # noqa: TRY004  as all others
    members, required = _members(kind)
    if missing := required - value.keys():
        raise ValueError(f"{', '.join(sorted(missing))} missing - at {where}")
    given = {name: value[name] for name in members.keys() & value.keys()}
    for name, each in given.items():
        member, exact = members[name]
        if type(each) not in exact:  # most are, and a list of runs has thousands
            given[name] = _build(member, each, f"{where}.{name}")
    return kind(**given)


@cache
def _members(kind: Any) -> tuple[dict[str, tuple[Any, frozenset[type]]], frozenset[str]]:  # noqa: ANN401  a value or named tuple
    """Return each member's type with the plain types that it allows, and the members without a default."""
    members = {}
    hints = get_type_hints(kind)
    for name in kind._fields:
        hint = hints[name]
        is_plain = get_origin(hint) in (Union, types.UnionType, None)
        members[name] = hint, frozenset(get_args(hint) or (hint,)) & _PLAIN if is_plain else frozenset()
    return members, frozenset(kind._fields) - kind._field_defaults.keys()
