"""Statements of a script followed in the order in which they would run."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from corpus_backfill_plugin.authoring.introspect import Opaque, Unknown
from corpus_backfill_plugin.authoring.introspect_action import Member
from corpus_backfill_plugin.authoring.introspect_argparse import Parser
from corpus_backfill_plugin.authoring.introspect_calls import Caller, Decided
from corpus_backfill_plugin.authoring.introspect_pure import ExhaustedError
from corpus_backfill_plugin.authoring.introspect_values import (
    CONSTANTS,
    Func,
    Inst,
    Klass,
    Ref,
    Scope,
    ScriptFile,
    Value,
    same,
)

Signal: TypeAlias = Literal["", "return", "stop", "break", "continue"]
"""How a block of statements ended; `stop` is an exception or an exit."""

MAX_DEPTH = 60
"""Calls within calls."""

_EXITS = {"sys.exit", "builtins.exit", "builtins.quit", "os._exit", "builtins.SystemExit"}
_LIKELY = ("main", "cli", "run", "build_parser", "make_parser", "create_parser", "get_parser", "parse_args")


MAX_MODULES = 40
"""Modules of the server's followed at the most."""

Modules: TypeAlias = Callable[[str], str | None]
"""Gives the source of a module by its dotted name."""


class Reading(Caller):
    """One script being followed."""

    def __init__(self, file: str, tree: ast.Module, modules: Modules | None = None) -> None:
        super().__init__(file)
        self.modules = modules
        self.imported: dict[str, Scope | None] = {}
        self.tree = tree
        self.depth = 0
        self.doubts: list[str] = []
        self.called: set[int] = set()
        self.returns: list[list[Value]] = []
        self.module = Scope()
        self.module.names |= {
            "__name__": "__main__",
            "__doc__": ast.get_docstring(tree, clean=False),
            "__file__": ScriptFile(file),
        }

    def run(self) -> None:
        """Follow the module from its first line to its last, and the functions that make parsers uncalled."""
        try:
            self.block(self.tree.body, self.module)
            self._follow_uncalled()
        except Decided:
            return
        except (ExhaustedError, RecursionError):
            self.lost.append(Unknown(0, "options", "the script is too long to follow", hides_options=True))

    def _follow_uncalled(self) -> None:
        """Call the functions that make parsers when nothing in the file does: a console entry point would."""
        functions = [value for value in self.module.names.values() if isinstance(value, Func)]
        functions.sort(key=lambda f: _LIKELY.index(f.name) if f.name in _LIKELY else len(_LIKELY))
        for function in functions:
            if self.parsed:
                return
            if id(function.node) not in self.called and not isinstance(function.node, ast.Lambda):
                self.follow(function, [], {})

    def in_doubt(self) -> str:
        """Return the innermost condition that could not be decided, or ''."""
        return self.doubts[-1] if self.doubts else ""

    def doubt_count(self) -> int:
        """Return how many conditions that could not be decided surround the present statement."""
        return len(self.doubts)

    # Statements -----------------------------------------------------------------------------------

    def block(self, body: list[ast.stmt], scope: Scope) -> Signal:
        """Follow statements in order until one of them leaves the block."""
        for statement in body:
            self.spend()
            follow: Callable[[Any, Scope], Signal | None] | None = getattr(
                self, f"_do_{type(statement).__name__.lower()}", None
            )
            signal = follow(statement, scope) if follow else None
            if signal:
                return signal
        return ""

    def _do_expr(self, node: ast.Expr, scope: Scope) -> Signal:
        value = self.eval(node.value, scope)
        if isinstance(node.value, ast.Call):
            function = (
                self.eval(node.value.func, scope)
                if isinstance(node.value.func, ast.Name | ast.Attribute)
                else value
            )
            if isinstance(function, Ref) and function.name in _EXITS:
                return "stop"
        return ""

    def _do_assign(self, node: ast.Assign, scope: Scope) -> None:
        value = self.eval(node.value, scope)
        for target in node.targets:
            self.assign(target, value, scope)

    def _do_annassign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value, scope), scope)

    def _do_augassign(self, node: ast.AugAssign, scope: Scope) -> None:
        load = ast.parse(ast.unparse(node.target), mode="eval").body
        both = ast.BinOp(left=load, op=node.op, right=node.value)
        self.assign(node.target, self.eval(ast.copy_location(both, node), scope), scope)

    def _do_import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.split(".")[0]
            scope.names[alias.asname or name] = Ref(name)

    def _do_importfrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        for alias in node.names:
            name = f"{'.' * node.level}{node.module or ''}.{alias.name}"
            scope.names[alias.asname or alias.name] = (
                CONSTANTS.get(name) or self.sibling(node, alias.name) or Ref(name)
            )

    def sibling(self, node: ast.ImportFrom, name: str) -> Value | None:
        """Return `name` of a module of the server's own, whose source is followed at its first import."""
        module = node.module or ""
        if (
            module not in self.imported
            and self.modules
            and len(self.imported) < MAX_MODULES
            and not node.level
        ):
            self.imported[module] = None
            text = self.modules(module)
            if text is not None:
                with contextlib.suppress(SyntaxError, ValueError):
                    scope = Scope()
                    scope.names |= {
                        "__name__": module,
                        "__doc__": None,
                        "__file__": Opaque("a module's place"),
                    }
                    self.imported[module] = scope
                    self.block(ast.parse(text).body, scope)
        found = self.imported.get(module)
        return found.names.get(name) if found else None

    def _do_global(self, node: ast.Global, scope: Scope) -> None:
        scope.elsewhere |= dict.fromkeys(node.names, self.module)

    def _do_nonlocal(self, node: ast.Nonlocal, scope: Scope) -> None:
        if scope.outer is not None:
            scope.elsewhere |= dict.fromkeys(node.names, scope.outer)

    def _do_functiondef(self, node: ast.FunctionDef, scope: Scope) -> None:
        scope.names[node.name] = Func(node.name, node, scope)

    def _do_asyncfunctiondef(self, node: ast.AsyncFunctionDef, scope: Scope) -> None:
        scope.names[node.name] = Func(node.name, node, scope)

    def _do_classdef(self, node: ast.ClassDef, scope: Scope) -> None:
        klass = Klass(node.name, tuple(self.eval(base, scope) for base in node.bases), Scope(scope))
        scope.names[node.name] = klass
        self.block(node.body, klass.scope)
        if klass.is_enum:
            for name, value in list(klass.scope.names.items()):
                if isinstance(value, Func) or name.startswith("_"):
                    continue
                automatic = isinstance(value, Opaque | Ref) or value is None
                string = any(base.endswith("StrEnum") for base in klass.outside())
                value = name.lower() if automatic and string else value  # noqa: PLW2901 - what auto() gives
                klass.scope.names[name] = Member(klass.name, name, value)

    def _do_if(self, node: ast.If, scope: Scope) -> Signal:
        truth = self.truth(self.eval(node.test, scope))
        if truth is not None:
            return self.block(node.body if truth else node.orelse, scope)
        return self._either([node.body, node.orelse], f"`{ast.unparse(node.test)[:60]}`", scope)

    def _either(self, branches: list[list[ast.stmt]], condition: str, scope: Scope) -> Signal:
        """Follow each branch by itself; what they leave differently behind is not known afterwards."""
        before = dict(scope.names)
        ends: list[tuple[Signal, dict[str, Value]]] = []
        self.doubts.append(condition)
        for branch in branches:
            scope.names = dict(before)
            signal = self.block(branch, scope)
            ends.append((signal, scope.names))
        self.doubts.pop()
        going = [names for signal, names in ends if not signal]
        if not going:
            scope.names = ends[0][1]
            signals = {signal for signal, _ in ends}
            return "return" if "return" in signals else ends[0][0]
        merged = dict(going[0])
        for names in going[1:]:
            for name in names.keys() | merged.keys():
                one, other = merged.get(name, names.get(name)), names.get(name, merged.get(name))
                merged[name] = one if same(one, other) else Opaque(f"depends on {condition}")
        scope.names = merged
        return ""

    def _do_for(self, node: ast.For, scope: Scope) -> Signal:
        found = self.items(self.eval(node.iter, scope))
        if isinstance(found, Opaque):
            self.assign(node.target, found, scope)
            return self._either(
                [node.body, []], f"`for {ast.unparse(node.target)} in {ast.unparse(node.iter)}`"[:60], scope
            )
        for item in found:
            self.assign(node.target, item, scope)
            signal = self.block(node.body, scope)
            if signal == "break":
                return ""
            if signal in {"return", "stop"}:
                return signal
        return self.block(node.orelse, scope)

    _do_asyncfor = _do_for

    def _do_while(self, node: ast.While, scope: Scope) -> Signal:
        if self.truth(self.eval(node.test, scope)) is False:
            return ""
        signal = self._either([node.body, []], f"`while {ast.unparse(node.test)}`"[:60], scope)
        return "" if signal in {"break", "continue"} else signal

    def _do_with(self, node: ast.With, scope: Scope) -> Signal:
        for item in node.items:
            value = self.eval(item.context_expr, scope)
            if item.optional_vars is not None:
                self.assign(
                    item.optional_vars, value if isinstance(value, Inst | Parser) else Opaque("opened"), scope
                )
        return self.block(node.body, scope)

    _do_asyncwith = _do_with

    def _do_try(self, node: ast.Try, scope: Scope) -> Signal:
        before = dict(scope.names)
        signal = self.block(node.body, scope) or self.block(node.orelse, scope)
        if signal == "stop" and node.handlers:
            signal = ""
        for handler in node.handlers:
            after = scope.names
            scope.names = before | ({handler.name: Opaque("an exception")} if handler.name else {})
            self.doubts.append("an exception comes up")
            end = self.block(handler.body, scope)
            self.doubts.pop()
            failed, scope.names = scope.names, after
            if not end:
                for name in failed:
                    # A name that only the body sets stays: where it is used, the body went through.
                    if name not in after or not same(failed[name], after[name]):
                        scope.names[name] = Opaque("depends on whether an exception comes up")
        return self.block(node.finalbody, scope) or signal

    _do_trystar = _do_try

    def _do_match(self, node: ast.Match, scope: Scope) -> Signal:
        self.eval(node.subject, scope)
        return self._either(
            [*(case.body for case in node.cases), []], f"`match {ast.unparse(node.subject)}`", scope
        )

    def _do_return(self, node: ast.Return, scope: Scope) -> Signal:
        value = self.eval(node.value, scope) if node.value else None
        if self.returns:
            self.returns[-1].append(value)
        return "return"

    def _do_raise(self, node: ast.Raise, scope: Scope) -> Signal:
        if node.exc is not None:
            self.eval(node.exc, scope)
        return "stop"

    def _do_break(self, _node: ast.Break, _scope: Scope) -> Signal:
        return "break"

    def _do_continue(self, _node: ast.Continue, _scope: Scope) -> Signal:
        return "continue"

    # Calls of the file's own functions ------------------------------------------------------------

    def follow(self, function: Func, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Follow a call into a function of the file, and return what it returns."""
        if self.depth >= MAX_DEPTH:
            return Opaque(f"{function.name}() calls itself too deeply")
        self.called.add(id(function.node))
        scope = Scope(function.scope)
        bound = args if function.bound is None else [function.bound, *args]
        self._bind(function, bound, kwargs, scope)
        if isinstance(function.node, ast.Lambda):
            return self.eval(function.node.body, scope)
        self.depth += 1
        self.returns.append([])
        self.frames.append(function)
        try:
            signal = self.block(function.node.body, scope)
        finally:
            self.depth -= 1
            self.frames.pop()
            values = self.returns.pop()
        if isinstance(function.node, ast.FunctionDef) and _is_generator(function.node):
            return Opaque(f"yielded by {function.name}()")
        if signal == "" and values:
            values.append(None)
        first = values[0] if values else None
        return (
            first
            if all(same(first, value) for value in values)
            else Opaque(f"{function.name}() returns one thing or another")
        )

    def _bind(self, function: Func, args: list[Value], kwargs: dict[str, Value], scope: Scope) -> None:
        spec = function.node.args
        names = [arg.arg for arg in (*spec.posonlyargs, *spec.args)]
        given = dict(zip(names, args, strict=False))
        extra = {name: value for name, value in kwargs.items() if name not in names}
        given |= {name: value for name, value in kwargs.items() if name in names}
        defaults = dict(zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True))
        for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            names.append(arg.arg)
            if arg.arg in extra:
                given[arg.arg] = extra.pop(arg.arg)
            elif default is not None:
                defaults[arg.arg] = default
        for name in names:
            if name in given:
                scope.names[name] = given[name]
            elif name in defaults:
                scope.names[name] = self.eval(defaults[name], function.scope)
            else:
                scope.names[name] = Opaque(f"'{name}' is given by whoever calls {function.name}()")
        if spec.vararg:
            scope.names[spec.vararg.arg] = tuple(args[len(spec.posonlyargs) + len(spec.args) :])
        if spec.kwarg:
            scope.names[spec.kwarg.arg] = extra


def _is_generator(function: ast.FunctionDef) -> bool:
    nodes = (node for statement in function.body for node in ast.walk(statement))
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in nodes)
