"""Values of a script as its source gives them: literals, and what follows from literals alone."""

from __future__ import annotations

import ast
import builtins
import operator
import pathlib
import posixpath
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from corpus_backfill_plugin.parsers.probe import Computed

if TYPE_CHECKING:
    from collections.abc import Callable

Value: TypeAlias = Any
"""A Python value made of literals, an object of argparse's, one of the classes below, or `Computed`."""

_LARGEST = 10_000
"""Characters or items of a value that is computed here: no script's text can fill the memory."""


@dataclass(eq=False)
class Scope:
    """Names and their values: of a module, a class, an object of one, or a call.

    Attributes:
        outer: where a name is looked for next.
        bases: where an attribute is looked for next: a class's bases, an object's class.
        folder: of a module, where its file is.
        changing: of a module, names whose values change where the order is not followed, and how.
    """

    names: dict[str, Value] = field(default_factory=dict)
    outer: Scope | None = None
    bases: tuple[Value, ...] = ()
    folder: pathlib.Path | None = None
    is_class: bool = False
    name: str = ""
    changing: dict[str, str] = field(default_factory=dict)

    @property
    def module(self) -> Scope:
        """The scope of the file."""
        return self.outer.module if self.outer else self

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
        known = all(isinstance(base, Scope) for base in self.bases)
        if name in self.names and (known or isinstance(self.names[name], Function)):
            return self.names[name]
        if len(self.bases) != 1 or not known:
            raise LookupError(name)
        return self.bases[0].attribute(name)


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the server's own, or a lambda; `bound` is its first argument when it is a method."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    defaults: dict[str, Value] = field(default_factory=dict)
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


PLAIN = (str, int, float, list, tuple, dict, range, pathlib.PurePath, type(None))
"""Types of values that an operator or a method of Python's may be applied to."""
CHANGING = {
    "append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update", "setdefault",
    "popitem", "add",
}  # fmt: skip
"""Methods that change a list, a set or a mapping."""
_OPERATORS: dict[type, Callable[..., Value]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.LShift: operator.lshift,
    ast.Pow: operator.pow, ast.USub: operator.neg, ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda item, items: item in items, ast.NotIn: lambda item, items: item not in items,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Value]] = {
    **{f"builtins.{call.__name__}": call for call in (
        list, tuple, dict, range, sorted, len, str, int, float,
    )},
    "builtins.enumerate": lambda *a: list(enumerate(*a)),
    "builtins.zip": lambda *a: list(zip(*a, strict=False)),
    "argparse.FileType": lambda *_a, **_k: Outside("argparse.FileType"),
    "pathlib.Path": pathlib.PurePosixPath, "os.path.join": posixpath.join, "textwrap.dedent": textwrap.dedent,
}  # fmt: skip
_METHODS = {"keys", "values", "items", "join", "format", "strip", "lower", "upper", "title", "split"}
_KEEPING = {"list", "tuple", "dict", "enumerate", "zip", "keys", "values", "items"}
"""What does not look into the items that it is given."""
_WIDE = re.compile(r"\d{4}|\*")  # in a format, what may give a text of any size


def call_plain(function: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """Return what a function or method of Python's own gives; LookupError when that is not known."""
    name = getattr(function, "name", "")
    keeps = name.rpartition(".")[2] in _KEEPING
    if isinstance(function, Outside):
        return compute(_FUNCTIONS[name], *args, keeps=keeps, **kwargs)
    receiver = getattr(function, "receiver", None)
    if name not in _METHODS or (name == "format" and _WIDE.search(str(receiver))):
        raise LookupError
    return compute(lambda own, *a, **k: getattr(own, name)(*a, **k), receiver, *args, keeps=keeps, **kwargs)


def operate(kind: ast.AST, *args: Value) -> Value:
    """Return what an operator gives; LookupError when that is not known, or might be large."""
    numbers = all(isinstance(arg, int | float) and abs(arg) < 10**12 for arg in args)
    powers = isinstance(kind, ast.Pow | ast.LShift) and not (numbers and 0 <= args[1] <= 64)  # noqa: PLR2004
    wide = isinstance(kind, ast.Mod) and not numbers and _WIDE.search(str(args[0]))
    if powers or wide or type(kind) not in _OPERATORS or (isinstance(kind, ast.Mult) and not numbers):
        raise LookupError
    return compute(_OPERATORS[type(kind)], *args, keeps=isinstance(kind, ast.Add))


def compute(call: Callable[..., Value], *args: Value, keeps: bool = False, **kwargs: Value) -> Value:
    """Return `call(*args)` of plain values, known to the last item unless it `keeps` items as they are."""
    values = [*args, *([] if keeps else kwargs.values())]
    if not all(isinstance(value, PLAIN) for value in values) or not (keeps or all(map(_is_known, values))):
        raise LookupError
    try:
        value = call(*args, **kwargs)
        value = list(value) if type(value).__name__ in {"dict_keys", "dict_values", "dict_items"} else value
        size = _size(value)
    except Exception as error:  # whatever the operation raises, the script would raise it as well
        raise LookupError from error
    if size > (_LARGEST * 100 if isinstance(value, range) else _LARGEST):
        raise LookupError
    return value


def _is_known(value: Value) -> bool:
    return isinstance(value, PLAIN) and all(map(_is_known, parts_of(value)))


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
    return len(value) if isinstance(value, str | list | tuple | dict | range) else 1


def converter(value: Value) -> Callable[[str], str] | Computed | None:
    """Return something callable that has the name of what is given as `type`."""
    if value is None or isinstance(value, Computed):
        return value
    is_enum = any(getattr(base, "name", "").endswith("Enum") for base in getattr(value, "bases", ()))
    if is_enum or not isinstance(value, Outside | Function | Scope):
        return Computed("a class whose values are not read")

    def convert(word: str) -> str:
        return word

    convert.__qualname__ = getattr(getattr(value, "node", value), "name", "lambda")
    convert.__module__ = "builtins"
    return convert


def changing(tree: ast.Module) -> dict[str, str]:
    """Return the names, and attributes, whose values are changed anywhere in a module, and how."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Global() | ast.Nonlocal():
                found |= dict.fromkeys(node.names, "set by a function")
            case ast.Attribute(attr=word, value=of) if word in CHANGING:
                found.setdefault(last_word(of), "which is changed")
            case (
                ast.Subscript(value=of, ctx=ast.Store() | ast.Del())
                | ast.AugAssign(target=of)
                | ast.NamedExpr(target=of)
            ):
                found.setdefault(last_word(of), "which is changed")
    return found


def stored(node: ast.AST) -> set[str]:
    """Return the names that a statement sets."""
    found = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            found.add(part.id)
        elif not isinstance(part, ast.Name):
            found.add(str(getattr(part, "asname", "") or getattr(part, "name", "")).partition(".")[0])
    return found


def last_word(node: ast.AST) -> str:
    """Return the name that `node` is, ends with or sets; empty for any other."""
    return str(getattr(node, "id", getattr(node, "attr", getattr(node, "name", ""))) or "")


def text_of(node: ast.AST) -> str:
    """Return the source text, on one line."""
    return " ".join(ast.unparse(node).split())[:100]
