"""Values of a script as its source gives them: literals, and what follows from literals alone."""

from __future__ import annotations

import ast
import builtins
import math
import operator
import pathlib
import posixpath
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from corpus_backfill_plugin.parsers.rules import SUPPRESS, Computed, Converter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Value: TypeAlias = Any
"""A Python value made of literals, one of the classes below, one of `rules`, or `Computed`."""

_LARGEST = 10_000
"""Characters or items of a computed value: no script's text can make us fill the memory."""


@dataclass(eq=False)
class Scope:
    """Names and their values: of a module, a class, an object of one, or a call.

    Attributes:
        outer: where a name is looked for next.
        bases: where an attribute is looked for next: a class's bases, an object's class.
        folder: of a module, where it stands.
        shared: of a module, names that its functions set or change; True: in any scope of it.
    """

    names: dict[str, Value] = field(default_factory=dict)
    outer: Scope | None = None
    bases: tuple[Value, ...] = ()
    folder: pathlib.Path | None = None
    is_class: bool = False
    name: str = ""
    shared: dict[str, bool] = field(default_factory=dict)

    @property
    def module(self) -> Scope:
        """The scope of the whole file."""
        return self.outer.module if self.outer else self

    def bind(self, name: str, value: Value) -> None:
        """Set a name; of one that functions set or change as well, no value is known at any line."""
        shared = self.module.shared
        if name in shared and (shared[name] or self.outer is None):
            value = Computed(f"{name}, set by a function")
        self.names[name] = value

    def find(self, name: str) -> Value:
        """Return the value of a name; LookupError when it is not set in the server's own files."""
        if name in self.names:
            return self.names[name]
        if self.outer is not None:
            return self.outer.find(name)
        if hasattr(builtins, name):
            return Outside(f"builtins.{name}")
        raise LookupError(name)

    def attribute(self, name: str) -> Value:
        """Return an attribute; LookupError when a library's class, an Enum or a second base may decide it."""
        bases = [base for base in self.bases if getattr(base, "name", "") not in _EMPTY_BASES]
        known = all(isinstance(base, Scope) for base in bases)
        if name in self.names and (known or isinstance(self.names[name], Function)):
            return self.names[name]
        if len(bases) != 1 or not known:
            raise LookupError(name)
        return bases[0].attribute(name)


_EMPTY_BASES = {"builtins.object", "abc.ABC", "typing.Protocol"}


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the server's own, or a lambda; `bound` is its first argument when it is a method."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    bound: Value = None


@dataclass(frozen=True)
class Outside:
    """Something of a library, by its dotted name."""

    name: str


@dataclass(frozen=True, eq=False)
class Method:
    """A method of a value."""

    receiver: Value
    name: str


PLAIN = (str, int, float, bytes, list, tuple, dict, range, pathlib.PurePath, type(None))
"""Types of values that an operator or a method of Python's may be applied to."""

_OPERATORS: dict[type, Callable[..., Value]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.LShift: operator.lshift,
    ast.Pow: operator.pow, ast.BitOr: operator.or_, ast.USub: operator.neg, ast.UAdd: operator.pos,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda item, items: item in items, ast.NotIn: lambda item, items: item not in items,
}  # fmt: skip
_KNOWN_ARGUMENTS = {
    "argparse.SUPPRESS": SUPPRESS, "argparse.REMAINDER": "...", "argparse.PARSER": "A...",
    "argparse.OPTIONAL": "?", "argparse.ZERO_OR_MORE": "*", "argparse.ONE_OR_MORE": "+",
}  # fmt: skip


def _sorted_set(items: Value = ()) -> list[Value]:
    # A set has no order of its own: sorted, every reading gives the same.
    return sorted(set(items), key=repr)


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    **{f"builtins.{call.__name__}": call for call in (
        list, tuple, dict, range, sorted, len, str, int, float, bool, min, max,
    )},
    "builtins.set": _sorted_set, "builtins.frozenset": _sorted_set,
    "builtins.enumerate": lambda *a: list(enumerate(*a)),
    "builtins.zip": lambda *a: list(zip(*a, strict=False)),
    "pathlib.Path": pathlib.PurePosixPath, "pathlib.PurePath": pathlib.PurePosixPath,
    "os.path.join": posixpath.join, "textwrap.dedent": textwrap.dedent,
}  # fmt: skip
_METHODS = {
    "keys", "values", "items", "get", "join", "format", "strip", "lstrip", "rstrip", "removeprefix",
    "removesuffix", "replace", "split", "rsplit", "splitlines", "partition", "rpartition", "lower",
    "upper", "title", "capitalize", "startswith", "endswith", "copy", "with_suffix", "with_name", "joinpath",
}  # fmt: skip
CHANGING = {
    "append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update", "setdefault",
    "popitem", "add",
}  # fmt: skip
"""Methods that change a list, a set or a mapping."""

_KEEPING = {"list", "tuple", "dict", "enumerate", "zip", "keys", "values", "items", "get", "copy"}
"""What does not look into the items that it is given."""
_WIDE = re.compile(r"\d{4}|\*")
"""In a format, what may give a text of any size."""


def outside(name: str) -> Value:
    """Return the value of a name of a library: a word that argparse knows, or the name itself."""
    return _KNOWN_ARGUMENTS.get(name) or Outside(name)


def pure_call(function: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
    """Return what a function or method of Python's own gives; LookupError when that is not known."""
    name = getattr(function, "name", "")
    if isinstance(function, Outside):
        return _computed(_FUNCTIONS[name], args, kwargs, keeps=name.removeprefix("builtins.") in _KEEPING)
    if not isinstance(function, Method) or name not in _METHODS:
        raise LookupError
    receiver, keeps = function.receiver, name in _KEEPING
    parts = [receiver, *args, *kwargs.values()]
    large = math.prod(max(_size(part), 1) for part in parts) > _LARGEST * 100
    if large or (name == "format" and _WIDE.search(str(receiver))):
        raise LookupError
    _require(parts, keeps=keeps)
    return _computed(getattr(receiver, name, _missing), args, kwargs, keeps=keeps)


def operate(kind: ast.AST, *args: Value) -> Value:
    """Return what an operator gives; LookupError when that is not known, or might be large."""
    numbers = all(isinstance(arg, int | float) and abs(arg) < 10**12 for arg in args)
    powers = isinstance(kind, ast.Pow | ast.LShift) and not (numbers and 0 <= args[1] <= 64)  # noqa: PLR2004
    wide = isinstance(kind, ast.Mod) and not numbers and _WIDE.search(str(args[0]))
    if powers or wide or (isinstance(kind, ast.Mult) and not numbers):
        raise LookupError
    return _computed(_OPERATORS[type(kind)], args, {}, keeps=isinstance(kind, ast.Add))


def item_of(value: Value, key: Value) -> Value:
    """Return `value[key]`."""
    if isinstance(key, slice):
        return _computed(lambda items: items[key], [value], {}, keeps=True)
    return _computed(lambda items, at: items[at], [value, key], {}, keeps=True)


def _missing(*_args: Value) -> Value:
    raise LookupError


def _computed(
    call: Callable[..., Value], args: Sequence[Value], kwargs: dict[str, Value], *, keeps: bool
) -> Value:
    """Return `call(*args)` of plain values, known to the last item unless it `keeps` items as they are."""
    try:
        _require([*args, *([] if keeps else kwargs.values())], keeps=keeps)
        value = call(*args, **kwargs)
        value = list(value) if type(value).__name__ in {"dict_keys", "dict_values", "dict_items"} else value
        size = _size(value)
    except Exception as error:  # whatever the operation raises, the script would raise it as well
        raise LookupError from error
    if size > (_LARGEST * 100 if isinstance(value, range) else _LARGEST):
        raise LookupError
    return value


def _require(values: list[Value], *, keeps: bool) -> None:
    """Raise LookupError unless Python itself may work on values."""
    plain = all(isinstance(value, PLAIN) for value in values)
    if not plain or (not keeps and any(map(holds_computed, values))):
        raise LookupError


def holds_computed(value: Value) -> bool:
    """Whether a value, or anything in it, is not known."""
    return not isinstance(value, PLAIN) or any(map(holds_computed, parts_of(value)))


def parts_of(value: Value) -> list[Value]:
    """Return the items of a value, and of a mapping its values; of others nothing."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def items_of(value: Value) -> list[Value] | None:
    """Return what a loop over `value` gives, or None when that is not known."""
    known = isinstance(value, range | list | tuple | dict | str) and _size(value) <= _LARGEST
    return list(value) if known else None


def _size(value: Value) -> int:
    if isinstance(value, range):
        return abs(value.stop - value.start)
    return len(value) if isinstance(value, str | bytes | list | tuple | dict) else 1


def converter(value: Value) -> Converter | Computed:
    """Return what a callable given as `type` is called."""
    if isinstance(value, Outside):
        return Converter(value.name.replace("posixpath.", "os.path."))
    if isinstance(value, Function):
        return Converter(getattr(value.node, "name", "lambda"))
    if isinstance(value, Scope) and not any(
        getattr(base, "name", "").endswith("Enum") for base in value.bases
    ):
        return Converter(value.name)
    return value if isinstance(value, Computed) else Computed("a class whose values are not read")
