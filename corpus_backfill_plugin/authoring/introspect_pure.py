"""Functions and methods whose answer depends on what goes in alone: they may be worked out, nothing runs."""

from __future__ import annotations

import ast
import inspect
import operator
import re
import textwrap
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.authoring.introspect import Opaque
from corpus_backfill_plugin.authoring.introspect_values import (
    PLAIN,
    Klass,
    Method,
    PathText,
    Ref,
    ScriptFile,
    Value,
    environment,
    outside,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ITEMS = 2_000
"""Longer texts by repetition, ranges and lists are not worked out."""

MAX_POWER = 64
"""A higher power, or a shift by more, is not worked out."""

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_PURE: dict[str, Callable[..., Any]] = {
        "str": str, "int": int, "float": float, "bool": bool, "list": list, "tuple": tuple, "dict": dict,
        "set": set, "frozenset": frozenset, "sorted": sorted, "len": len, "min": min, "max": max, "sum": sum,
        "abs": abs, "round": round, "repr": repr, "enumerate": lambda *a, **k: list(enumerate(*a, **k)),
        "zip": lambda *a: list(zip(*a, strict=False)), "reversed": lambda a: list(reversed(a)),
        "any": any, "all": all, "chr": chr, "ord": ord,
}  # fmt: skip
_PURE_OUTSIDE: dict[str, Callable[..., Any]] = {
    "textwrap.dedent": textwrap.dedent,
    "inspect.cleandoc": inspect.cleandoc,
    "itertools.chain": lambda *lists: [item for items in lists for item in items],
    "collections.OrderedDict": dict,
    "types.MappingProxyType": dict,
}
_CHANGING = {"append", "extend", "insert", "sort", "reverse", "update", "add", "pop", "remove", "setdefault"}
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        {"join", "format", "upper", "lower", "strip", "lstrip", "rstrip", "split", "splitlines", "replace"}
        | {"title", "capitalize", "startswith", "endswith", "removeprefix", "removesuffix", "casefold"}
        | {"partition", "rpartition", "isdigit", "isupper", "islower"}
    ),
    list: frozenset({"copy", "index", "count"} | _CHANGING),
    tuple: frozenset({"index", "count"}),
    dict: frozenset({"keys", "values", "items", "get", "copy"} | _CHANGING),
    set: frozenset({"union", "intersection", "difference", "copy"} | _CHANGING),
    frozenset: frozenset({"union", "intersection", "difference"}),
}
_ENVIRONMENT_CALLS = {"os.getenv", "os.environ.get", "os.environ.pop", "os.environ.setdefault"}


MAX_STEPS = 150_000
"""Statements and expressions followed at the most; a parser is built in some thousand."""


class ExhaustedError(Exception):
    """The script is longer to follow than it is worth."""


class Pure:
    """What is known to have no effect: computed here when all that goes in is known."""

    def __init__(self) -> None:
        self.steps = 0
        self.environment: dict[str, None] = {}
        self.doubtful: dict[int, tuple[Value, str]] = {}
        """Lists and dicts changed under a condition that could not be decided, by identity, and why."""

    def spend(self) -> None:
        """Count one step; ExhaustedError when there were too many."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise ExhaustedError

    def in_doubt(self) -> str:
        """Return the condition that could not be decided and under which the present code runs, or ''."""
        raise NotImplementedError

    def _plain_method(  # noqa: PLR0911 - a line for each receiver
        self, method: Method, args: list[Value], kwargs: dict[str, Value], node: ast.Call
    ) -> Value:
        receiver, name = method.receiver, method.name
        if isinstance(receiver, ScriptFile):
            return (
                receiver
                if name in {"resolve", "absolute"}
                else Opaque("where the script stands", here_only=True)
            )
        if isinstance(receiver, PathText):
            if (
                name in {"joinpath", "with_suffix", "with_name"}
                and name == "joinpath"
                and all(isinstance(a, str) for a in args)
            ):
                return PathText("/".join([receiver.text.rstrip("/"), *map(str, args)]))
            return Opaque(f"computed when the script runs: {ast.unparse(node)[:60]}", here_only=True)
        if name not in _METHODS.get(type(receiver), ()):
            return Opaque(f"not worked out: {ast.unparse(node)[:60]}")
        if name in _CHANGING and not isinstance(receiver, str):
            doubt = self.in_doubt()
            if doubt:
                self.doubtful[id(receiver)] = (receiver, f"changed only if {doubt}")
                return None
        elif isinstance(receiver, str):
            for value in [*args, *kwargs.values()]:
                unknown = next(
                    (item for item in parts_of(value) if not isinstance(item, (*PLAIN, PathText))), None
                )
                if unknown is not None:
                    return unknown if isinstance(unknown, Opaque) else _unknown(unknown, node)
        plain = [value.text if isinstance(value, PathText) else value for value in args]
        result = self.attempt(getattr(receiver, name), *plain, **kwargs)
        return (
            list(result)
            if isinstance(result, type({}.keys()) | type({}.values()) | type({}.items()))
            else result
        )

    def _call_outside(self, ref: Ref, args: list[Value], kwargs: dict[str, Value]) -> Value:  # noqa: C901, PLR0911 - a line for each callable
        """Return what a call of something outside the file gives, when it is known to be pure."""
        name = ref.short
        if name in _ENVIRONMENT_CALLS:
            fallback = args[1] if len(args) > 1 else kwargs.get("default")
            return self.variable(args[0] if args else None, fallback, given=fallback is not None)
        if name in {"pathlib.Path", "pathlib.PurePath", "os.path.basename", "os.path.join"}:
            return self._path_call(name, args)
        if name in {"list", "tuple", "set", "sorted", "frozenset", "reversed", "enumerate", "len"} and args:
            found = self.items(args[0])
            if isinstance(found, Opaque):
                return found
            args = [found, *args[1:]]
            if name in {"set", "frozenset"}:
                return sorted(dict.fromkeys(found), key=repr)
        if name == "range":
            return self._range(args)
        function = _PURE.get(name) if ref.name.startswith("builtins.") else _PURE_OUTSIDE.get(name)
        if function is None:
            return NotImplemented
        opaque = next((v for v in [*args, *kwargs.values()] if isinstance(v, Opaque)), None)
        if opaque:
            return opaque
        if name == "str" and args and isinstance(args[0], PathText):
            return args[0].text
        if not all(isinstance(value, PLAIN) for value in args) or "key" in kwargs:
            return NotImplemented
        return self.attempt(function, *args, **kwargs)

    @staticmethod
    def _range(args: list[Value]) -> Value:
        numbers = [arg for arg in args if isinstance(arg, int)]
        if not numbers or len(numbers) != len(args):
            return next((arg for arg in args if isinstance(arg, Opaque)), Opaque("its ends are no numbers"))
        try:
            steps = range(*numbers)
        except (TypeError, ValueError):
            return Opaque("range() would fail")
        return steps if len(steps) <= MAX_ITEMS else Opaque("more numbers than are worth a list")

    def _path_call(self, name: str, args: list[Value]) -> Value:
        opaque = next((v for v in args if isinstance(v, Opaque)), None)
        if opaque:
            return opaque
        if args and isinstance(args[0], ScriptFile):
            return args[0].name if name == "os.path.basename" else args[0]
        texts = [arg.text if isinstance(arg, PathText) else arg for arg in args]
        if not all(isinstance(text, str) for text in texts):
            return Opaque("a path that is not known")
        whole = "/".join(str(text) for text in texts) or "."
        if name == "os.path.basename":
            return whole.rpartition("/")[2]
        return PathText(whole) if name.startswith("pathlib") else whole

    def variable(self, name: Value, fallback: Value, *, given: bool) -> Opaque:
        """Return the stand-in for an environment variable, and remember that the script reads it."""
        if isinstance(name, str):
            self.environment[name] = None
        shown = fallback.text if isinstance(fallback, PathText) else fallback
        return environment(name if isinstance(name, str) else None, shown, given=given)

    def items(self, value: Value) -> list[Value] | Opaque:
        """Return what iterating over `value` gives, or why that is not known."""
        if isinstance(value, Opaque):
            return value
        if isinstance(value, Klass) and value.is_enum:
            return list(value.members())
        if isinstance(value, str | list | tuple | dict | set | frozenset | range):
            return list(value) if len(value) <= MAX_ITEMS else Opaque("more of them than are worth a list")
        if isinstance(value, Ref):
            return outside(value, value.short)
        return Opaque("what it is made of is not known")

    @staticmethod
    def truth(value: Value) -> bool | None:
        """Return whether `value` is true, or None when that is not known."""
        if isinstance(value, Opaque):
            return None
        if isinstance(value, Ref):
            return False if value.name == "typing.TYPE_CHECKING" else None
        return bool(value) if isinstance(value, PLAIN) else True

    @staticmethod
    def attempt(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Value:  # noqa: ANN401 - any plain values
        """Return what a pure function gives, or that it would fail."""
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever pure operations raise, the script would raise
            return Opaque(f"would fail: {type(error).__name__}")


def _unknown(value: Value, node: ast.Call) -> Opaque:
    source = ast.unparse(node)
    return outside(value, source) if isinstance(value, Ref) else Opaque(f"not worked out: {source[:60]}")


def parts_of(value: Value) -> list[Value]:
    """Return the values of a dictionary, the items of a list, or the value itself."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else [value]


def too_big(op: ast.operator, left: Value, right: Value) -> bool:
    """Whether an operation would make more than any parser needs: it is not worked out then."""
    if isinstance(op, ast.Pow | ast.LShift):
        return not isinstance(right, int | float) or abs(right) > MAX_POWER
    if isinstance(op, ast.Mult):
        sizes = [side for side in (left, right) if isinstance(side, int)]
        return (
            len(sizes) == 1
            and sizes[0] > MAX_ITEMS
            and not isinstance(left, float)
            and not isinstance(right, float)
        )
    return isinstance(op, ast.Mod) and isinstance(left, str) and bool(re.search(r"%[^a-zA-Z]*\d{4}", left))
