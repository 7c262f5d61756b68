"""Reads how a script builds its parser: its statements in their order, once, and nothing of it runs.

What the script does to a parser is done to one of argparse's own, which decides what becomes of it. Known are
literals and what follows from them, modules of the server's own, functions and methods that make a parser or
are handed one, and loops over literals. Below a condition that literals do not decide everything is in doubt:
an option added there is an `Unknown`, and a name set there is `Computed` from then on. No option is read
wrong, and none is left out silently.
"""

from __future__ import annotations

import argparse
import ast
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.parsers.model import Unknown
from corpus_backfill_plugin.parsers.probe import Computed
from corpus_backfill_plugin.parsers.values import (
    CHANGING,
    PLAIN,
    Function,
    Method,
    Outside,
    Scope,
    Value,
    call_plain,
    changing,
    compute,
    converter,
    items_of,
    last_word,
    operate,
    parts_of,
    stored,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_PARSERS = {"argparse.ArgumentParser", "configargparse.ArgumentParser", "configargparse.ArgParser"}
_PARSES = {
    "parse_args": True, "parse_intermixed_args": True,
    "parse_known_args": False, "parse_known_intermixed_args": False,
}  # fmt: skip
"""Methods that read the command line, and whether they refuse what the parser does not know."""
_HARMLESS = {
    "append", "print_help", "print_usage", "format_help", "format_usage", "error", "exit", "get_default",
    "usage", "formatter_class", "prog", "completer", "color", "suggest_on_error",
}  # fmt: skip
"""What may be called or set without a change of what the parser takes."""
_OWN = {"__init__", "__new__", "add_argument", "add_subparsers", *_PARSES}
"""Methods that make a subclass of ArgumentParser something else than a parser."""
_ADDABLE = (argparse._ActionsContainer, argparse._SubParsersAction)  # noqa: SLF001 - there are no public names
_KEYWORDS = {"nargs", "const", "default", "type", "choices", "required", "help", "metavar"}
_SETTABLE = {*_KEYWORDS, "description", "epilog"}
_STEPS = 20_000  # calls and items of loops that are followed before a script is given up
_DEEP = 40  # no script calls its way to its parser through more functions


class Stop(Exception):  # noqa: N818 - not always an error
    """Nothing more is followed: the script has read its command line for certain, or is too long."""


class ReadParser(argparse.ArgumentParser):
    """A parser as the source makes it, at `line`, below the undecided conditions `doubt`."""

    line = 0
    doubt: tuple[object, ...] = ()
    below = False
    """Whether it belongs to another parser: a subcommand's, or a parent."""

    def error(self, message: str) -> Any:  # noqa: ANN401 - as argparse has it
        """Raise what argparse would end the script with."""
        raise ValueError(message)


@dataclass(frozen=True)
class Call:
    """A call, and the values that it gives; `**` among its keywords is a mapping that is not known."""

    node: ast.Call
    args: list[Value]
    kwargs: dict[str, Value]

    @property
    def values(self) -> list[Value]:
        """All that is given."""
        return [*self.args, *self.kwargs.values()]

    @property
    def words(self) -> str:
        """What messages call the option that is added."""
        return ", ".join(arg for arg in self.args if isinstance(arg, str)) or "an option"


class Follower:
    """Follows the statements of a script and of the server's modules that it imports.

    Attributes:
        parsed: each call that reads the command line: parser, whether strictly, whether for certain.
        lost: why options may be missing.
        modules: the server's modules by name, the script as `__main__`; None is a module of a library.
        called: functions that were followed.
        doubt: the undecided conditions that the current statement is below, outermost first.
        changed: lists and mappings that may be changed where it is not followed, by id.
        returned: what each of the functions that are being followed has returned so far.
    """

    def __init__(self, prog: str, roots: Iterable[Path]) -> None:
        self.prog = prog
        self.roots = tuple(roots)
        self.parsers: list[ReadParser] = []
        self.parsed: list[tuple[ReadParser, bool, bool]] = []
        self.lost: list[Unknown] = []
        self.trees: list[ast.Module] = []
        self.modules: dict[str, Scope | None] = {}
        self.called: set[int] = set()
        self.doubt: tuple[object, ...] = ()
        self.changed: dict[int, Value] = {}
        self.steps = 0
        self.returned: list[list[Value]] = []

    # Modules

    def run(self, tree: ast.Module, name: str, folder: Path | None) -> Scope:
        """Follow a module from its first statement to its last."""
        scope = Scope(folder=folder, changing=changing(tree))
        scope.names |= {"__name__": name, "__doc__": ast.get_docstring(tree, clean=False)}
        self.trees.append(tree)
        self.modules[name] = scope
        self.block(tree.body, scope)
        return scope

    def module(self, name: str, level: int, scope: Scope) -> Scope | None:
        """Return a module of the server's own, or None for any other."""
        here = scope.module.folder
        if name == "argparse" or (level and here is None):
            return None
        roots = (here, *here.parents)[level - 1 : level] if level and here else self.roots
        key = f"{roots[0]}.{name}" if level else name
        if key not in self.modules:
            self.modules[key] = None
            bases = [root.joinpath(*name.split(".")) for root in roots]
            files = [file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py")]
            path = next((file for file in files if file.is_file()), None)
            try:
                tree = ast.parse(path.read_bytes()) if path else None
            except (OSError, SyntaxError, ValueError):
                tree = None
            if path and tree:
                self.run(tree, key, path.parent)
        return self.modules[key]

    def _import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            head = alias.name.partition(".")[0]
            module: Value = self.module(alias.name, 0, scope)
            if module is None or (not alias.asname and "." in alias.name):
                module = Outside(alias.name if alias.asname else head)
            self._bind(scope, alias.asname or head, module)

    def _import_from(self, node: ast.ImportFrom, scope: Scope) -> None:
        name = node.module or ""
        source = self.module(name, node.level, scope)
        names = source.names if source else {"ArgumentParser": Outside(f"{name}.ArgumentParser")}
        for alias in node.names:
            if alias.name == "*":
                # A library's names may hide those that were set before.
                plain = [] if source else [key for key in scope.names if isinstance(scope.names[key], PLAIN)]
                scope.names |= {key: Computed(key) for key in plain if not key.startswith("_")}
                scope.names |= {key: names[key] for key in names if not key.startswith("_")}
                continue
            value = names.get(alias.name) or self.module(f"{name}.{alias.name}".strip("."), node.level, scope)
            known = value is not None or (source and alias.name in names)
            self._bind(
                scope, alias.asname or alias.name, value if known else _outside(f"{name}.{alias.name}")
            )

    # Statements

    def block(self, body: list[ast.stmt], scope: Scope) -> str:
        """Follow statements; return the word that leaves them (`return`, `break` ...), else nothing."""
        for statement in body:
            left = self._statement(statement, scope)
            if left:
                return left
        return ""

    def _statement(self, node: ast.stmt, scope: Scope) -> str:  # noqa: C901, PLR0911, PLR0912 - one case each
        match node:
            case ast.Return():
                value = self.value(node.value, scope) if node.value else None
                if self.returned:
                    self.returned[-1].append(value)
                return "return"
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._values(node.decorator_list, scope)
                # Methods do not see the names of their class.
                around = scope.outer if scope.is_class and scope.outer else scope
                self._bind(scope, node.name, Function(node, around, self._defaults(node.args, scope)))
            case ast.ClassDef():
                bases = tuple(self._values(node.bases, scope))
                inner = Scope({}, scope, bases, is_class=True, name=node.name)
                self.block(node.body, inner)
                self._bind(scope, node.name, inner)
            case ast.Import():
                self._import(node, scope)
            case ast.ImportFrom():
                self._import_from(node, scope)
            case ast.Assign() | ast.AnnAssign(value=ast.expr()) | ast.AugAssign():
                value = self.value(node.value, scope) if node.value else None
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    self._set(target, value, scope)
            case ast.Delete():
                for target in node.targets:
                    self._set(target, Computed(f"{text_of(target)}, which is deleted"), scope)
            case ast.If():
                test = self.value(node.test, scope)
                if isinstance(test, (*PLAIN, *_ADDABLE)):
                    return self.block(node.body if test else node.orelse, scope)
                return self._in_doubt(node, scope)
            case ast.For():
                return self._for(node, scope)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self.value(item.context_expr, scope)
                    if item.optional_vars:
                        self._set(item.optional_vars, Computed(text_of(item.context_expr)), scope)
                return self._with(node, scope)
            case _:
                return self._in_doubt(node, scope)
        return ""

    def _in_doubt(self, node: ast.stmt, scope: Scope) -> str:
        """Follow what may happen, once, often or not at all: names that it sets are not known any more."""
        parts = list(ast.iter_child_nodes(node))
        self._values([part for part in parts if isinstance(part, ast.expr)], scope)
        bodies = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
        bodies += [part.body for part in parts if isinstance(part, ast.ExceptHandler | ast.match_case)]
        names, doubt, lefts = dict.fromkeys(stored(node), False), self.doubt, set()
        for body in [*bodies, []]:
            for name, held in names.items():
                names[name] = held or _holds_parser(scope.names.get(name))
                unknown = Computed(f"{name}, set by a condition", holds_parser=names[name])
                self._bind(scope, name, unknown)
            self.doubt = (*doubt, body)
            lefts.add(self.block(body, scope))
        # If it may leave, the rest of the function or loop may not happen.
        self.doubt = (*doubt, node) if lefts - {"", "raise"} else doubt
        word = type(node).__name__.lower()
        return word if word in {"raise", "break", "continue"} else ""

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> str:
        """Follow what is inside; `contextlib.suppress` may end it at any statement."""
        if not any("suppress" in text_of(item.context_expr) for item in node.items):
            return self.block(node.body, scope)
        before, doubt = dict(scope.names), self.doubt
        self.doubt = (*doubt, node)
        left = self.block(node.body, scope)
        self.doubt = (*doubt, node) if left else doubt
        for name in stored(node) & before.keys():
            self._bind(
                scope, name, Computed(f"{name}, set by a condition", holds_parser=_holds_parser(before[name]))
            )
        return ""

    def _for(self, node: ast.For, scope: Scope) -> str:
        items = items_of(self.value(node.iter, scope))
        if items is None or node.orelse:
            return self._in_doubt(node, scope)
        left = ""
        for item in items:
            self.steps += 1
            self._set(node.target, item, scope)
            left = self.block(node.body, scope)
            if left in {"break", "return", "raise"}:
                break
        return left if left in {"return", "raise"} else ""

    def _bind(self, scope: Scope, name: str, value: Value) -> None:
        scope.names[name] = self._steady(name, value, scope)

    def _steady(self, name: str, value: Value, scope: Scope) -> Value:
        """Return a value to be set, which is not known when it changes where the order is not followed."""
        how = scope.module.changing.get(name)
        if not how:
            return value
        self._note_change([value])
        return Computed(f"{name}, {how}", holds_parser=_holds_parser(value))

    def _set(self, target: ast.expr, value: Value, scope: Scope) -> None:
        match target:
            case ast.Name():
                self._bind(scope, target.id, value)
            case ast.Tuple() | ast.List():
                parts = items_of(value) or []
                known = len(parts) == len(target.elts) and ast.Starred not in map(type, target.elts)
                for at, part in enumerate(target.elts):
                    inner = part.value if isinstance(part, ast.Starred) else part
                    self._set(inner, parts[at] if known else Computed(text_of(part)), scope)
            case ast.Attribute():
                steady = self._steady(target.attr, value, scope)
                self._set_attribute(self.value(target.value, scope), target, steady)
            case ast.Subscript():
                self._note_change([self.value(target.value, scope)])

    def _set_attribute(self, receiver: Value, target: ast.Attribute, value: Value) -> None:
        name = target.attr
        if isinstance(receiver, Scope):
            unsure = self.doubt or receiver.is_class or receiver.folder
            receiver.names[name] = Computed(f"{name}, which is set later") if unsure else value
        elif isinstance(receiver, (argparse.Action, *_ADDABLE)) and name in _SETTABLE:
            doubtful = Computed(f"{name}, set by a condition")
            vars(receiver)[name] = doubtful if self.doubt else _given(name, value, name)
        elif isinstance(receiver, (argparse.Action, *_ADDABLE)) and name not in _HARMLESS:
            self._lose(target, "options", f"the parser's own {name} is set")

    def _note_change(self, values: Iterable[Value]) -> None:
        """Note that lists, mappings or objects may be changed: what is in them is not known any more."""
        for value in values:
            if isinstance(value, list | dict) or (
                isinstance(value, Scope) and value.bases and not value.is_class
            ):
                self.changed[id(value)] = value

    # Expressions

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """Return the value of an expression; what is not known of it is `Computed` with its source text."""
        try:
            value = self._value(node, scope)
        except LookupError:
            return Computed(text_of(node))
        if id(value) not in self.changed:
            return value
        return Computed(f"{text_of(node)}, which is changed", holds_parser=_holds_parser(value))

    def _values(self, nodes: list[ast.expr], scope: Scope) -> list[Value]:
        """Return the values of expressions, those with a star opened."""
        values: list[Value] = []
        for part in nodes:
            value = self.value(part.value if isinstance(part, ast.Starred) else part, scope)
            found = items_of(value) if isinstance(part, ast.Starred) else [value]
            values += [Computed(text_of(part))] if found is None else found
        return values

    def _value(self, node: ast.expr, scope: Scope) -> Value:  # noqa: C901, PLR0911, PLR0912 - one case each
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return scope.find(node.id)
            case ast.Attribute():
                return self._attribute(node, self.value(node.value, scope))
            case ast.Call():
                return self._call(node, scope)
            case ast.Await():
                return self.value(node.value, scope)
            case ast.Lambda():
                return Function(node, scope, self._defaults(node.args, scope))
            case ast.List() | ast.Set():
                return self._values(node.elts, scope)
            case ast.Tuple():
                return tuple(self._values(node.elts, scope))
            case ast.Dict() if None not in node.keys:
                keys = self._values([key for key in node.keys if key], scope)
                if all(isinstance(key, str | int | float) for key in keys):
                    return dict(zip(keys, self._values(node.values, scope), strict=True))
            case ast.JoinedStr():
                return compute("".join, self._values(node.values, scope))
            case ast.FormattedValue(format_spec=None, conversion=-1):
                return compute(str, self.value(node.value, scope))
            case ast.BinOp():
                return operate(node.op, *self._values([node.left, node.right], scope))
            case ast.UnaryOp(op=ast.USub()):
                return operate(node.op, self.value(node.operand, scope))
            case ast.Compare(ops=[operator], comparators=[right]):
                return operate(operator, *self._values([node.left, right], scope))
            case ast.Subscript():
                items, at = self._values([node.value, node.slice], scope)
                return compute(lambda items: items[at], items, keeps=True)
        # Parts of any other expression may be called, and may not.
        doubt = self.doubt
        self.doubt = (*doubt, node)
        self._values([part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)], scope)
        self.doubt = doubt
        raise LookupError

    def _attribute(self, node: ast.Attribute, value: Value) -> Value:
        name = node.attr
        if isinstance(value, Outside):
            return _outside(f"{value.name}.{name}")
        if isinstance(value, Scope):
            return _bound(value, value.attribute(name))
        if name == "_action_groups" and isinstance(value, ReadParser):
            return value  # only its `pop` and `append` are used, to have required options listed first
        if isinstance(value, _ADDABLE) and name.startswith("_"):
            self._lose(node, "options", f"the parser's own {name} is used")
        if isinstance(value, (*PLAIN, *_ADDABLE)) and value is not None:
            return Method(value, name)
        raise LookupError(name)

    # Calls

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        self.steps += 1
        if self.steps > _STEPS:
            raise Stop("the script is too long to follow")
        function = self.value(node.func, scope)
        call = Call(node, self._values(node.args, scope), self._keywords(node, scope))
        receiver, name = getattr(function, "receiver", None), getattr(function, "name", "")
        if isinstance(receiver, _ADDABLE):
            return self._on_parser(receiver, name, call)
        if isinstance(function, Outside) and name in _PARSERS:
            return self._parser(partial(ReadParser, prog=self.prog), call)
        # What is opened from something that is not known leaves the parameters unknown.
        opened = any(isinstance(arg, Computed) and arg.text.startswith("*") for arg in call.args)
        if not opened and "**" not in call.kwargs and len(self.returned) <= _DEEP:
            if isinstance(function, Function) and not is_generator(function.node):
                value = self.follow(function, call)
                unknown = isinstance(value, Computed)
                return Computed(text_of(node), holds_parser=value.holds_parser) if unknown else value
            if isinstance(function, Scope) and function.is_class:
                return self._object(function, call)
        if isinstance(function, Method) and name in CHANGING:
            self._note_change([receiver])
        try:
            return call_plain(function, call.args, call.kwargs)
        except LookupError:
            self._note_lost(call)
            self._note_change([] if name.startswith("builtins.") else call.values)
            raise

    def _keywords(self, node: ast.Call, scope: Scope) -> dict[str, Value]:
        """Return the keywords of a call; under `**` stands a mapping that is not known."""
        found: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            if keyword.arg:
                found[keyword.arg] = value
            else:
                found |= value if isinstance(value, dict) else {"**": Computed(text_of(keyword.value))}
        return found

    def _note_lost(self, call: Call) -> None:
        """Note that options may be missing: something is added to who knows what, or a parser given away."""
        called = text_of(call.node.func)
        method = getattr(call.node.func, "attr", "")
        if method == "add_argument":
            self._lose(call.node, call.words, f"is added to something that is not known: {called[:-13]}")
        elif method in _PARSES and self.parsers:
            self._lose(call.node, "options", f"the command line is read by what is not known: {called}")
        elif any(map(_holds_parser, call.values)) and not called.startswith("argcomplete."):
            self._lose(call.node, f"options added by {called}()", f"done by {called}, which is not read")

    def _lose(self, node: ast.expr, what: str, reason: str) -> None:
        self.lost.append(Unknown(node.lineno, what, reason, hides_options=True))

    def follow(self, function: Function, call: Call | None) -> Value:
        """Follow a function, for a `call` or as something unknown may call it; return what it returns."""
        node, inner = function.node, Scope({}, function.scope)
        for name, value in self._parameters(function, call).items():
            self._bind(inner, name, value)
        self.called.add(id(node))
        if isinstance(node, ast.Lambda):
            return self.value(node.body, inner)
        self.returned.append([])
        doubt = self.doubt
        left = self.block(node.body, inner)
        self.doubt = doubt
        values = [*self.returned.pop(), *([] if left == "return" else [None])]
        if is_generator(node) or any(other is not values[0] for other in values):
            return Computed(node.name, holds_parser=any(map(_holds_parser, values)))
        return values[0]

    def _defaults(self, declared: ast.arguments, scope: Scope) -> dict[str, Value]:
        """Return the defaults of parameters, as they are where the function is defined."""
        positional = [a.arg for a in (*declared.posonlyargs, *declared.args)]
        defaults = dict(zip(reversed(positional), reversed(declared.defaults), strict=False))
        defaults |= {a.arg: d for a, d in zip(declared.kwonlyargs, declared.kw_defaults, strict=True) if d}
        return {name: self.value(default, scope) for name, default in defaults.items()}

    def _parameters(self, function: Function, call: Call | None) -> dict[str, Value]:
        """Return the parameters of a call by name."""
        declared = function.node.args
        positional = [a.arg for a in (*declared.posonlyargs, *declared.args)]
        words = [*positional, *(a.arg for a in declared.kwonlyargs)]
        names: dict[str, Value] = {word: Computed(f"{word}, which a call gives") for word in words}
        if call is None:
            return names
        given = [*([] if function.bound is None else [function.bound]), *call.args]
        names |= function.defaults
        names |= dict(zip(positional, given, strict=False))
        names |= {name: value for name, value in call.kwargs.items() if name in words}
        if declared.vararg:
            names[declared.vararg.arg] = tuple(given[len(positional) :])
        if declared.kwarg:
            names[declared.kwarg.arg] = {k: v for k, v in call.kwargs.items() if k not in words}
        return names

    def _object(self, cls: Scope, call: Call) -> Value:
        """Return an object of a class of the server's own, after its `__init__`."""
        if any(getattr(base, "name", "") in _PARSERS for base in cls.bases) and not _OWN & cls.names.keys():
            return self._parser(partial(ReadParser, prog=self.prog), call)
        made = Scope({}, None, (cls,))
        try:
            init = _bound(made, made.attribute("__init__"))
        except LookupError:
            if call.values:
                self._note_lost(call)
                raise
            return made
        self.follow(init, call)
        return made

    # argparse

    def _certain(self, parser: ReadParser) -> bool:
        """Whether what is done now to a parser happens wherever the parser exists."""
        return parser.doubt[: len(self.doubt)] == self.doubt

    def _made(self, call: Call, make: Callable[..., Any], *args: Value, **kwargs: Value) -> Any:  # noqa: ANN401
        """Return what argparse itself makes of a call, or note that it refuses."""
        try:
            return make(*args, **kwargs)
        except Exception as error:
            self._lose(call.node, call.words, f"is refused by argparse: {error}")
            raise LookupError from error

    def _parser(self, make: Callable[..., Any], call: Call) -> Value:
        given = dict(zip(("prog", "usage", "description", "epilog"), call.args, strict=False)) | call.kwargs
        if given.get("prefix_chars", "-") != "-" or "**" in given:
            self._lose(call.node, "options", "the parser is made with keywords that are not read")
        parents = given.get("parents", [])
        for parent in parents if isinstance(parents, list | tuple) else [parents]:
            if isinstance(parent, ReadParser):
                parent.below = True
            else:
                self._lose(call.node, "parents", getattr(parent, "reason", "no parser"))
        known = {"parents": [parent for parent in parts_of(parents) if isinstance(parent, ReadParser)]}
        for key, kind in (("prog", str), ("conflict_handler", str), ("add_help", bool)):
            if isinstance(given.get(key), kind):
                known[key] = given[key]
        parser = self._made(call, make, argument_default=given.get("argument_default"), **known)
        texts = {key: _given(key, given.get(key), key) for key in ("description", "epilog")}
        vars(parser).update(texts, line=call.node.lineno, doubt=self.doubt)
        self.parsers.append(parser)
        return parser

    def _on_parser(self, receiver: Value, name: str, call: Call) -> Value:  # noqa: C901, PLR0911 - one case each
        """Do to a parser, or to a group of one, what the script does."""
        parser: ReadParser = receiver if isinstance(receiver, ReadParser) else vars(receiver)["parser"]
        match name:
            case "add_argument":
                return self._add_argument(receiver, parser, call)
            case "add_parser":
                return self._add_parser(receiver, parser, call)
            case "add_argument_group":
                title = [*call.args, call.kwargs.get("title")][0]
                group = self._made(call, receiver.add_argument_group, title if isinstance(title, str) else "")
                return _joined(group, parser, call)
            case "add_mutually_exclusive_group":
                return _joined(self._made(call, receiver.add_mutually_exclusive_group), parser, call)
            case "add_subparsers":
                return _joined(self._made(call, parser.add_subparsers, prog=parser.prog), parser, call)
            case "set_defaults":
                values, unknown = call.kwargs, call.kwargs.pop("**", None)
                if unknown:
                    # Which ones is not known: no default of this parser is.
                    vars(parser).update(argument_default=unknown)
                    values = {action.dest: unknown for action in parser._actions}  # noqa: SLF001 - as above
                sure = self._certain(parser)
                parser.set_defaults(
                    **{k: _given(k, v, k) if sure else Computed(k) for k, v in values.items()}
                )
            case _ if name in _PARSES:
                self.parsed.append((parser, _PARSES[name], self._certain(parser)))
                if _PARSES[name] and not self.doubt:
                    raise Stop
                what = Computed("what the operator gives")
                return what if _PARSES[name] else (what, what)
            case "pop":
                return receiver
            case _ if name not in _HARMLESS:
                self._lose(call.node, f"options added by {name}()", "a method that is not read")
        return None

    def _add_parser(self, choice: Value, parser: ReadParser, call: Call) -> Value:
        word = [*call.args, call.kwargs.get("name")][0]
        if not isinstance(word, str) or not self._certain(parser):
            unsure = "is added only if a condition holds" if isinstance(word, str) else "its name is computed"
            self._lose(call.node, "a subcommand", unsure)
            raise LookupError
        aliases = [alias for alias in parts_of(call.kwargs.get("aliases", ())) if isinstance(alias, str)]
        text = call.kwargs.get("help")
        make = partial(choice.add_parser, word, aliases=aliases, help=text if isinstance(text, str) else "")
        made = self._parser(make, Call(call.node, [], call.kwargs))
        made.below = True
        return made

    def _add_argument(self, receiver: Value, parser: ReadParser, call: Call) -> Value:
        flags = [arg for arg in call.args if isinstance(arg, str)]
        unknown = next((v for v in (*call.args, call.kwargs.get("**")) if isinstance(v, Computed)), None)
        reason = unknown.reason if unknown else ""
        if len(flags) < len(call.args) and not reason:
            reason = "its flags are not known"
        if not self._certain(parser) and not reason:
            reason = "is added only if a condition holds that the source does not decide"
        if reason:
            self._lose(call.node, call.words, reason)
            raise LookupError
        texts = {keyword.arg: text_of(keyword.value) for keyword in call.node.keywords}
        given = {k: _given(k, v, texts.get(k, k)) for k, v in call.kwargs.items() if k in _KEYWORDS}
        # Argparse looks into most of what it is given: it gets what is known, the rest is noted afterwards.
        now = {k: v for k, v in given.items() if k != "help" and not isinstance(v, Computed)}
        if isinstance(call.kwargs.get("dest"), str):
            now["dest"] = call.kwargs["dest"]
        action, unread = _action(call.kwargs.get("action"), texts.get("action", "action"))
        added = self._made(call, receiver.add_argument, *flags, action=action, **now)
        later = {k: v for k, v in given.items() if k not in now}
        vars(added).update(later, line=call.node.lineno, unread=unread)
        return added


def _joined(group: Value, parser: ReadParser, call: Call) -> Value:
    """Return a group, or what subcommands are added to, that knows its parser and whether it is required."""
    required = call.kwargs.get("required", False)
    required = required if isinstance(required, Computed) else bool(required)
    group.__dict__.update(parser=parser, required=required)
    return group


def _outside(name: str) -> Value:
    """Return the value of a name of a library: a word that argparse knows, or the name itself."""
    word = getattr(argparse, name.removeprefix("argparse."), None)
    return word if isinstance(word, str) else Outside(name)


def _given(key: str, value: Value, text: str) -> Value:
    """Return the value of a keyword as argparse may hold it: plain, callable, or `Computed`."""
    if key == "type":
        return converter(value)
    if key == "choices" and not isinstance(value, list | range | Computed | None):
        return items_of(value) or Computed(text)
    parts = value if isinstance(value, list | tuple) else [value]
    plain = all(isinstance(part, (*PLAIN, Computed)) and not isinstance(part, dict) for part in parts)
    return value if plain else Computed(text)


def _action(value: Value, text: str) -> tuple[Value, str]:
    """Return an action as argparse takes it, and why what it does is not known."""
    if value is None or isinstance(value, str):
        return value or "store", ""
    if isinstance(value, Outside | Scope):
        known = getattr(argparse, value.name.removeprefix("argparse."), None)
        reason = "" if known else f"is handled by a class of the script's, {value.name}"
        return known or argparse.Action, reason
    return argparse.Action, getattr(value, "reason", f"computed when the script runs: {text}")


def _bound(receiver: Scope, found: Value) -> Value:
    """Return what an attribute is when it is asked of `receiver`: a method with its first argument."""
    if not isinstance(found, Function) or receiver.folder:
        return found
    decorators = {last_word(one) for one in getattr(found.node, "decorator_list", ())}
    plain = "staticmethod" in decorators or (receiver.is_class and "classmethod" not in decorators)
    return found if plain else replace(found, bound=receiver)


def adds(node: ast.AST) -> bool:
    """Whether an option is added here, to whatever."""
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument"


def is_generator(node: ast.AST) -> bool:
    """Whether a call of a function runs nothing of it."""
    return any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(node))


def makes_parser(node: ast.AST) -> bool:
    """Whether a parser is made somewhere in a node."""
    return "ArgumentParser" in map(last_word, ast.walk(node))


def _holds_parser(value: Value) -> bool:
    if isinstance(value, (Computed, *_ADDABLE)):
        return getattr(value, "holds_parser", True)
    if isinstance(value, Function):
        return any(map(adds, ast.walk(value.node))) and not makes_parser(value.node)
    parts = [value.receiver] if isinstance(value, Method) else parts_of(value)
    if isinstance(value, Scope):
        parts = [part for part in value.names.values() if isinstance(part, _ADDABLE)]
    return any(map(_holds_parser, parts))
