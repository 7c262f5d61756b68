"""What a script's names stand for while its source is followed: plain values, and stand-ins for the rest."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from corpus_backfill_plugin.authoring.introspect import Opaque
from corpus_backfill_plugin.authoring.introspect_action import SUPPRESS, Member

if TYPE_CHECKING:
    import ast

Value: TypeAlias = object
"""A plain Python value, one of the stand-ins below, a simulated argparse object, or an `Opaque`."""

PLAIN = (str, int, float, bool, type(None), list, tuple, dict, set, frozenset, range, bytes)
"""Types whose values are known whole, and that operators may be applied to."""

CONSTANTS: dict[str, str] = {
    "argparse.SUPPRESS": SUPPRESS,
    "argparse.REMAINDER": "...",
    "argparse.OPTIONAL": "?",
    "argparse.ZERO_OR_MORE": "*",
    "argparse.ONE_OR_MORE": "+",
    "argparse.PARSER": "A...",
}
"""argparse's names for plain values."""

SHOWN = 60
"""Characters of an expression that a message repeats at the most."""

_HERE = {"os", "sys", "platform", "socket", "getpass", "time", "datetime", "tempfile", "random", "uuid"}
_HERE |= {"multiprocessing", "shutil", "secrets", "locale", "pwd", "dotenv", "decouple", "environ", "psutil"}
"""Modules whose answers belong to the machine or the moment."""


@dataclass(frozen=True)
class Ref:
    """Something from outside the file, by its dotted name; builtins have `builtins.` before it."""

    name: str

    @property
    def short(self) -> str:
        """The name as a person would write it."""
        return self.name.removeprefix("builtins.")


@dataclass(frozen=True)
class PathText:
    """A `pathlib.Path` made from a known text."""

    text: str


@dataclass(frozen=True)
class ScriptFile:
    """`__file__`: where the script stands is not known, what it is called is."""

    name: str


class Scope:
    """Names and their values; what is not here is looked up in the scope around it."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.names: dict[str, Value] = {}
        self.outer = outer
        self.elsewhere: dict[str, Scope] = {}

    def bind(self, name: str, value: Value) -> None:
        """Set a name here, or where a `global` or `nonlocal` statement says."""
        self.elsewhere.get(name, self).names[name] = value

    def find(self, name: str) -> Value:
        """Return the value of `name`, raising KeyError when no scope has it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        raise KeyError(name)


@dataclass(eq=False)
class Func:
    """A function, method or lambda of the file."""

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    bound: Value | None = None

    def bind(self, receiver: Value) -> Func:
        """Return the function as a method of `receiver`."""
        return Func(self.name, self.node, self.scope, receiver)


@dataclass(eq=False)
class Klass:
    """A class of the file."""

    name: str
    bases: tuple[Value, ...]
    scope: Scope

    def attribute(self, name: str) -> Value | None:
        """Return the class's own attribute or that of a base in the file."""
        if name in self.scope.names:
            return self.scope.names[name]
        found = (base.attribute(name) for base in self.bases if isinstance(base, Klass))
        return next((value for value in found if value is not None), None)

    def outside(self) -> set[str]:
        """Return the dotted names of all bases, near and far, that come from outside the file."""
        names: set[str] = set()
        for base in self.bases:
            names |= base.outside() if isinstance(base, Klass) else set()
            names |= {base.name} if isinstance(base, Ref) else set()
        return names

    @property
    def is_enum(self) -> bool:
        """Whether it derives from one of the enum module's classes."""
        return any(name.split(".")[-1] in {"Enum", "StrEnum", "IntEnum", "Flag"} for name in self.outside())

    def members(self) -> tuple[Member, ...]:
        """Return the members of an Enum, in order."""
        return tuple(m for m in self.scope.names.values() if isinstance(m, Member) and m.enum == self.name)


@dataclass(eq=False)
class Inst:
    """An object of a class of the file."""

    klass: Klass
    attrs: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False)
class Method:
    """A method of something that is simulated, or of a plain value: `receiver.name`."""

    receiver: Value
    name: str


def outside(ref: Ref, source: str) -> Opaque:
    """Return what is left of a value that a call or constant from outside would give.

    Args:
        ref: what is called or read.
        source: the expression as it stands in the script.
    """
    root = ref.short.split(".")[0]
    shown = source if len(source) <= SHOWN else source[: SHOWN - 3] + "..."
    if root in _HERE:
        return Opaque(f"computed when the script runs: {shown}", here_only=True)
    if root in sys.stdlib_module_names or ref.name.startswith("builtins."):
        return Opaque(f"computed when the script runs: {shown}")
    return Opaque(f"comes from another file: {shown}")


def environment(name: str | None, fallback: Value, *, given: bool) -> Opaque:
    """Return the stand-in for an environment variable's value.

    Args:
        name: the variable; None when its name is not known.
        fallback: what the script takes when it is not set.
        given: whether there is a fallback at all.
    """
    variable = f"the environment variable {name}" if name else "an environment variable"
    known = isinstance(fallback, str | int | float) and given
    return Opaque(f"{variable}, else {fallback}" if known and fallback != "" else variable, here_only=True)


def same(one: Value, other: Value) -> bool:
    """Whether two values are the same, without being taken in by `1 == True`."""
    if one is other:
        return True
    if isinstance(one, (*PLAIN, PathText, Ref, Member)) and type(one) is type(other):
        return bool(one == other)
    return False


def scalars(value: Value) -> Value:
    """Return a path as its text, anything else as it is: what a spec or a message can hold."""
    if isinstance(value, PathText):
        return value.text
    if isinstance(value, list | tuple):
        return [scalars(item) for item in value]
    return value
