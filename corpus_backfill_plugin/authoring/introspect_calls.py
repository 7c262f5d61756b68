"""Calls of argparse, of classes and of functions met while a source is followed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.authoring.introspect import Opaque, Unknown
from corpus_backfill_plugin.authoring.introspect_argparse import Choice, Exclusive, Parser, Section
from corpus_backfill_plugin.authoring.introspect_eval import Evaluator
from corpus_backfill_plugin.authoring.introspect_keywords import Made, raw_action
from corpus_backfill_plugin.authoring.introspect_values import (
    Func,
    Inst,
    Klass,
    Method,
    Ref,
    Value,
    outside,
    scalars,
)

if TYPE_CHECKING:
    from corpus_backfill_plugin.authoring.introspect_action import RawAction

_PARSER_NAMES = {"argparse.ArgumentParser", "configargparse.ArgumentParser", "configargparse.ArgParser"}
_PARSES = {
    "parse_args": True,
    "parse_intermixed_args": True,
    "parse_known_args": False,
    "parse_known_intermixed_args": False,
}
_HARMLESS = ("argcomplete.", "builtins.", "logging.", "typing.", "contextlib.", "functools.")


class Decided(BaseException):
    """The script has parsed its command line, for certain: what follows adds nothing to its parser."""


@dataclass(frozen=True)
class Parsed:
    """A call that reads the command line."""

    parser: Parser
    strict: bool
    doubtful: bool


@dataclass(eq=False)
class Added:
    """What `add_argument` returned: the action, which a script may change afterwards."""

    action: RawAction


@dataclass(eq=False)
class Super:
    """`super()` inside `method`, whose first argument is `receiver`."""

    receiver: Value
    method: Func

    def attribute(self, name: str) -> Value:
        """Return what the bases of the method's class have under `name`."""
        own = self.receiver.given.get("class") if isinstance(self.receiver, Parser) else None
        klass = self.receiver.klass if isinstance(self.receiver, Inst) else own
        owner = _owner(klass, self.method) if isinstance(klass, Klass) else None
        for base in owner.bases if owner else ():
            found = base.attribute(name) if isinstance(base, Klass) else None
            if isinstance(found, Func):
                return found.bind(self.receiver)
        return Method(self.receiver, name) if isinstance(self.receiver, Parser) else Opaque("a base's own")


def _owner(klass: Klass, method: Func) -> Klass | None:
    """Return the class, `klass` or a base of it, in whose body `method` stands."""
    if method.scope is klass.scope:
        return klass
    found = (_owner(base, method) for base in klass.bases if isinstance(base, Klass))
    return next((owner for owner in found if owner), None)


class Caller(Evaluator):
    """Knows what calls of argparse do. Statements, and so functions of the file, are left to a subclass."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file
        self.parsers: list[Parser] = []
        self.parsed: list[Parsed] = []
        self.lost: list[Unknown] = []
        self.frames: list[Func] = []

    def follow(self, function: Func, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Follow a call into a function of the file."""
        raise NotImplementedError

    def doubt_count(self) -> int:
        """Return how many undecided conditions surround the present statement."""
        raise NotImplementedError

    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Value:
        """Return what a call gives."""
        if isinstance(function, Func):
            return self.follow(function, args, kwargs)
        if isinstance(function, Klass):
            return self._instance(function, args, kwargs, node)
        if isinstance(function, Method):
            return self._method(function, args, kwargs, node)
        if isinstance(function, Ref):
            return self._outside_call(function, args, kwargs, node)
        if isinstance(function, Opaque):
            self._note_lost(function.reason, args, kwargs, node)
            return function
        return Opaque(f"not worked out: {ast.unparse(node)[:60]}")

    def _outside_call(self, ref: Ref, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Value:  # noqa: PLR0911 - a line for each callable
        if ref.name in _PARSER_NAMES:
            return self._parser(args, kwargs, node)
        if ref.name == "argparse.FileType":
            return Made(ref.name)
        if ref.name == "functools.partial" and args and isinstance(args[0], Func):
            return args[0]
        if ref.name == "builtins.super" and self.frames:
            return Super(self.frames[-1].bound, self.frames[-1])
        if ref.name == "builtins.getattr" and len(args) > 1:
            return self._getattr(args[0], args[1], node)
        if ref.name == "builtins.setattr" and len(args) > 1 and isinstance(args[1], str):
            self.set_attribute(args[0], args[1], args[-1])
            return None
        if ref.name == "builtins.vars" and args and isinstance(args[0], Inst):
            return args[0].attrs
        if not ref.name.startswith(_HARMLESS):
            self._note_lost(f"done by {ref.short}, which is not in this file", args, kwargs, node)
        return outside(ref, ast.unparse(node))

    def _getattr(self, receiver: Value, name: Value, node: ast.Call) -> Value:
        if isinstance(receiver, Parser | Section | Choice | Inst | Klass):
            if isinstance(name, str):
                attribute = ast.Attribute(value=node.args[0], attr=name, ctx=ast.Load())
                return self.attribute(receiver, name, ast.copy_location(attribute, node))
            if not isinstance(receiver, Inst | Klass):
                reason = name.reason if isinstance(name, Opaque) else "its name is no text"
                what = "what getattr() takes of a parser"
                self.lost.append(Unknown(node.lineno, what, reason, hides_options=True))
        return Opaque(f"not worked out: {ast.unparse(node)[:60]}")

    def _note_lost(self, reason: str, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> None:
        """Note that options may be missing: an `add_argument` on who knows what, or a parser given away."""
        if isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            flags = ", ".join(str(arg) for arg in args if isinstance(arg, str)) or "an option"
            self.lost.append(
                Unknown(
                    node.lineno,
                    flags,
                    f"is added to something that is not known: {reason}",
                    hides_options=True,
                )
            )
        elif any(isinstance(value, Parser | Section | Choice) for value in [*args, *kwargs.values()]):
            what = ast.unparse(node.func)
            self.lost.append(Unknown(node.lineno, f"options added by {what}()", reason, hides_options=True))

    def _parser(self, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Parser:
        given: dict[str, Any] = (
            dict(zip(("prog", "usage", "description", "epilog"), args, strict=False)) | kwargs
        )
        prog = given.get("prog")
        parser = Parser(node.lineno, given, prog if isinstance(prog, str) else self.file, self.doubt_count())
        self.parsers.append(parser)
        if given.get("parents"):
            parser.adopt(given["parents"], node.lineno)
        return parser

    def _instance(self, klass: Klass, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Value:
        if klass.is_enum:
            return next(
                (m for m in klass.members() if args and m.value == args[0]), Opaque(f"a {klass.name}")
            )
        init = klass.attribute("__init__")
        thing: Parser | Inst = Inst(klass)
        if klass.outside() & _PARSER_NAMES:
            # With an __init__ of its own, what it hands to super().__init__ counts.
            thing = self._parser([], {}, node) if init is not None else self._parser(args, kwargs, node)
            thing.given["class"] = klass
        if isinstance(init, Func):
            self.follow(init.bind(thing), args, kwargs)
        elif isinstance(thing, Inst) and not klass.outside():
            fields = [n for n, v in klass.scope.names.items() if not isinstance(v, Func)]
            thing.attrs |= dict(zip(fields, args, strict=False)) | kwargs
        elif isinstance(thing, Inst):
            thing.attrs |= kwargs
            names = [name for name in klass.scope.names if not name.startswith("_")]
            thing.attrs |= dict(zip(names, args, strict=False))
        return thing

    def attribute(self, value: Value, name: str, node: ast.Attribute) -> Value:  # noqa: C901, PLR0911 - a line for each object
        """Return `value.name` of an object of the file, or of argparse."""
        if isinstance(value, Klass):
            found = value.attribute(name)
            if isinstance(found, Func) and not isinstance(found.node, ast.Lambda):
                decorators = {ast.unparse(decorator) for decorator in found.node.decorator_list}
                return found.bind(value) if "classmethod" in decorators else found
            if found is None and name == "__members__" and value.is_enum:
                return {member.name: member for member in value.members()}
            return Opaque(f"'{name}' is not set in class {value.name}") if found is None else found
        if isinstance(value, Inst):
            if name in value.attrs:
                return value.attrs[name]
            found = value.klass.attribute(name)
            return (
                self._bound(found, value)
                if found is not None
                else Opaque(f"'{name}' is not set in this file")
            )
        if isinstance(value, Parser):
            klass = value.given.get("class")
            found = klass.attribute(name) if isinstance(klass, Klass) else None
            if isinstance(found, Func):
                return found.bind(value)
            if name in {"_optionals", "_positionals"}:
                return Section(value)
            if name == "_action_groups":
                # Scripts take one out and put it back behind their own, for the order of the help.
                value.sections = value.sections or [Section(value), Section(value)]
                return value.sections
            if name in {"prog", "description", "epilog"}:
                return value.prog if name == "prog" else value.given.get(name)
        if isinstance(value, Super):
            return value.attribute(name)
        if isinstance(value, Parser | Section | Choice):
            return Method(value, name)
        return Opaque(f"not worked out: {ast.unparse(node)[:60]}")

    def _bound(self, found: Value, receiver: Inst) -> Value:
        if not isinstance(found, Func) or isinstance(found.node, ast.Lambda):
            return found
        decorators = {ast.unparse(decorator) for decorator in found.node.decorator_list}
        if "staticmethod" in decorators:
            return found
        if "classmethod" in decorators:
            return found.bind(receiver.klass)
        method = found.bind(receiver)
        return (
            self.follow(method, [], {})
            if decorators & {"property", "cached_property", "functools.cached_property"}
            else method
        )

    def set_attribute(self, receiver: Value, name: str, value: Value) -> None:
        """Note what a script changes on a parser or an action after it was made."""
        if isinstance(receiver, Parser):
            receiver.given[name] = value
        elif isinstance(receiver, Added) and name in {
            "help",
            "default",
            "choices",
            "required",
            "metavar",
            "nargs",
            "const",
        }:
            receiver.action.given[name] = scalars(value)
        elif isinstance(receiver, Choice) and name == "required":
            receiver.required = value is True

    def _method(self, method: Method, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Value:  # noqa: C901, PLR0911 - a line for each method
        receiver, name = method.receiver, method.name
        if isinstance(receiver, Choice):
            return (
                self._add_parser(receiver, args, kwargs, node)
                if name == "add_parser"
                else Opaque("argparse's own")
            )
        section = receiver if isinstance(receiver, Section) else None
        parser = receiver.parser if isinstance(receiver, Section) else receiver
        if not isinstance(parser, Parser):
            return Opaque(f"not worked out: {ast.unparse(node)[:60]}")
        if name == "add_argument":
            return self._add_argument(parser, section, args, kwargs, node)
        if name == "add_argument_group":
            title = args[0] if args else kwargs.get("title")
            return Section(
                parser, title if isinstance(title, str) else "", section.exclusive if section else None
            )
        if name == "add_mutually_exclusive_group":
            required = kwargs.get("required", False)
            exclusive = Exclusive(required if isinstance(required, Opaque) else bool(required))
            parser.exclusives.append(exclusive)
            return Section(parser, section.title if section else "", exclusive)
        if name == "add_subparsers":
            parser.choice = Choice(parser, kwargs.get("required") is True)
            return parser.choice
        if name == "set_defaults":
            parser.set_defaults({key: scalars(value) for key, value in kwargs.items()})
            return None
        if name == "__init__":
            parser.given |= dict(zip(("prog", "usage", "description", "epilog"), args, strict=False)) | kwargs
            return None
        if name in _PARSES:
            doubtful = self.doubt_count() > parser.doubts
            self.parsed.append(Parsed(parser, _PARSES[name], doubtful))
            if _PARSES[name] and not self.doubt_count():
                raise Decided
            values = Opaque("what the operator gives")
            return values if _PARSES[name] else (values, Opaque("what the operator gives"))
        return Opaque("argparse's own")

    def _add_parser(
        self, choice: Choice, args: list[Value], kwargs: dict[str, Value], node: ast.Call
    ) -> Value:
        name = args[0] if args else kwargs.get("name")
        given = {key: value for key, value in kwargs.items() if key not in {"help", "aliases", "name"}}
        parser = self._parser([], given, node)
        parser.below = True
        if not isinstance(name, str):
            reason = name.reason if isinstance(name, Opaque) else "no text"
            self.lost.append(Unknown(node.lineno, "the name of a subcommand", reason, hides_options=True))
            return parser
        parser.prog = f"{choice.parser.prog} {name}" if "prog" not in kwargs else parser.prog
        if self.doubt_count() > choice.parser.doubts:
            self._doubtful(choice.parser, f"subcommand {name}", node)
            return parser
        aliases = kwargs.get("aliases")
        known = tuple(a for a in aliases if isinstance(a, str)) if isinstance(aliases, list | tuple) else ()
        choice.entries.append((name, known, kwargs.get("help", ""), parser))
        return parser

    def _doubtful(self, parser: Parser, what: str, node: ast.Call) -> None:
        reason = f"is added only if {self.in_doubt()}"
        parser.unknowns.append(Unknown(node.lineno, what, reason, hides_options=True))

    def _add_argument(
        self,
        parser: Parser,
        section: Section | None,
        args: list[Value],
        kwargs: dict[str, Value],
        node: ast.Call,
    ) -> Value:
        opaque = next((value for value in [*args, kwargs.get("**")] if isinstance(value, Opaque)), None)
        words = tuple(arg for arg in args if isinstance(arg, str))
        what = ", ".join(words) or str(kwargs.get("dest", "an option"))
        if opaque or len(words) != len(args):
            known = ", ".join(words) or "an option"
            why = opaque.reason if opaque else "its name is no text"
            parser.unknowns.append(Unknown(node.lineno, known, why, hides_options=True))
            return Opaque(why)
        if self.doubt_count() > parser.doubts:
            self._doubtful(parser, what, node)
            return Opaque(f"is added only if {self.in_doubt()}")
        action = raw_action(words, kwargs, node.lineno, parser.prog, self.items)
        return Added(parser.add(action, section))
