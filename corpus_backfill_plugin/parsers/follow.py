"""Reads how a script builds its parser: its statements in their order, once, and nothing of it runs.

It knows literals and what follows from them, modules of the server's own, functions and classes that make a
parser or are handed one, and loops over literals. There is no control flow beyond that: what stands below a
condition that literals do not decide is in doubt, so an option added there is an `Unknown`, and a name set
there is `Computed` from then on. No option is read wrong, and none is left out without a word.
"""

from __future__ import annotations

import ast
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
    PLAIN,
    Function,
    Method,
    Outside,
    Scope,
    Value,
    converter,
    item_of,
    items_of,
    operate,
    outside,
    parts_of,
    pure_call,
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
_OWN_METHODS = {"__init__", "__new__", "add_argument", "add_subparsers", "parse_args", "parse_known_args"}
"""Methods that make a subclass of ArgumentParser something else than a parser."""
_STEPS = 20_000
"""Calls, and statements in functions and loops, that are followed before a script is given up."""
_DEEP = 40
"""No script calls its way to its parser through more functions."""


class Decided(Exception):  # noqa: N818 - not an error
    """The script has read its command line, for certain: what follows adds nothing to its parser."""


class TooLong(Exception):  # noqa: N818 - not an error
    """The script has more to follow than is followed."""


class Follower:
    """Follows the statements of a script and of the server's modules that it imports.

    Attributes:
        parsers: all parsers made.
        parsed: each call that reads the command line: parser, whether strictly, whether for certain.
        lost: why options may be missing.
        trees: the files read, by module name; the script's own is `__main__`.
        reached: calls that were seen to happen, or not to.
        called: functions that were followed.
        doubt: the undecided conditions that the current statement stands below, outermost first.
        changed: lists and mappings that were changed after they were set, by id.
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
        self.called: set[int] = set()
        self.doubt: tuple[object, ...] = ()
        self.changed: dict[int, Value] = {}
        self.steps, self.limit = 0, _STEPS
        self.depth = 0
        self.returned: list[list[Value]] = []

    # Modules

    def run(self, tree: ast.Module, name: str, folder: Path | None) -> Scope:
        """Follow a module from its first statement to its last."""
        scope = Scope(folder=folder, shared=_set_by_functions(tree))
        scope.names |= {"__name__": name, "__doc__": ast.get_docstring(tree, clean=False)}
        self.trees[name] = tree
        self.modules[name] = scope
        self.block(tree.body, scope)
        return scope

    def module(self, name: str, level: int, scope: Scope) -> Scope | None:
        """Return a module of the server's own, or None for any other."""
        here, words = scope.module.folder, name.split(".") if name else []
        if name == "argparse" or (level and here is None):
            return None
        roots = self.roots if here is None or not level else ((here, *here.parents)[level - 1],)
        name = f"{roots[0]}.{name}" if level else name
        if name not in self.modules:
            self.modules[name] = None
            bases = [root.joinpath(*words) for root in roots]
            files = [file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py")]
            path = next((file for file in files if file.is_file()), None)
            try:
                tree = ast.parse(path.read_bytes()) if path else None
            except (OSError, SyntaxError, ValueError):
                tree = None
            if path and tree:
                self._run_imported(tree, name, path.parent)
        return self.modules[name]

    def _run_imported(self, tree: ast.Module, name: str, folder: Path) -> None:
        limit, doubt, depth, calls = self.limit, self.doubt, self.depth, len(self.returned)
        self.limit = min(limit, self.steps + _STEPS // 10)
        try:
            self.run(tree, name, folder)
        except TooLong:
            # Too much for what a parser needs of a module: its names are then as those of a library.
            if self.steps > limit:
                raise
            self.modules[name], self.doubt, self.depth = None, doubt, depth
            del self.returned[calls:]
        self.limit = limit

    def _import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            head = alias.name.partition(".")[0]
            module: Value = self.module(alias.name, 0, scope)
            if module is None or (not alias.asname and "." in alias.name):
                module = Outside(alias.name if alias.asname else head)
            scope.bind(alias.asname or head, module)

    def _import_from(self, node: ast.ImportFrom, scope: Scope) -> None:
        name = node.module or ""
        source = self.module(name, node.level, scope)
        names = source.names if source else {}
        for alias in node.names:
            value = names.get(alias.name)
            if alias.name == "*":
                found = {"ArgumentParser": outside(f"{name}.ArgumentParser")} if source is None else names
                scope.names |= {key: found[key] for key in found if not key.startswith("_")}
            elif alias.name not in names:
                value = self.module(f"{name}.{alias.name}".strip("."), node.level, scope)
                value = outside(f"{name}.{alias.name}") if value is None else value
            scope.bind(alias.asname or alias.name, value)

    # Statements

    def block(self, body: list[ast.stmt], scope: Scope) -> str:
        """Follow statements; return the word that leaves them (`return`, `break` ...), else nothing."""
        for statement in body:
            if self.depth:
                self._step()
            left = self._statement(statement, scope)
            if left:
                return left
        return ""

    def _step(self) -> None:
        self.steps += 1
        if self.steps > self.limit:
            raise TooLong

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
                scope.bind(
                    node.name, Function(node, scope.outer if scope.is_class and scope.outer else scope)
                )
            case ast.ClassDef():
                inner = Scope(
                    {}, scope, tuple(self._values(node.bases, scope)), is_class=True, name=node.name
                )
                self.block(node.body, inner)
                scope.bind(node.name, inner)
            case ast.Import():
                self._import(node, scope)
            case ast.ImportFrom():
                self._import_from(node, scope)
            case ast.Assign() | ast.AnnAssign(value=ast.expr()):
                value = self.value(node.value, scope) if node.value else None
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    self._set(target, value, scope)
            case ast.AugAssign():
                self._note_change([self.value(node.target, scope)])
                self.value(node.value, scope)
                self._set(node.target, Computed(f"{_text(node.target)}, which is changed"), scope)
            case ast.Delete():
                for target in node.targets:
                    self._set(target, Computed(f"{_text(target)}, which is deleted"), scope)
            case ast.If():
                return self._if(node, scope)
            case ast.For():
                return self._for(node, scope)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self.value(item.context_expr, scope)
                    if item.optional_vars:
                        self._set(item.optional_vars, Computed(_text(item.context_expr)), scope)
                return self.block(node.body, scope)
            case ast.Try() if all(_leaves(handler.body) for handler in node.handlers):
                # What a handler would do ends the script: the body happens whole.
                left = self.block([*node.body, *node.orelse], scope)
                return self.block(node.finalbody, scope) or left
            case _:
                return self._in_doubt(node, scope)
        return ""

    def _in_doubt(self, node: ast.stmt, scope: Scope) -> str:
        """Follow what may happen, once, often or not at all: names that it sets are not known any more."""
        parts = list(ast.iter_child_nodes(node))
        self._values([part for part in parts if isinstance(part, ast.expr)], scope)
        bodies = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
        bodies += [part.body for part in parts if isinstance(part, ast.ExceptHandler | ast.match_case)]
        stored, doubt, lefts = _stored(node), self.doubt, set()
        for body in bodies:
            for name in stored:
                scope.bind(name, Computed(f"{name}, set by a condition"))
            self.doubt = (*doubt, body)
            lefts.add(self.block(body, scope))
        for name in stored:
            scope.bind(name, Computed(f"{name}, set by a condition"))
        # If it may leave, the rest of the function or loop may not happen.
        self.doubt = (*doubt, node) if lefts - {"", "raise"} else doubt
        word = type(node).__name__.lower()
        return word if word in {"raise", "break", "continue"} else ""

    def _if(self, node: ast.If, scope: Scope) -> str:
        truth = _truth(self.value(node.test, scope))
        if truth is None:
            return self._in_doubt(node, scope)
        passed_over = node.orelse if truth else node.body
        self.reached |= {id(part) for statement in passed_over for part in ast.walk(statement)}
        return self.block(node.body if truth else node.orelse, scope)

    def _for(self, node: ast.For, scope: Scope) -> str:
        items = items_of(self.value(node.iter, scope))
        if items is None:
            return self._in_doubt(node, scope)
        doubt, left = self.doubt, ""
        self.depth += 1
        for item in items:
            self._set(node.target, item, scope)
            left = self.block(node.body, scope)
            if left in {"break", "return", "raise"}:
                break
        else:
            self.block(node.orelse, scope)
        self.depth -= 1
        if not any(isinstance(part, ast.Return) for part in ast.walk(node)):
            self.doubt = doubt
        return left if left in {"return", "raise"} else ""

    def _set(self, target: ast.expr, value: Value, scope: Scope) -> None:
        match target:
            case ast.Name():
                scope.bind(target.id, value)
            case ast.Tuple() | ast.List():
                parts = items_of(value) or []
                known = len(parts) == len(target.elts) and ast.Starred not in map(type, target.elts)
                for at, part in enumerate(target.elts):
                    inner = part.value if isinstance(part, ast.Starred) else part
                    self._set(inner, parts[at] if known else Computed(_text(part)), scope)
            case ast.Attribute():
                self._set_attribute(self.value(target.value, scope), target.attr, value)
            case ast.Subscript():
                self._note_change([self.value(target.value, scope)])

    def _set_attribute(self, receiver: Value, name: str, value: Value) -> None:
        if isinstance(receiver, Scope):
            unsure = self.doubt or receiver.is_class or receiver.folder
            receiver.names[name] = Computed(f"{name}, which is set later") if unsure else value
        elif isinstance(receiver, Parser | RawAction):
            receiver.given[name] = Computed(f"{name}, set by a condition") if self.doubt else value
        elif isinstance(receiver, Choice) and name == "required":
            receiver.required = value is True

    def _note_change(self, values: Iterable[Value]) -> None:
        """Note that lists or mappings are changed: what is in them is not known any more."""
        self.changed |= {id(value): value for value in values if isinstance(value, list | dict)}

    # Expressions

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """Return the value of an expression; what is not known of it is `Computed` with its source text."""
        try:
            value = self._value(node, scope)
        except LookupError:
            for part in ast.walk(node):
                if adds(part) and id(part) not in self.reached:
                    self.reached.add(id(part))
                    self._lose(part, "an option", f"is added in what is not followed: {_text(node)}")
            return Computed(_text(node))
        return Computed(f"{_text(node)}, which is changed") if id(value) in self.changed else value

    def _values(self, nodes: list[ast.expr], scope: Scope) -> list[Value]:
        """Return the values of expressions, those with a star opened."""
        values: list[Value] = []
        for part in nodes:
            value = self.value(part.value if isinstance(part, ast.Starred) else part, scope)
            found = items_of(value) if isinstance(part, ast.Starred) else [value]
            values += [Computed(_text(part))] if found is None else found
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
                return Function(node, scope)
            case ast.List() | ast.Set():
                return self._values(node.elts, scope)
            case ast.Tuple():
                return tuple(self._values(node.elts, scope))
            case ast.Dict():
                return self._mapping(node, scope)
            case ast.JoinedStr():
                return pure_call(Method("", "join"), [self._values(node.values, scope)], {})
            case ast.FormattedValue(format_spec=None, conversion=-1 | 115):
                return pure_call(Outside("builtins.str"), [self.value(node.value, scope)], {})
            case ast.BinOp():
                return operate(node.op, *self._values([node.left, node.right], scope))
            case ast.UnaryOp(op=ast.Not()):
                return not _known(_truth(self.value(node.operand, scope)))
            case ast.UnaryOp():
                return operate(node.op, self.value(node.operand, scope))
            case ast.Compare(ops=[operator], comparators=[right]):
                return operate(operator, *self._values([node.left, right], scope))
            case ast.Subscript(slice=ast.Slice() as part):
                bounds = [self.value(b, scope) if b else None for b in (part.lower, part.upper, part.step)]
                return item_of(self.value(node.value, scope), slice(*bounds))
            case ast.Subscript():
                return item_of(*self._values([node.value, node.slice], scope))
            case ast.ListComp(generators=[loop]) | ast.GeneratorExp(generators=[loop]) if not loop.ifs:
                items = _known(items_of(self.value(loop.iter, scope)))
                return [self._in_loop(node.elt, loop.target, item, scope) for item in items]
            case ast.IfExp() if _truth(test := self.value(node.test, scope)) is not None:
                return self.value(node.body if test else node.orelse, scope)
        # Parts of any other expression may be called, and may not.
        doubt = self.doubt
        self.doubt = (*doubt, node)
        self._values([part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)], scope)
        self.doubt = doubt
        if isinstance(node, ast.NamedExpr):
            self._set(node.target, Computed(_text(node.value)), scope)
        raise LookupError

    def _in_loop(self, node: ast.expr, target: ast.expr, item: Value, scope: Scope) -> Value:
        self._step()
        inner = Scope({}, scope)
        self._set(target, item, inner)
        return self.value(node, inner)

    def _mapping(self, node: ast.Dict, scope: Scope) -> Value:
        result: dict[Value, Value] = {}
        for key, part in zip(node.keys, node.values, strict=True):
            value = self.value(part, scope)
            name = self.value(key, scope) if key else None
            if not isinstance(name, str | int | float | None) or (
                key is None and not isinstance(value, dict)
            ):
                raise LookupError
            result |= value if key is None else {name: value}
        return result

    def _attribute(self, node: ast.Attribute, value: Value) -> Value:
        name = node.attr
        if isinstance(value, Outside):
            return outside(f"{value.name}.{name}")
        if isinstance(value, Scope):
            return self._bound(value, value.attribute(name))
        if isinstance(value, Parser) and name == "_action_groups":
            return Section(value)
        if isinstance(value, Parser) and name.startswith("_"):
            self._lose(node, "options", f"the parser's own {name} is used")
        if isinstance(value, (*PLAIN, *_ADDABLE)) and value is not None:
            return Method(value, name)
        raise LookupError(name)

    def _bound(self, receiver: Scope, found: Value) -> Value:
        """Return what an attribute is when it is asked of `receiver`: a method with its first argument."""
        if not isinstance(found, Function) or receiver.folder:
            return found
        decorators = {_text(one).rpartition(".")[2] for one in getattr(found.node, "decorator_list", ())}
        if decorators & {"property", "cached_property"}:
            raise LookupError
        plain = "staticmethod" in decorators or (receiver.is_class and "classmethod" not in decorators)
        return found if plain else Function(found.node, found.scope, receiver)

    # Calls

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        self._step()
        self.reached.add(id(node))
        function = self.value(node.func, scope)
        args, kwargs = self._values(node.args, scope), {}
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            if keyword.arg:
                kwargs[keyword.arg] = value
            elif isinstance(value, dict):
                kwargs |= {str(key): item for key, item in value.items()}
            else:
                kwargs["**"] = Computed(_text(keyword.value))
        try:
            return self._result(function, args, kwargs, node)
        except LookupError:
            known = isinstance(function, Function) or isinstance(
                getattr(function, "receiver", None), _ADDABLE
            )
            if not known:
                self._note_lost(args, kwargs, node)
            outer = isinstance(function, Outside) and function.name.startswith("builtins.")
            self._note_change([] if outer else [*args, *kwargs.values()])
            raise

    def _result(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Value:
        """Return what a call gives; LookupError when that is not known."""
        receiver, name = getattr(function, "receiver", None), getattr(function, "name", "")
        if isinstance(function, Function):
            return self.follow(function, args, kwargs)
        if isinstance(function, Scope) and function.is_class:
            return self._object(function, args, kwargs, node)
        if isinstance(receiver, _ADDABLE):
            return self._on_parser(receiver, name, args, kwargs, node)
        if isinstance(function, Method) and name in CHANGING:
            if name == "setdefault" and isinstance(receiver, dict) and not self.doubt:
                return receiver.setdefault(*args)
            self._note_change([receiver])
        if isinstance(function, Outside) and name in _PARSERS:
            return self._parser(args, kwargs, node)
        return function if name == "argparse.FileType" else pure_call(function, args, kwargs)

    def _note_lost(self, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> None:
        """Note that options may be missing: something is added to who knows what, or a parser given away."""
        called = _text(node.func)
        if called.endswith(".add_argument"):
            flags = ", ".join(arg for arg in args if isinstance(arg, str)) or "an option"
            self._lose(node, flags, f"is added to something that is not known: {called[:-13]}")
        elif any(map(_holds_parser, [*args, *kwargs.values()])) and not called.startswith("argcomplete."):
            self._lose(node, f"options added by {called}()", f"done by {called}, which is not read")

    def _lose(self, node: ast.AST, what: str, reason: str) -> None:
        self.lost.append(Unknown(getattr(node, "lineno", 0), what, reason, hides_options=True))

    def follow(self, function: Function, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Follow a call of a function; return what it returns."""
        self._step()
        if len(self.returned) > _DEEP:
            raise LookupError
        node, inner = function.node, Scope({}, function.scope)
        for name, value in self._parameters(function, args, dict(kwargs)).items():
            inner.bind(name, value)
        if isinstance(node, ast.Lambda):
            return self.value(node.body, inner)
        self.called.add(id(node))
        self.returned.append([])
        doubt = self.doubt
        self.depth += 1
        left = self.block(node.body, inner)
        self.depth -= 1
        self.doubt = doubt
        values = [*self.returned.pop(), *([] if left == "return" else [None])]
        generator = any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(node))
        if generator or isinstance(values[0], Computed) or any(other is not values[0] for other in values):
            raise LookupError
        return values[0]

    def _parameters(
        self, function: Function, args: list[Value], kwargs: dict[str, Value]
    ) -> dict[str, Value]:
        """Return the parameters of a call by name; one that is not known to be given is `Computed`."""
        declared = function.node.args
        given = [*([] if function.bound is None else [function.bound]), *args]
        unsure = "**" in kwargs or any(isinstance(arg, Computed) and arg.text.startswith("*") for arg in args)
        kwargs.pop("**", None)
        positional = [a.arg for a in (*declared.posonlyargs, *declared.args)]
        defaults = dict(zip(reversed(positional), reversed(declared.defaults), strict=False))
        defaults |= {a.arg: d for a, d in zip(declared.kwonlyargs, declared.kw_defaults, strict=True) if d}
        words = [*positional, *(a.arg for a in declared.kwonlyargs)]
        names: dict[str, Value] = {word: Computed(f"{word}, which a call gives") for word in words}
        if not unsure:
            names |= {name: self.value(default, function.scope) for name, default in defaults.items()}
        names |= dict(zip(positional, given, strict=False))
        names |= {name: kwargs.pop(name) for name in list(kwargs) if name in names}
        if declared.vararg:
            names[declared.vararg.arg] = Computed("*args") if unsure else tuple(given[len(positional) :])
        if declared.kwarg:
            names[declared.kwarg.arg] = Computed("**kwargs") if unsure else kwargs
        return names

    def _object(self, cls: Scope, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Value:
        if any(getattr(base, "name", "") in _PARSERS for base in cls.bases):
            if not _OWN_METHODS & cls.names.keys():
                return self._parser(args, kwargs, node)
            self._lose(node, "options", f"a parser of a class of the script's, {cls.name}")
            raise LookupError
        made = Scope({}, None, (cls,))
        try:
            init = self._bound(made, made.attribute("__init__"))
        except LookupError:
            if args or kwargs:
                raise
            return made
        self.follow(init, args, kwargs)
        return made

    # argparse

    def _certain(self, parser: Parser) -> bool:
        """Whether what is done now to a parser happens wherever the parser exists."""
        return parser.doubt[: len(self.doubt)] == self.doubt

    def _parser(self, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Parser:
        given = dict(zip(("prog", "usage", "description", "epilog"), args, strict=False)) | kwargs
        prog = given.get("prog")
        parser = Parser(node.lineno, given, prog if isinstance(prog, str) else self.prog, self.doubt)
        self.parsers.append(parser)
        if given.get("parents"):
            parser.adopt(given["parents"], node.lineno)
        if given.get("prefix_chars", "-") != "-" or "**" in given:
            self._lose(node, "options", "the parser is made with keywords that are not read")
        return parser

    def _on_parser(  # noqa: C901, PLR0911 - one case each
        self, receiver: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: ast.Call
    ) -> Value:
        parser = receiver if isinstance(receiver, Parser) else receiver.parser
        section = receiver if isinstance(receiver, Section) else Section(parser)
        match name:
            case "add_argument":
                return self._add_argument(section, args, kwargs, node)
            case "add_parser" if isinstance(receiver, Choice):
                return self._add_parser(receiver, [*args, kwargs.get("name")][0], kwargs, node)
            case "add_argument_group":
                title = [*args, kwargs.get("title")][0]
                return Section(parser, title if isinstance(title, str) else "", section.exclusive)
            case "add_mutually_exclusive_group":
                required = kwargs.get("required", False)
                exclusive = Exclusive(required if isinstance(required, Computed) else bool(required))
                parser.exclusives.append(exclusive)
                return Section(parser, section.title, exclusive)
            case "add_subparsers":
                parser.choice = Choice(parser, kwargs.get("required") is True)
                return parser.choice
            case "set_defaults" if "**" in kwargs:
                # Which ones is not known: no default of this parser is.
                parser.set_defaults({action.dest: kwargs["**"] for action in parser.actions})
                parser.given["argument_default"] = kwargs["**"]
            case "set_defaults":
                sure = self._certain(parser)
                parser.set_defaults({key: v if sure else Computed(key) for key, v in kwargs.items()})
            case _ if name in _PARSES:
                self.parsed.append((parser, _PARSES[name], self._certain(parser)))
                if _PARSES[name] and not self.doubt:
                    raise Decided
                what = Computed("what the operator gives")
                return what if _PARSES[name] else (what, what)
            case "pop":
                return section
            case _ if name not in _HARMLESS:
                self._lose(node, f"options added by {name}()", "a method that is not read")
        return None

    def _add_parser(self, choice: Choice, word: Value, kwargs: dict[str, Value], node: ast.Call) -> Value:
        given = {key: value for key, value in kwargs.items() if key not in {"help", "aliases", "name"}}
        parser = self._parser([], given, node)
        parser.below = True
        if not isinstance(word, str) or not self._certain(choice.parser):
            unsure = "is added only if a condition holds" if isinstance(word, str) else "its name is computed"
            self._lose(node, "a subcommand", unsure)
            return parser
        aliases = tuple(alias for alias in parts_of(kwargs.get("aliases", ())) if isinstance(alias, str))
        choice.entries.append((word, aliases, kwargs.get("help"), parser))
        return parser

    def _add_argument(
        self, section: Section, args: list[Value], kwargs: dict[str, Value], node: ast.Call
    ) -> Value:
        parser, words = section.parser, tuple(arg for arg in args if isinstance(arg, str))
        unknown = next((v for v in (*args, kwargs.get("**")) if isinstance(v, Computed)), None)
        reason = unknown.reason if unknown else "" if len(words) == len(args) else "its flags are not known"
        if not self._certain(parser) and not reason:
            reason = "is added only if a condition holds that the source does not decide"
        if reason:
            self._lose(node, ", ".join(words) or "an option", reason)
            raise LookupError
        given = {key: value for key, value in kwargs.items() if key not in {"action", "dest"}}
        if given.get("type") is None:
            given.pop("type", None)
        else:
            given["type"] = converter(given["type"])
        if isinstance(given.get("choices"), str | tuple | dict):
            given["choices"] = items_of(given["choices"])
        given = {
            key: value if isinstance(value, (*PLAIN, Computed, Converter)) else Computed(_keyword(node, key))
            for key, value in given.items()
        }
        flags = tuple(word for word in words if word.startswith("-"))
        dest = infer_dest(flags, kwargs.get("dest")) if flags else str((*words, kwargs.get("dest", ""))[0])
        kind = _action(kwargs.get("action"), node)
        action = RawAction(flags, dest, kind, given, "", node.lineno, parser.prog)
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


def adds(node: ast.AST) -> bool:
    """Whether an option is added here, to whatever."""
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument"


def _set_by_functions(tree: ast.Module) -> dict[str, bool]:
    """Return the names that functions set (True) or change (False) outside of themselves."""
    found: dict[str, bool] = {}
    for function in ast.walk(tree):
        for node in (
            ast.walk(function) if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) else ()
        ):
            changes = isinstance(node, ast.Attribute) and node.attr in CHANGING
            changes |= isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)
            name = getattr(node, "value", None)
            if changes and isinstance(name, ast.Name):
                found.setdefault(name.id, False)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                found |= dict.fromkeys(node.names, True)
    return found


def _stored(node: ast.AST) -> set[str]:
    """Return the names that a statement sets."""
    parts = list(ast.walk(node))
    found = {n.id for n in parts if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    found |= {(n.asname or n.name).partition(".")[0] for n in parts if isinstance(n, ast.alias)}
    return found | {
        n.name for n in parts if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def _truth(value: Value) -> bool | None:
    if isinstance(value, Outside) and value.name.endswith("TYPE_CHECKING"):
        return False
    return bool(value) if isinstance(value, (*PLAIN, *_ADDABLE, Function)) else None


def _holds_parser(value: Value) -> bool:
    if isinstance(value, Method):
        return isinstance(value.receiver, _ADDABLE)
    parts = value.names.values() if isinstance(value, Scope) else parts_of(value)
    return isinstance(value, _ADDABLE) or any(isinstance(part, _ADDABLE) for part in parts)


def _known(value: Any) -> Any:  # noqa: ANN401 - of the type that was asked about
    """Return a value that is known; LookupError for None."""
    if value is None:
        raise LookupError
    return value


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:100]


def _leaves(body: list[ast.stmt]) -> bool:
    """Whether a block surely does not go on behind its end."""
    last = body[-1]
    exits = isinstance(last, ast.Expr) and _text(last).startswith(("sys.exit(", "exit(", "os._exit("))
    return exits or isinstance(last, ast.Raise | ast.Return)
