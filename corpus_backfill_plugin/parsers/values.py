"""Values of a script as its source gives them: literals, and what follows from literals alone."""

from __future__ import annotations

import ast
import math
import operator
import pathlib
import posixpath
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from corpus_backfill_plugin.parsers.rules import SUPPRESS, Computed, Converter

if TYPE_CHECKING:
    from collections.abc import Callable

Value: TypeAlias = Any
"""A Python value made of literals, one of the classes below, one of `rules`, or `Computed`."""

_LARGEST = 10_000
"""Characters, items or bits of a value that is worked out: no script's text can make us fill the memory."""


@dataclass(eq=False)
class Scope:
    """Names and their values: of a module, a class, an object of one, or a call.

    Attributes:
        outer: where a name is looked for next.
        bases: where an attribute is looked for next: a class's bases, an object's class.
        folder: of a module, where it stands.
        is_class: whether calling it makes an object.
    """

    names: dict[str, Value] = field(default_factory=dict)
    outer: Scope | None = None
    bases: tuple[Value, ...] = ()
    folder: pathlib.Path | None = None
    is_class: bool = False
    name: str = ""

    def find(self, name: str) -> Value:
        """Return the value of a name; LookupError when it is not set in the server's own files."""
        if name in self.names:
            return self.names[name]
        if self.outer is None:
            raise LookupError(name)
        return self.outer.find(name)

    def attribute(self, name: str) -> Value:
        """Return an attribute; LookupError when neither it nor the first of its bases has it."""
        if name in self.names:
            return self.names[name]
        if not self.bases or not isinstance(self.bases[0], Scope):
            raise LookupError(name)
        return self.bases[0].attribute(name)

    @property
    def module(self) -> Scope:
        """The scope of the whole file."""
        return self.outer.module if self.outer else self


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

OPERATORS: dict[type, Callable[..., Value]] = {
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
_PURE: dict[str, Callable[..., Value]] = {
    "builtins.list": list, "builtins.tuple": tuple, "builtins.dict": dict, "builtins.range": range,
    "builtins.sorted": sorted, "builtins.len": len, "builtins.str": str, "builtins.int": int,
    "builtins.float": float, "builtins.bool": bool, "builtins.min": min, "builtins.max": max,
    "builtins.repr": repr, "builtins.enumerate": lambda *a: list(enumerate(*a)),
    "builtins.zip": lambda *a: list(zip(*a, strict=False)), "builtins.reversed": lambda a: list(reversed(a)),
    # A set has no order of its own: sorted, every reading gives the same.
    "builtins.set": lambda *a: sorted(set(*a), key=repr),
    "builtins.frozenset": lambda *a: sorted(set(*a), key=repr),
    "pathlib.Path": pathlib.PurePosixPath, "pathlib.PurePath": pathlib.PurePosixPath,
    "os.path.join": posixpath.join,
    "os.path.basename": posixpath.basename, "os.path.dirname": posixpath.dirname,
    "textwrap.dedent": textwrap.dedent, "inspect.cleandoc": textwrap.dedent,
}  # fmt: skip
_METHODS = {
    "keys", "values", "items", "get", "join", "format", "strip", "lstrip", "rstrip", "removeprefix",
    "removesuffix", "replace", "split", "rsplit", "splitlines", "partition", "rpartition", "lower",
    "upper", "title", "capitalize", "startswith", "endswith", "index", "count", "copy", "with_suffix",
    "with_name", "with_stem", "joinpath", "as_posix",
}  # fmt: skip
CHANGING = {
    "append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update", "setdefault",
    "popitem",
}  # fmt: skip
"""Methods that change a list or a mapping."""


_KEEPING = {list, tuple, dict, len, operator.getitem, operator.add}
"""What does not look into the items that it is given."""
_GROWING = {operator.mul, operator.pow, operator.lshift}


def outside(name: str) -> Value:
    """Return the value of a name of a library: a word that argparse knows, or the name itself."""
    return _KNOWN_ARGUMENTS.get(name) or Outside(name)


def pure_call(function: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """Return what a function or method of Python's own gives; LookupError when that is not known."""
    if isinstance(function, Outside):
        call = _PURE[function.name]
    elif isinstance(function, Method) and isinstance(function.receiver, PLAIN) and function.name in _METHODS:
        call = getattr(function.receiver, function.name, _missing)
        if function.name == "format" and _has_width(str(function.receiver)):
            raise LookupError
        if function.name == "replace" and sum(map(_size, args)) * _size(function.receiver) > _LARGEST:
            raise LookupError
    else:
        raise LookupError
    return worked_out(call, *args, **kwargs)


def _missing(*_args: Value) -> Value:
    raise LookupError


def worked_out(call: Callable[..., Value], *args: Value, **kwargs: Value) -> Value:
    """Return `call(*args)` of plain values; LookupError when it cannot be done, or would be too large."""
    if not all(isinstance(arg, PLAIN) for arg in args):
        raise LookupError
    if call not in _KEEPING and not all(isinstance(arg, PLAIN) for arg in kwargs.values()):
        raise LookupError
    if call not in _KEEPING and any(isinstance(part, Computed) for arg in args for part in parts_of(arg)):
        raise LookupError
    numbers = call is operator.mul and not any(isinstance(arg, str | bytes | list | tuple) for arg in args)
    if call in _GROWING and not numbers and math.prod(_size(arg, number=True) for arg in args) > 10**6:
        raise LookupError
    if call is operator.mod and isinstance(args[0], str) and _has_width(args[0]):
        raise LookupError
    try:
        value = call(*args, **kwargs)
    except Exception as error:  # whatever the operation raises, the script would raise it as well
        raise LookupError from error
    value = list(value) if type(value).__name__ in {"dict_keys", "dict_values", "dict_items"} else value
    if _size(value) > (_LARGEST * 100 if isinstance(value, range) else _LARGEST):
        raise LookupError
    return value


def parts_of(value: Value) -> list[Value]:
    """Return the items of a value, and of a mapping its values; of others nothing."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def items_of(value: Value) -> list[Value] | None:
    """Return what a loop over `value` gives, or None when that is not known."""
    if isinstance(value, range):
        return list(value) if len(value) <= _LARGEST else None
    return list(value) if isinstance(value, list | tuple | dict | str) else None


def _size(value: Value, *, number: bool = False) -> int:
    """Return how many items, characters or bits a value has; with `number`, an integer counts as itself."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) + 1 if number else value.bit_length()
    if isinstance(value, range):
        return abs(value.stop - value.start)
    return len(value) if isinstance(value, str | bytes | list | tuple | dict) else 1


def _has_width(text: str) -> bool:
    digits = 0
    for character in text:
        digits = digits + 1 if character.isdigit() else 0
        if digits > 3:  # noqa: PLR2004 - a width of four digits
            return True
    return "*" in text


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
