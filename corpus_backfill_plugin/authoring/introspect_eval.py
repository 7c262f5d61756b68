"""Expressions of a script's source worked out as far as nothing has to run for it.

Only plain values are computed, with operators and methods that are known to be pure; everything else
becomes an `Opaque` that says why, and whatever is made from an `Opaque` is that `Opaque` again.
"""

from __future__ import annotations

import ast
import builtins
import operator
import re
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.authoring.introspect import Opaque
from corpus_backfill_plugin.authoring.introspect_action import Member
from corpus_backfill_plugin.authoring.introspect_pure import BINARY, COMPARE, Pure, parts_of, too_big
from corpus_backfill_plugin.authoring.introspect_values import (
    CONSTANTS,
    PLAIN,
    Func,
    Inst,
    Klass,
    Method,
    PathText,
    Ref,
    Scope,
    ScriptFile,
    Value,
    outside,
    same,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Evaluator(Pure):
    """Works out expressions; calls of the file's own functions and of argparse are left to a subclass."""

    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Value:
        """Return what a call gives; a subclass knows more callables."""
        raise NotImplementedError

    def attribute(self, value: Value, name: str, node: ast.Attribute) -> Value:
        """Return `value.name`; a subclass knows more objects."""
        raise NotImplementedError

    def eval(self, node: ast.expr, scope: Scope) -> Value:
        """Return the value of an expression, never raising for what a script may contain."""
        self.spend()
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            return Opaque(f"not worked out: {ast.unparse(node)[:60]}")
        value: Value = method(node, scope)
        return value

    def _constant(self, node: ast.Constant, _scope: Scope) -> Value:
        return node.value

    def _name(self, node: ast.Name, scope: Scope) -> Value:
        try:
            value = scope.find(node.id)
        except KeyError:
            known = hasattr(builtins, node.id)
            return Ref(f"builtins.{node.id}") if known else Opaque(f"'{node.id}' is not set in this file")
        if id(value) in self.doubtful:
            return Opaque(self.doubtful[id(value)][1])
        return value

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Value:
        value = self.eval(node.value, scope)
        if isinstance(value, Opaque):
            return value
        if isinstance(value, Ref):
            name = f"{value.name}.{node.attr}"
            return CONSTANTS.get(name) or Ref(name)
        if isinstance(value, Member):
            parts: dict[str, Value] = {"value": value.value, "name": value.name, "_value_": value.value}
            return parts.get(node.attr, Opaque(f"'{node.attr}' of a member of {value.enum}"))
        if isinstance(value, PathText | ScriptFile):
            return self._of_path(value, node)
        if isinstance(value, PLAIN):
            return Method(value, node.attr)
        return self.attribute(value, node.attr, node)

    def _of_path(self, value: PathText | ScriptFile, node: ast.Attribute) -> Value:
        name = value.name if isinstance(value, ScriptFile) else value.text.rstrip("/").rpartition("/")[2]
        if node.attr == "name":
            return name
        if node.attr == "stem":
            return name.rpartition(".")[0] or name
        if isinstance(value, ScriptFile):
            if node.attr in {"resolve", "absolute"}:
                return Method(value, node.attr)
            return Opaque("depends on where the script stands", here_only=True)
        return Method(value, node.attr)

    def _joinedstr(self, node: ast.JoinedStr, scope: Scope) -> Value:
        parts = []
        for part in node.values:
            value = self.eval(part, scope)
            if isinstance(value, Opaque):
                return value
            parts.append(str(value))
        return "".join(parts)

    def _formattedvalue(self, node: ast.FormattedValue, scope: Scope) -> Value:
        value = self.eval(node.value, scope)
        spec = self.eval(node.format_spec, scope) if node.format_spec else ""
        if isinstance(value, Opaque):
            return value
        if isinstance(value, PathText):
            value = value.text
        if not isinstance(value, PLAIN) or not isinstance(spec, str) or re.search(r"\d{4}", spec):
            return Opaque(f"not worked out: {ast.unparse(node.value)[:60]}")
        if node.conversion in {ord("r"), ord("a")}:
            value = repr(value)
        return self.attempt(format, value, spec)

    def _binop(self, node: ast.BinOp, scope: Scope) -> Value:
        left, right = self.eval(node.left, scope), self.eval(node.right, scope)
        for side in (left, right):
            if isinstance(side, Opaque):
                return side
        if isinstance(left, PathText) and isinstance(node.op, ast.Div):
            tail = right.text if isinstance(right, PathText) else right
            return PathText(f"{left.text.rstrip('/')}/{tail}") if isinstance(tail, str) else Opaque("a path")
        if isinstance(node.op, ast.Mod) and isinstance(left, str) and isinstance(right, Ref):
            return outside(right, ast.unparse(node))
        operate = BINARY.get(type(node.op))
        if (
            not operate
            or not isinstance(left, PLAIN)
            or not isinstance(right, PLAIN)
            or too_big(node.op, left, right)
        ):
            return Opaque(f"not worked out: {ast.unparse(node)[:60]}")
        if isinstance(node.op, ast.Mod) and isinstance(left, str):
            opaque = next((item for item in parts_of(right) if isinstance(item, Opaque)), None)
            if opaque:
                return opaque
        return self.attempt(operate, left, right)

    def _unaryop(self, node: ast.UnaryOp, scope: Scope) -> Value:
        value = self.eval(node.operand, scope)
        if isinstance(node.op, ast.Not):
            truth = self.truth(value)
            return Opaque("depends on a condition") if truth is None else not truth
        if isinstance(value, int | float):
            return -value if isinstance(node.op, ast.USub) else value
        return value if isinstance(value, Opaque) else Opaque(f"not worked out: {ast.unparse(node)[:60]}")

    def _boolop(self, node: ast.BoolOp, scope: Scope) -> Value:
        value: Value = None
        for position, part in enumerate(node.values):
            value = self.eval(part, scope)
            if isinstance(value, Opaque) and isinstance(node.op, ast.Or) and position + 1 < len(node.values):
                rest = self.eval(node.values[-1], scope)
                plain = isinstance(rest, str | int | float) and ", else " not in value.reason
                return Opaque(f"{value.reason}, else {rest}", value.here_only) if plain else value
            truth = self.truth(value)
            if truth is None:
                return value
            if truth is isinstance(node.op, ast.Or):
                return value
        return value

    def _compare(self, node: ast.Compare, scope: Scope) -> Value:
        left = self.eval(node.left, scope)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.eval(right_node, scope)
            for side in (left, right):
                if isinstance(side, Opaque):
                    return side
                if isinstance(side, Ref) and not isinstance(op, ast.Is | ast.IsNot):
                    return outside(side, ast.unparse(node))
            if isinstance(op, ast.Is | ast.IsNot):
                verdict: Value = same(left, right) is isinstance(op, ast.Is)
            elif isinstance(left, PLAIN) and isinstance(right, PLAIN):
                verdict = self.attempt(COMPARE[type(op)], left, right)
            else:
                return Opaque(f"not worked out: {ast.unparse(node)[:60]}")
            if verdict is not True:
                return verdict
            left = right
        return True

    def _ifexp(self, node: ast.IfExp, scope: Scope) -> Value:
        test = self.eval(node.test, scope)
        truth = self.truth(test)
        if truth is None:
            one, other = self.eval(node.body, scope), self.eval(node.orelse, scope)
            if same(one, other):
                return one
            here = isinstance(test, Opaque) and test.here_only
            return Opaque(f"depends on a condition: {ast.unparse(node)[:60]}", here)
        return self.eval(node.body if truth else node.orelse, scope)

    def _list(self, node: ast.List, scope: Scope) -> Value:
        return self._elements(node.elts, scope)

    def _tuple(self, node: ast.Tuple, scope: Scope) -> Value:
        items = self._elements(node.elts, scope)
        return tuple(items) if isinstance(items, list) else items

    def _set(self, node: ast.Set, scope: Scope) -> Value:
        items = self._elements(node.elts, scope)
        # A set has no order of its own: sorted, every reading gives the same.
        return sorted(dict.fromkeys(items), key=repr) if isinstance(items, list) else items

    def _elements(self, nodes: list[ast.expr], scope: Scope) -> Value:
        items: list[Value] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                value = self.eval(node.value, scope)
                found = self.items(value)
                if isinstance(found, Opaque):
                    return found
                items += found
            else:
                items.append(self.eval(node, scope))
        return items

    def _dict(self, node: ast.Dict, scope: Scope) -> Value:
        result: dict[Value, Value] = {}
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            value = self.eval(value_node, scope)
            if key_node is None:
                if not isinstance(value, dict):
                    return value if isinstance(value, Opaque) else Opaque("a mapping that is not known")
                result |= value
                continue
            key = self.eval(key_node, scope)
            if isinstance(key, Opaque):
                return key
            try:
                result[key] = value
            except TypeError:
                return Opaque("a key that cannot be one")
        return result

    def _lambda(self, node: ast.Lambda, scope: Scope) -> Value:
        return Func("lambda", node, scope)

    def _starred(self, node: ast.Starred, scope: Scope) -> Value:
        return self.eval(node.value, scope)

    def _namedexpr(self, node: ast.NamedExpr, scope: Scope) -> Value:
        value = self.eval(node.value, scope)
        scope.names[node.target.id] = value
        return value

    def _await(self, node: ast.Await, scope: Scope) -> Value:
        return self.eval(node.value, scope)

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Value:  # noqa: PLR0911 - a line for each sort
        value = self.eval(node.value, scope)
        if isinstance(value, Ref) and value.name == "os.environ":
            name = self.eval(node.slice, scope)
            return self.variable(name, None, given=False)
        if isinstance(value, Ref):
            return outside(value, ast.unparse(node))
        if isinstance(value, Opaque):
            return value
        if isinstance(value, Klass) and value.is_enum:
            name = self.eval(node.slice, scope)
            return next((m for m in value.members() if m.name == name), Opaque("no member of the Enum"))
        if isinstance(node.slice, ast.Slice):
            bounds = [
                self.eval(p, scope) if p else None
                for p in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            opaque = next((b for b in bounds if isinstance(b, Opaque)), None)
            key: Any = opaque or slice(*bounds)
        else:
            key = self.eval(node.slice, scope)
        if isinstance(key, Opaque):
            return key
        if isinstance(value, PLAIN):
            return self.attempt(operator.getitem, value, key)
        return Opaque(f"not worked out: {ast.unparse(node)[:60]}")

    def _listcomp(self, node: ast.ListComp, scope: Scope) -> Value:
        return self._comprehension(node.generators, scope, lambda inner: self.eval(node.elt, inner))

    _generatorexp = _listcomp
    _setcomp = _listcomp

    def _dictcomp(self, node: ast.DictComp, scope: Scope) -> Value:
        pairs = self._comprehension(
            node.generators, scope, lambda inner: (self.eval(node.key, inner), self.eval(node.value, inner))
        )
        return self.attempt(dict, pairs) if isinstance(pairs, list) else pairs

    def _comprehension(
        self, generators: list[ast.comprehension], scope: Scope, give: Callable[[Scope], Value]
    ) -> Value:
        rounds: list[Scope] = [Scope(scope)]
        for generator in generators:
            following = []
            for inner in rounds:
                found = self.items(self.eval(generator.iter, inner))
                if isinstance(found, Opaque):
                    return found
                for item in found:
                    step = Scope(inner)
                    self.assign(generator.target, item, step)
                    truths = [self.truth(self.eval(test, step)) for test in generator.ifs]
                    if None in truths:
                        return Opaque("depends on a condition")
                    if all(truths):
                        following.append(step)
            rounds = following
        return [give(inner) for inner in rounds]

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        function = self.eval(node.func, scope)
        args: list[Value] = []
        for arg in node.args:
            value = self.eval(arg, scope)
            if not isinstance(arg, ast.Starred):
                args.append(value)
                continue
            found = self.items(value)
            args += [found] if isinstance(found, Opaque) else found
        kwargs: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.eval(keyword.value, scope)
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
            elif isinstance(value, dict):
                kwargs |= {str(key): item for key, item in value.items()}
            else:
                kwargs["**"] = value if isinstance(value, Opaque) else Opaque("keywords that are not known")
        if isinstance(function, Method) and isinstance(function.receiver, (*PLAIN, PathText, ScriptFile)):
            return self._plain_method(function, args, kwargs, node)
        if isinstance(function, Ref):
            known = self._call_outside(function, args, kwargs)
            if known is not NotImplemented:
                return known
        return self.call(function, args, kwargs, node)

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind `value` to a name, or its parts to names."""
        if isinstance(target, ast.Name):
            scope.bind(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            found = self.items(value)
            starred = any(isinstance(part, ast.Starred) for part in target.elts)
            if not isinstance(found, Opaque) and not starred and len(found) == len(target.elts):
                parts: Iterator[Value] = iter(found)
            else:
                why = (
                    found
                    if isinstance(found, Opaque)
                    else Opaque("taken apart in a way that is not followed")
                )
                parts = iter([why] * len(target.elts))
            for part, item in zip(target.elts, parts, strict=False):
                self.assign(part.value if isinstance(part, ast.Starred) else part, item, scope)
        elif isinstance(target, ast.Attribute):
            receiver = self.eval(target.value, scope)
            if isinstance(receiver, Inst):
                receiver.attrs[target.attr] = value
            else:
                self.set_attribute(receiver, target.attr, value)
        elif isinstance(target, ast.Subscript):
            holder, key = self.eval(target.value, scope), self.eval(target.slice, scope)
            doubt = self.in_doubt()
            if isinstance(holder, dict | list) and (isinstance(key, Opaque) or doubt):
                self.doubtful[id(holder)] = (
                    holder,
                    f"changed only if {doubt}" if doubt else "changed at an unknown key",
                )
            elif isinstance(holder, dict | list):
                self.attempt(operator.setitem, holder, key, value)

    def set_attribute(self, receiver: Value, name: str, value: Value) -> None:
        """Note `receiver.name = value`; a subclass knows objects for which it matters."""
