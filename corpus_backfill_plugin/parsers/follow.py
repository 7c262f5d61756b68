"""A script's parser read from its source: the statements are followed, nothing of the script runs.

It knows literals and what follows from them, modules of the server's own, functions and classes that make a
parser or are handed one, and loops over literals. A condition that literals do not decide, and whatever else
it does not know, makes what depends on it `Computed`, or an `Unknown` where an option may be missing: no
option is read wrong, and none is left out without a word.
"""

from __future__ import annotations

import ast
import builtins
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.parsers.model import Unknown
from corpus_backfill_plugin.parsers.rules import (
    Choice,
    Computed,
    Converter,
    Exclusive,
    Parser,
    RawAction,
    Section,
    infer_dest,
)
from corpus_backfill_plugin.parsers.values import (
    CHANGING,
    OPERATORS,
    PLAIN,
    Function,
    Method,
    Outside,
    Scope,
    Value,
    converter,
    items_of,
    outside,
    parts_of,
    pure_call,
    worked_out,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PARSERS = {"argparse.ArgumentParser", "configargparse.ArgumentParser", "configargparse.ArgParser"}
_PARSES = {
    "parse_args": True, "parse_intermixed_args": True,
    "parse_known_args": False, "parse_known_intermixed_args": False,
}  # fmt: skip
"""Methods that read the command line, and whether they refuse what the parser does not know."""
_HARMLESS = {
    "append", "insert", "remove", "print_help", "print_usage", "format_help", "format_usage", "error",
    "exit", "get_default", "register",
}  # fmt: skip
_ACTIONS = {
    "argparse.BooleanOptionalAction": "boolean_optional", "argparse._StoreAction": "store",
    "argparse._StoreTrueAction": "store_true", "argparse._StoreFalseAction": "store_false",
    "argparse._AppendAction": "append", "argparse._CountAction": "count",
}  # fmt: skip
_ADDABLE = (Parser, Section, Choice)
_STEPS = 20_000
"""Statements and calls that are followed before a script is given up."""


class Decided(Exception):  # noqa: N818 - not an error
    """The script has read its command line, for certain: what follows adds nothing to its parser."""


class TooLong(Exception):  # noqa: N818 - not an error
    """The script has more statements than are followed."""


class Follower:
    """Follows the statements of a script and of the server's modules that it imports.

    Attributes:
        parsers: all parsers made.
        parsed: each call that reads the command line: parser, whether strictly, whether for certain.
        lost: why options may be missing.
        trees: the files read, by module name; the script's own is `__main__`.
        reached: calls of `add_argument` that were seen to happen, or not to.
    """

    def __init__(self, prog: str, roots: Iterable[Path]) -> None:
        self.prog = prog
        self.roots = tuple(roots)
        self.parsers: list[Parser] = []
        self.parsed: list[tuple[Parser, bool, bool]] = []
        self.lost: list[Unknown] = []
        self.trees: dict[str, ast.Module] = {}
        self.modules: dict[str, Scope | None] = {}
        self.reached: set[int] = set()
        self.adds: set[int] = set()
        self.called: set[int] = set()
        self.changed: dict[int, Value] = {}
        self.doubt = 0
        self.steps = 0
        self.limit = _STEPS
        self.calls: list[Function] = []
        self.returned: list[list[Value]] = []

    # Modules

    def run(self, tree: ast.Module, name: str, folder: Path | None) -> Scope:
        """Follow a module from its first statement to its last."""
        scope = Scope({"__name__": name, "__doc__": ast.get_docstring(tree, clean=False)}, folder=folder)
        self.trees[name] = tree
        self.adds |= {id(node) for node in ast.walk(tree) if _adds(node)}
        self.modules[name] = scope
        self.block(tree.body, scope)
        return scope

    def module(self, name: str, level: int, scope: Scope) -> Scope | None:
        """Return a module of the server's own, or None for any other."""
        folder = scope.module.folder
        roots = self.roots
        if name == "argparse" or (level and folder is None):
            return None
        if level and folder is not None:
            folder = [folder, *folder.parents][min(level, len(folder.parents)) - 1]
            roots, name = (folder,), f"{folder}.{name}".rstrip(".")
        if name not in self.modules:
            self.modules[name] = None
            below = name.removeprefix(f"{roots[0]}" if level else "").strip(".").split(".")
            for root in roots:
                base = root.joinpath(*below)
                for path in (base.with_suffix(".py") if below != [""] else base, base / "__init__.py"):
                    if self.modules[name] is None and path.is_file():
                        self._follow_file(path, name)
        return self.modules[name]

    def _follow_file(self, path: Path, name: str) -> None:
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            return
        limit, doubt, depth = self.limit, self.doubt, len(self.calls)
        self.limit = min(limit, self.steps + _STEPS // 10)
        try:
            self.run(tree, name, path.parent)
        except TooLong:
            # Too much for what a parser needs of a module: its names are then as those of a library.
            if self.steps > limit:
                raise
            self.modules[name], self.doubt = None, doubt
            del self.calls[depth:], self.returned[depth:]
        self.limit = limit

    # Statements

    def block(self, body: list[ast.stmt], scope: Scope) -> str:
        """Follow statements; return the word that leaves them (`return`, `break` ...), else nothing."""
        for statement in body:
            self._step()
            handler = getattr(self, f"_{type(statement).__name__.lower()}", self._other)
            left = handler(statement, scope)
            if left:
                return str(left)
        return ""

    def _step(self) -> None:
        self.steps += 1
        if self.steps > self.limit:
            raise TooLong

    def _other(self, statement: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.expr):
                self.value(child, scope)

    def _return(self, statement: ast.Return, scope: Scope) -> str:
        value = self.value(statement.value, scope) if statement.value else None
        if self.returned:
            self.returned[-1].append(value)
        return "return"

    def _raise(self, statement: ast.Raise, scope: Scope) -> str:
        self._other(statement, scope)
        return "raise"

    def _break(self, _statement: ast.Break, _scope: Scope) -> str:
        return "break"

    def _continue(self, _statement: ast.Continue, _scope: Scope) -> str:
        return "continue"

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        for decorator in node.decorator_list:
            self.value(decorator, scope)
        self._bind(node.name, Function(node, scope), scope)

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef, scope: Scope) -> None:
        bases = tuple(self.value(base, scope) for base in node.bases)
        inner = Scope({}, scope, bases, is_class=True, name=node.name)
        self.block(node.body, inner)
        # Methods do not see the names of their class; of a class with several bases not all is known.
        inner.outer = None
        for name, value in inner.names.items():
            if isinstance(value, Function) and value.scope is inner:
                inner.names[name] = Function(value.node, scope)
        scope.names[node.name] = inner

    def _import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            module: Value = self.module(alias.name, 0, scope)
            if module is None:
                module = Outside(alias.name if alias.asname else alias.name.partition(".")[0])
            elif not alias.asname and "." in alias.name:
                module = Outside(alias.name.partition(".")[0])
            self._bind(alias.asname or alias.name.partition(".")[0], module, scope)

    def _importfrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        name = node.module or ""
        source = self.module(name, node.level, scope)
        for alias in node.names:
            if alias.name == "*":
                for key, value in source.names.items() if source else ():
                    if not key.startswith("_"):
                        self._bind(key, value, scope)
                if source is None and {"ArgumentParser", "argparse"} & {name}:
                    self._bind("ArgumentParser", Outside("argparse.ArgumentParser"), scope)
                continue
            value = source.names.get(alias.name) if source else None
            if source is None or alias.name not in source.names:
                value = self.module(f"{name}.{alias.name}".strip("."), node.level, scope)
                value = outside(f"{name}.{alias.name}") if value is None else value
            self._bind(alias.asname or alias.name, value, scope)

    def _global(self, node: ast.Global | ast.Nonlocal, scope: Scope) -> None:
        outer = scope.outer
        while outer:
            for name in outer.names.keys() & set(node.names):
                outer.names[name] = Computed(f"{name}, set by a function")
            outer = outer.outer

    _nonlocal = _global

    def _bind(self, name: str, value: Value, scope: Scope) -> None:
        scope.names[name] = value

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        value = self.value(node.value, scope)
        for target in node.targets:
            self._set(target, value, scope)

    def _annassign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value:
            self._set(node.target, self.value(node.value, scope), scope)

    def _augassign(self, node: ast.AugAssign, scope: Scope) -> None:
        old = self.value(ast.parse(ast.unparse(node.target), mode="eval").body, scope)
        self._note_change(old)
        try:
            value = self._operate(node.op, old, self.value(node.value, scope))
        except LookupError:
            value = Computed(_text(node.target))
        self._set(node.target, value, scope)

    def _delete(self, node: ast.Delete, scope: Scope) -> None:
        for target in node.targets:
            self._set(target, Computed(f"{ast.unparse(target)}, which is deleted"), scope)

    def _set(self, target: ast.expr, value: Value, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, value, scope)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = items_of(value)
            if parts is None or len(parts) != len(target.elts):
                parts = [Computed(ast.unparse(part)) for part in target.elts]
            for part, item in zip(target.elts, parts, strict=True):
                self._set(part.value if isinstance(part, ast.Starred) else part, item, scope)
        elif isinstance(target, ast.Attribute):
            self._set_attribute(self.value(target.value, scope), target.attr, value)
        elif isinstance(target, ast.Subscript):
            self._note_change(self.value(target.value, scope))

    def _set_attribute(self, receiver: Value, name: str, value: Value) -> None:
        if isinstance(receiver, Scope):
            told = (self.doubt and name in receiver.names) or receiver.is_class or receiver.folder
            receiver.names[name] = Computed(f"{name}, which is set later") if told else value
        elif isinstance(receiver, Parser | RawAction):
            receiver.given[name] = Computed(f"{name}, set by a condition") if self.doubt else value
        elif isinstance(receiver, Choice) and name == "required":
            receiver.required = value is True

    def _note_change(self, value: Value) -> None:
        """Note that a list or mapping is changed after it was made: what is in it is not known any more."""
        if isinstance(value, list | dict):
            self.changed[id(value)] = value

    def _expr(self, node: ast.Expr, scope: Scope) -> None:
        self.value(node.value, scope)

    def _if(self, node: ast.If, scope: Scope) -> str:
        truth = self._truth(self.value(node.test, scope))
        if truth is None:
            return self._branches([node.body, node.orelse], scope)
        self._pass_over(node.orelse if truth else node.body)
        return self.block(node.body if truth else node.orelse, scope)

    def _pass_over(self, body: list[ast.stmt]) -> None:
        self.reached |= {id(node) for statement in body for node in ast.walk(statement)}

    def _truth(self, value: Value) -> bool | None:
        if isinstance(value, Outside) and value.name.endswith("TYPE_CHECKING"):
            return False
        return bool(value) if isinstance(value, (*PLAIN, *_ADDABLE, Function)) else None

    def _branches(self, bodies: list[list[ast.stmt]], scope: Scope) -> str:
        """Follow blocks of which it is not known which one runs; what they set differently is not known."""
        before, ends, lefts = dict(scope.names), [], []
        self.doubt += 1
        for body in bodies:
            scope.names = dict(before)
            lefts.append(self.block(body, scope))
            if not lefts[-1]:
                ends.append(scope.names)
        self.doubt -= 1
        scope.names = dict(before)
        for name in dict.fromkeys(name for end in ends for name in end):
            found = [end[name] for end in ends if name in end]
            same = all(_same(found[0], other) for other in found)
            scope.names[name] = found[0] if same else Computed(f"{name}, set by a condition")
        if all(lefts) and "return" in lefts:
            return "return"
        if all(lefts):
            return lefts[0]
        if any(left != "raise" for left in lefts if left):
            self.doubt += 1  # to the end of the function or loop: the rest may not happen
        return ""

    def _match(self, node: ast.Match, scope: Scope) -> str:
        self.value(node.subject, scope)
        return self._branches([*(case.body for case in node.cases), []], scope)

    def _while(self, node: ast.While, scope: Scope) -> None:
        self.value(node.test, scope)
        self._loop_in_doubt(node, scope)

    def _loop_in_doubt(self, node: ast.While | ast.For | ast.AsyncFor, scope: Scope) -> None:
        doubt = self.doubt
        for name in {
            n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }:
            self._bind(name, Computed(f"{name}, set in a loop"), scope)
        self._branches([[*node.body], [*node.orelse]], scope)
        self.doubt = doubt

    def _for(self, node: ast.For | ast.AsyncFor, scope: Scope) -> str:
        value = self.value(node.iter, scope)
        items = items_of(value) if not isinstance(node, ast.AsyncFor) else None
        if items is None:
            self._set(node.target, Computed(ast.unparse(node.iter)), scope)
            self._loop_in_doubt(node, scope)
            return ""
        doubt = self.doubt
        left = ""
        for item in items:
            self._set(node.target, item, scope)
            left = self.block(node.body, scope)
            if left in {"break", "return", "raise"}:
                break
        self.doubt = doubt
        if not left:
            left = self.block(node.orelse, scope)
        return left if left in {"return", "raise"} else ""

    _asyncfor = _for

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> str:
        for item in node.items:
            value = self.value(item.context_expr, scope)
            if item.optional_vars:
                known = isinstance(value, Parser | Section | Choice)
                self._set(
                    item.optional_vars, value if known else Computed(ast.unparse(item.context_expr)), scope
                )
        return self.block(node.body, scope)

    _asyncwith = _with

    def _try(self, node: ast.Try, scope: Scope) -> str:
        before = dict(scope.names)
        left = self.block(node.body, scope)
        handlers = [handler.body for handler in node.handlers]
        if handlers:
            after, doubt = scope.names, self.doubt
            scope.names = {**after, **before}
            for name in after.keys() - before.keys():
                scope.names[name] = Computed(f"{name}, set by a condition")
            self._branches(handlers, scope)
            self.doubt = doubt
            handled = [handler for handler in node.handlers if not _leaves(handler.body)]
            for name in after if not handled else {}:
                scope.names[name] = after[name]
            for name in after if handled else {}:
                if not _same(after[name], scope.names.get(name, after[name])) and name in _stored(handlers):
                    scope.names[name] = Computed(f"{name}, set by a condition")
                else:
                    scope.names[name] = after[name]
        left = left or self.block(node.orelse, scope)
        return self.block(node.finalbody, scope) or left

    _trystar = _try

    # Expressions

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """Return the value of an expression; what is not known of it is `Computed` with its source text."""
        handler = getattr(self, f"_{type(node).__name__.lower()}_value", None)
        try:
            value = handler(node, scope) if handler else self._unfollowed(node, scope)
        except LookupError:
            self._note_unreached(node)
            return Computed(_text(node))
        if id(value) in self.changed:
            return Computed(f"{_text(node)}, which is changed after it was set")
        return value

    def _unfollowed(self, node: ast.expr, scope: Scope) -> Value:
        self._other(node, scope)  # its parts may call something
        raise LookupError

    def _note_unreached(self, node: ast.expr) -> None:
        """Note what may be added in an expression that was not followed to its end, as in a comprehension."""
        left = self.adds - self.reached
        for part in ast.walk(node) if left else ():
            if id(part) in left:
                self.reached.add(id(part))
                self._lose(
                    part, "an option", f"is added in an expression that is not followed: {_text(node)}"
                )

    def _constant_value(self, node: ast.Constant, _scope: Scope) -> Value:
        return node.value

    def _name_value(self, node: ast.Name, scope: Scope) -> Value:
        try:
            return scope.find(node.id)
        except LookupError:
            if hasattr(builtins, node.id):
                return Outside(f"builtins.{node.id}")
            raise

    def _attribute_value(self, node: ast.Attribute, scope: Scope) -> Value:
        return self.attribute(self.value(node.value, scope), node.attr)

    def attribute(self, value: Value, name: str) -> Value:  # noqa: PLR0911 - a line for each sort
        """Return `value.name`; LookupError when it is not known."""
        if isinstance(value, Outside):
            return outside(f"{value.name}.{name}")
        if isinstance(value, Scope):
            found = value.attribute(name)
            bindable = isinstance(found, Function) and not value.folder
            if not bindable or _has(found, "staticmethod"):
                return found
            if _has(found, "property", "cached_property"):
                return self.follow(Function(found.node, found.scope, value), [], {})
            of_class = value.is_class and not _has(found, "classmethod")
            return found if of_class else Function(found.node, found.scope, value)
        if isinstance(value, Parser) and name in {"_optionals", "_positionals", "_action_groups"}:
            return Section(value)
        if isinstance(value, Parser) and name.startswith("_") and name != "__init__":
            self.lost.append(
                Unknown(value.line, "options", f"the parser's own {name} is used", hides_options=True)
            )
        if isinstance(value, Parser) and name in {"prog", "description", "epilog"}:
            return value.prog if name == "prog" else value.given.get(name)
        if isinstance(value, PurePath) and name in {"name", "stem", "parent", "suffix"}:
            return getattr(value, name)
        if isinstance(value, (*PLAIN, *_ADDABLE)) and value is not None:
            return Method(value, name)
        raise LookupError(name)

    def _joinedstr_value(self, node: ast.JoinedStr, scope: Scope) -> Value:
        parts = [self.value(part, scope) for part in node.values]
        return worked_out("".join, parts)

    def _formattedvalue_value(self, node: ast.FormattedValue, scope: Scope) -> Value:
        value = self.value(node.value, scope)
        if node.format_spec or node.conversion not in {-1, ord("s"), ord("r")}:
            raise LookupError
        return worked_out(repr if node.conversion == ord("r") else str, value)

    def _operate(self, operator: ast.AST, *sides: Value) -> Value:
        if type(operator) not in OPERATORS:
            raise LookupError
        return worked_out(OPERATORS[type(operator)], *sides)

    def _binop_value(self, node: ast.BinOp, scope: Scope) -> Value:
        return self._operate(node.op, self.value(node.left, scope), self.value(node.right, scope))

    def _unaryop_value(self, node: ast.UnaryOp, scope: Scope) -> Value:
        value = self.value(node.operand, scope)
        if not isinstance(node.op, ast.Not):
            return self._operate(node.op, value)
        truth = self._truth(value)
        return _known(None if truth is None else not truth)

    def _boolop_value(self, node: ast.BoolOp, scope: Scope) -> Value:
        doubt = self.doubt
        decided, value = True, None
        for part in node.values:
            value = self.value(part, scope)
            truth = self._truth(value)
            if truth is isinstance(node.op, ast.Or) and decided:
                break
            decided = decided and truth is not None
            self.doubt = doubt + (not decided)
        self.doubt = doubt
        return value if decided else _nothing()

    def _compare_value(self, node: ast.Compare, scope: Scope) -> Value:
        sides = [self.value(side, scope) for side in (node.left, *node.comparators)]
        if len(sides) == 2 and isinstance(node.ops[0], ast.Is | ast.IsNot) and None in sides:  # noqa: PLR2004
            other = sides[0] if sides[1] is None else sides[1]
            if isinstance(other, (*_ADDABLE, Function)):
                return isinstance(node.ops[0], ast.IsNot)
        verdicts = [self._operate(op, *sides[at : at + 2]) for at, op in enumerate(node.ops)]
        return all(verdicts)

    def _ifexp_value(self, node: ast.IfExp, scope: Scope) -> Value:
        truth = self._truth(self.value(node.test, scope))
        if truth is not None:
            return self.value(node.body if truth else node.orelse, scope)
        self.doubt += 1
        one, other = self.value(node.body, scope), self.value(node.orelse, scope)
        self.doubt -= 1
        return one if _same(one, other) else _nothing()

    def _list_value(self, node: ast.List | ast.Set | ast.Tuple, scope: Scope) -> Value:
        items: list[Value] = []
        for part in node.elts:
            value = self.value(part.value if isinstance(part, ast.Starred) else part, scope)
            items += _known(items_of(value)) if isinstance(part, ast.Starred) else [value]
        return items

    def _tuple_value(self, node: ast.Tuple, scope: Scope) -> Value:
        return tuple(self._list_value(node, scope))

    def _set_value(self, node: ast.Set, scope: Scope) -> Value:
        return sorted(self._list_value(node, scope), key=repr)

    def _dict_value(self, node: ast.Dict, scope: Scope) -> Value:
        result: dict[Value, Value] = {}
        for key, part in zip(node.keys, node.values, strict=True):
            value = self.value(part, scope)
            if key is None and not isinstance(value, dict):
                raise LookupError
            name = self.value(key, scope) if key else None
            result |= value if key is None else {_plain_key(name): value}
        return result

    def _lambda_value(self, node: ast.Lambda, scope: Scope) -> Value:
        return Function(node, scope)

    def _await_value(self, node: ast.Await, scope: Scope) -> Value:
        return self.value(node.value, scope)

    def _namedexpr_value(self, node: ast.NamedExpr, scope: Scope) -> Value:
        value = self.value(node.value, scope)
        self._set(node.target, value, scope)
        return value

    def _subscript_value(self, node: ast.Subscript, scope: Scope) -> Value:
        value = self.value(node.value, scope)
        if isinstance(node.slice, ast.Slice):
            parts = (node.slice.lower, node.slice.upper, node.slice.step)
            bounds = [self.value(part, scope) if part else None for part in parts]
            if not all(bound is None or isinstance(bound, int) for bound in bounds):
                raise LookupError
            return worked_out(lambda items: items[slice(*bounds)], value)
        return worked_out(lambda items, key: items[key], value, self.value(node.slice, scope))

    def _listcomp_value(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, scope: Scope) -> Value:
        return [self.value(node.elt, inner) for inner in self._rounds(node.generators, scope)]

    _generatorexp_value = _setcomp_value = _listcomp_value

    def _dictcomp_value(self, node: ast.DictComp, scope: Scope) -> Value:
        rounds = self._rounds(node.generators, scope)
        pairs = [(self.value(node.key, inner), self.value(node.value, inner)) for inner in rounds]
        return worked_out(dict, pairs)

    def _rounds(self, generators: list[ast.comprehension], scope: Scope) -> list[Scope]:
        rounds = [Scope({}, scope)]
        for generator in generators:
            following = []
            for inner in rounds:
                for item in _known(items_of(self.value(generator.iter, inner))):
                    self._step()
                    step = Scope({}, inner)
                    self._set(generator.target, item, step)
                    if all(_known(self._truth(self.value(test, step))) for test in generator.ifs):
                        following.append(step)
            rounds = following
        return rounds

    # Calls

    def _call_value(self, node: ast.Call, scope: Scope) -> Value:
        self._step()
        self.reached.add(id(node))
        function = self.value(node.func, scope)
        args: list[Value] = []
        for part in node.args:
            value = self.value(part.value if isinstance(part, ast.Starred) else part, scope)
            found = items_of(value) if isinstance(part, ast.Starred) else [value]
            args += [Computed(_text(part))] if found is None else found
        kwargs: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            if keyword.arg:
                kwargs[keyword.arg] = value
            elif isinstance(value, dict):
                kwargs |= {str(key): item for key, item in value.items()}
            else:
                kwargs["**"] = Computed(_text(keyword.value))
        return self.call(function, args, kwargs, node)

    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Value:  # noqa: C901, PLR0911 - a line for each callable
        """Return what a call gives; LookupError when that is not known."""
        if isinstance(function, Function):
            return self.follow(function, args, kwargs)
        if isinstance(function, Scope) and function.is_class:
            return self._object(function, args, kwargs, node)
        if isinstance(function, Method) and isinstance(function.receiver, _ADDABLE):
            return self._on_parser(function.receiver, function.name, args, kwargs, node)
        if isinstance(function, Method) and function.name in CHANGING:
            if function.name == "setdefault" and isinstance(function.receiver, dict) and not self.doubt:
                return function.receiver.setdefault(*args)
            self._note_change(function.receiver)
        name = getattr(function, "name", "")
        if isinstance(function, Outside):
            if name in _PARSERS:
                return self._parser(args, kwargs, node)
            if name == "argparse.FileType":
                return function
        try:
            return pure_call(function, args, kwargs)
        except LookupError:
            self._note_lost(args, kwargs, node)
            for value in args if not name.startswith("builtins.") else ():
                self._note_change(value)
            raise

    def _note_lost(self, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> None:
        """Note that options may be missing: something is added to who knows what, or a parser given away."""
        called = _text(node.func)
        if called.endswith(".add_argument"):
            flags = ", ".join(arg for arg in args if isinstance(arg, str)) or "an option"
            reason = f"is added to something that is not known: {called.removesuffix('.add_argument')}"
            self._lose(node, flags, reason)
        elif any(map(_holds_parser, [*args, *kwargs.values()])) and not called.startswith("argcomplete."):
            what = f"options added by {called}()"
            self._lose(node, what, f"done by {called}, which is not read")

    def _lose(self, node: ast.AST, what: str, reason: str) -> None:
        self.lost.append(Unknown(getattr(node, "lineno", 0), what, reason, hides_options=True))

    def follow(self, function: Function, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Follow a call of a function; return what it returns."""
        self._step()
        if len(self.calls) > 40:  # noqa: PLR2004 - no script calls its way to its parser through more
            raise LookupError
        inner = Scope(self._bound_names(function, args, dict(kwargs)), function.scope)
        if isinstance(function.node, ast.Lambda):
            return self.value(function.node.body, inner)
        self.called.add(id(function.node))
        self.calls.append(function)
        self.returned.append([])
        doubt = self.doubt
        left = self.block(function.node.body, inner)
        self.doubt = doubt
        self.calls.pop()
        values = self.returned.pop()
        if left != "return" and values:
            values.append(None)
        generator = any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(function.node))
        value = values[0] if values else None
        if generator or isinstance(value, Computed) or not all(_same(value, other) for other in values):
            raise LookupError
        return value

    def _bound_names(
        self, function: Function, args: list[Value], kwargs: dict[str, Value]
    ) -> dict[str, Value]:
        """Return the parameters of a call by name; one that is not known to be given is `Computed`."""
        parameters = function.node.args
        given = [function.bound, *args] if function.bound is not None else list(args)
        unsure = "**" in kwargs or any(isinstance(arg, Computed) and arg.text.startswith("*") for arg in args)
        kwargs.pop("**", None)
        positional = [a.arg for a in (*parameters.posonlyargs, *parameters.args)]
        names: dict[str, Value] = {}
        defaults = dict(zip(reversed(positional), reversed(parameters.defaults), strict=False))
        defaults |= {
            a.arg: d for a, d in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True) if d
        }
        for name in (*positional, *(a.arg for a in parameters.kwonlyargs)):
            if name in defaults and not unsure:
                names[name] = self.value(defaults[name], function.scope)
            else:
                names[name] = Computed(f"{name}, which a call gives")
        names |= dict(zip(positional, given, strict=False))
        rest = tuple(given[len(positional) :])
        known = {name: kwargs.pop(name) for name in list(kwargs) if name in names}
        names |= known
        if parameters.vararg:
            names[parameters.vararg.arg] = Computed("*args") if unsure else rest
        if parameters.kwarg:
            names[parameters.kwarg.arg] = Computed("**kwargs") if unsure else kwargs
        return names

    def _object(self, cls: Scope, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Value:
        if "__init__" not in cls.names and any(getattr(base, "name", "") in _PARSERS for base in cls.bases):
            return self._parser(args, kwargs, node)
        made = Scope({}, None, (cls,))
        try:
            init = self.attribute(made, "__init__")
        except LookupError:
            if args or kwargs:
                self._note_lost(args, kwargs, node)
                raise
            return made
        self.call(init, args, kwargs, node)
        return made

    # argparse

    def _parser(self, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Parser:
        given: dict[str, Any] = dict(zip(("prog", "usage", "description", "epilog"), args, strict=False))
        given |= kwargs
        prog = given.get("prog")
        parser = Parser(node.lineno, given, prog if isinstance(prog, str) else self.prog, self.doubt)
        self.parsers.append(parser)
        if given.get("parents"):
            parser.adopt(given["parents"], node.lineno)
        if given.get("prefix_chars", "-") != "-" or "**" in given:
            self._lose(node, "options", "the parser is made with keywords that are not read")
        return parser

    def _on_parser(  # noqa: C901, PLR0911 - a line for each method
        self, receiver: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: ast.Call
    ) -> Value:
        parser = receiver if isinstance(receiver, Parser) else receiver.parser
        section = receiver if isinstance(receiver, Section) else None
        if name == "add_argument":
            return self._add_argument(parser, section, args, kwargs, node)
        if name == "add_parser":
            return self._add_parser(receiver, args, kwargs, node)
        if name == "add_argument_group":
            title = args[0] if args else kwargs.get("title")
            exclusive = section.exclusive if section else None
            return Section(parser, title if isinstance(title, str) else "", exclusive)
        if name == "add_mutually_exclusive_group":
            required = kwargs.get("required", False)
            exclusive = Exclusive(required if isinstance(required, Computed) else bool(required))
            parser.exclusives.append(exclusive)
            return Section(parser, section.title if section else "", exclusive)
        if name == "add_subparsers":
            parser.choice = Choice(parser, kwargs.get("required") is True)
            return parser.choice
        if name == "set_defaults" and "**" not in kwargs:
            doubtful = self.doubt > parser.doubts
            parser.set_defaults({key: Computed(key) if doubtful else value for key, value in kwargs.items()})
        elif name == "set_defaults":
            # Which ones is not known: no default of this parser is.
            parser.set_defaults({action.dest: kwargs["**"] for action in parser.actions})
            parser.given["argument_default"] = kwargs["**"]
        elif name == "__init__":
            parser.given |= kwargs
        elif name in _PARSES:
            certain = self.doubt <= parser.doubts
            self.parsed.append((parser, _PARSES[name], certain))
            if _PARSES[name] and not self.doubt:
                raise Decided
            what = Computed("what the operator gives")
            return what if _PARSES[name] else (what, what)
        elif name == "pop":
            return Section(parser)
        elif name not in _HARMLESS:
            self._lose(node, f"options added by {name}()", "a method that is not read")
        return None

    def _add_parser(
        self, choice: Value, args: list[Value], kwargs: dict[str, Value], node: ast.Call
    ) -> Value:
        word = args[0] if args else kwargs.get("name")
        given = {key: value for key, value in kwargs.items() if key not in {"help", "aliases", "name"}}
        parser = self._parser([], given, node)
        parser.below = True
        doubtful = self.doubt > choice.parser.doubts
        if not isinstance(word, str) or doubtful:
            reason = "is added only if a condition holds" if doubtful else Computed(_text(node)).reason
            self._lose(node, "a subcommand", reason)
            return parser
        aliases = kwargs.get("aliases", ())
        words = tuple(a for a in parts_of(aliases) if isinstance(a, str))
        choice.entries.append((word, words, kwargs.get("help"), parser))
        return parser

    def _add_argument(
        self,
        parser: Parser,
        section: Section | None,
        args: list[Value],
        kwargs: dict[str, Value],
        node: ast.Call,
    ) -> Value:
        words = tuple(arg for arg in args if isinstance(arg, str))
        shown = ", ".join(words) or "an option"
        unknown = next((v for v in (*args, kwargs.get("**")) if isinstance(v, Computed)), None)
        if unknown or len(words) != len(args):
            self._lose(node, shown, unknown.reason if unknown else "its flags are not known")
            raise LookupError
        if self.doubt > parser.doubts:
            self._lose(node, shown, "is added only if a condition holds that the source does not decide")
            raise LookupError
        given = {key: value for key, value in kwargs.items() if key not in {"action", "dest"}}
        for key in given.keys() & {"choices"}:
            items = items_of(given[key])
            given[key] = given[key] if items is None or isinstance(given[key], range) else items
        if given.get("type") is None:
            given.pop("type", None)
        else:
            given["type"] = converter(given["type"])
        given = {
            key: value if _is_data(value) else Computed(_keyword(node, key)) for key, value in given.items()
        }
        flags = tuple(word for word in words if word.startswith("-"))
        dest = infer_dest(flags, kwargs.get("dest")) if flags else str((*words, kwargs.get("dest", ""))[0])
        action = RawAction(
            flags, dest, _action(kwargs.get("action"), node), given, "", node.lineno, parser.prog
        )
        parser.add(action, section)
        return action


def _action(value: Value, node: ast.Call) -> str | Computed:
    if isinstance(value, Outside):
        return _ACTIONS.get(value.name, value.name)
    if isinstance(value, Scope):
        return value.name
    return (
        "store" if value is None else value if isinstance(value, str) else Computed(_keyword(node, "action"))
    )


def _keyword(node: ast.Call, key: str) -> str:
    return next((_text(keyword.value) for keyword in node.keywords if keyword.arg == key), key)


def _is_data(value: Value) -> bool:
    return isinstance(value, (*PLAIN, Computed, Converter))


def _has(function: Function, *decorators: str) -> bool:
    found = getattr(function.node, "decorator_list", ())
    return any(ast.unparse(decorator).rpartition(".")[2] in decorators for decorator in found)


def _adds(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument"


def _holds_parser(value: Value) -> bool:
    if isinstance(value, Method):
        return isinstance(value.receiver, _ADDABLE)
    if isinstance(value, Scope):
        return any(isinstance(part, _ADDABLE) for part in value.names.values())
    return isinstance(value, _ADDABLE) or any(isinstance(part, _ADDABLE) for part in parts_of(value))


def _same(one: Value, other: Value) -> bool:
    if one is other:
        return True
    return type(one) is type(other) and isinstance(one, (*PLAIN, Outside, Computed)) and bool(one == other)


def _known(value: Value) -> Any:  # noqa: ANN401 - of the type that was asked about
    """Return a value that is known; LookupError for None."""
    if value is None:
        raise LookupError
    return value


def _plain_key(value: Value) -> Value:
    return value if isinstance(value, str | int | float | tuple | None) else _nothing()


def _nothing() -> Value:
    raise LookupError


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:100]


def _leaves(body: list[ast.stmt]) -> bool:
    """Whether a block surely does not go on behind its end."""
    last = body[-1]
    exits = isinstance(last, ast.Expr) and _text(last).startswith(("sys.exit(", "exit(", "os._exit("))
    return exits or isinstance(last, ast.Raise | ast.Return)


def _stored(bodies: list[list[ast.stmt]]) -> set[str]:
    """Return the names that blocks set."""
    found: set[str] = set()
    for node in (node for body in bodies for statement in body for node in ast.walk(statement)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
    return found
