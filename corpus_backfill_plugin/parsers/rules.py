"""argparse's own rules, for what a reader saw: parsers that only remember, and what an option then takes.

Pure, and the same for calls read in a source and for actions met in a run: what argparse makes of `nargs`,
`const`, a default given as text or a type that is a class is decided here alone.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.parsers.model import (
    ExclusiveGroup,
    Kind,
    ParsedOption,
    ParsedType,
    ParserModel,
    Subcommand,
    Unknown,
)

if TYPE_CHECKING:
    from corpus_backfill_plugin.specs.model import Scalar

SUPPRESS = "==SUPPRESS=="
"""The value of `argparse.SUPPRESS`."""

MAX_CHOICES = 200
"""More choices than these are not written down one by one."""


@dataclass(frozen=True)
class Computed:
    """Stands for a value that is no literal, by its source text or what else is known of it."""

    text: str

    @property
    def reason(self) -> str:
        """Why nothing more is known, for messages."""
        return f"computed when the script runs: {self.text}"


@dataclass(frozen=True)
class Member:
    """A member of an Enum, which a command line has no word for."""

    enum: str
    name: str
    value: object


@dataclass(frozen=True)
class Converter:
    """A callable given as `type`: its dotted name, and its values when it is an Enum."""

    name: str
    members: tuple[Member, ...] = ()


@dataclass
class RawAction:
    """One `add_argument` as it was met. Any value may be `Computed`.

    Attributes:
        action: argparse's word for it (`store`, `append` ...), or the name of a class of the script's.
        given: keyword to value, as far as given: nargs, const, default, type, choices, required, help,
            metavar.
        prog: what `%(prog)s` stands for.
    """

    flags: tuple[str, ...]
    dest: str
    action: str | Computed
    given: dict[str, Any] = field(default_factory=dict)
    group: str = ""
    line: int = 0
    prog: str = ""


@dataclass(eq=False)
class Exclusive:
    """A mutually exclusive group."""

    required: bool | Computed
    members: list[RawAction] = field(default_factory=list)


@dataclass(eq=False)
class Section:
    """An argument group: a place of its own to add to, with a title; perhaps exclusive."""

    parser: Parser
    title: str = ""
    exclusive: Exclusive | None = None


@dataclass(eq=False)
class Choice:
    """What `add_subparsers` gives."""

    parser: Parser
    required: bool
    entries: list[tuple[str, tuple[str, ...], Any, Parser]] = field(default_factory=list)


@dataclass(eq=False)
class Parser:
    """An ArgumentParser that was made at `line`, below the undecided conditions `doubt`."""

    line: int
    given: dict[str, Any]
    prog: str
    doubt: tuple[object, ...] = ()
    actions: list[RawAction] = field(default_factory=list)
    exclusives: list[Exclusive] = field(default_factory=list)
    choice: Choice | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    unknowns: list[Unknown] = field(default_factory=list)
    below: bool = False
    """Whether it belongs to another parser: a subcommand's, or a parent."""

    def adopt(self, parents: object, line: int) -> None:
        """Take over what `parents=[...]` have; note those that are not known."""
        for parent in parents if isinstance(parents, list | tuple) else [parents]:
            if not isinstance(parent, Parser):
                reason = parent.reason if isinstance(parent, Computed) else "no parser"
                self.unknowns.append(Unknown(line, "parents", reason, hides_options=True))
                continue
            parent.below = True
            self.actions += parent.actions
            self.exclusives += parent.exclusives
            self.defaults |= parent.defaults
            self.unknowns += parent.unknowns
            self.choice = self.choice or parent.choice

    def add(self, action: RawAction, section: Section | None) -> None:
        """Add an option or positional, as argparse does: to its group, with the parser's defaults."""
        if section:
            action.group = action.group or section.title
        if "default" not in action.given:
            if action.dest in self.defaults:
                action.given["default"] = self.defaults[action.dest]
            elif self.given.get("argument_default") is not None:
                action.given["default"] = self.given["argument_default"]
        if self.given.get("conflict_handler") == "resolve":
            self._give_way(action.flags)
        self.actions.append(action)
        if section and section.exclusive:
            section.exclusive.members.append(action)

    def _give_way(self, flags: tuple[str, ...]) -> None:
        """Take `flags` from the actions that had them; one left without any is gone."""
        kept = [
            replace(a, flags=tuple(flag for flag in a.flags if flag not in flags)) if a.flags else a
            for a in self.actions
        ]
        self.actions = [
            new for new, old in zip(kept, self.actions, strict=True) if new.flags or not old.flags
        ]

    def set_defaults(self, values: dict[str, Any]) -> None:
        """Change the defaults of what was added, and remember them for what will be."""
        self.defaults |= values
        for action in self.actions:
            if action.dest in values:
                action.given["default"] = values[action.dest]


def infer_dest(flags: tuple[str, ...], given: object) -> str:
    """Return the dest of an action: as given, else from its first long flag, else from its first."""
    if isinstance(given, str):
        return given
    first = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else "")
    return first.lstrip("-").replace("-", "_")


SKIPPED_ACTIONS = frozenset({"help", "version"})
"""Actions that print something and end."""


def to_model(parser: Parser, *, strict: bool = True) -> ParserModel:
    """Return what `parser` remembers as a value, its subcommands' parsers as well."""
    for exclusive in parser.exclusives:
        if exclusive.required is True and len(exclusive.members) == 1 and exclusive.members[0].flags:
            exclusive.members[0].given["required"] = True
    read = {id(a): to_option(a) for a in parser.actions if a.action not in SKIPPED_ACTIONS}
    unknowns = list(parser.unknowns)
    for option in read.values():
        unknowns += [
            Unknown(option.line, f"{option.flag} {part}", why) for part, why in option.unsure.items()
        ]
    description, epilog = (_paragraphs(parser, keyword, unknowns) for keyword in ("description", "epilog"))
    groups = _exclusives(parser, read, unknowns)
    return ParserModel(
        description=description,
        epilog=epilog,
        options=tuple(option for option in read.values() if option.flags),
        positionals=tuple(option for option in read.values() if not option.flags),
        groups=tuple(groups),
        subcommands=tuple(_subcommand(*entry) for entry in (parser.choice.entries if parser.choice else ())),
        subcommand_required=bool(parser.choice and parser.choice.required),
        strict=strict,
        unknowns=tuple(sorted(dict.fromkeys(unknowns), key=lambda unknown: unknown.where)),
    )


def _paragraphs(parser: Parser, keyword: str, unknowns: list[Unknown]) -> str:
    given = parser.given.get(keyword)
    if isinstance(given, Computed):
        unknowns.append(Unknown(parser.line, keyword, given.reason))
    if not isinstance(given, str) or given == SUPPRESS:
        return ""
    paragraphs = [expand(part, {"prog": parser.prog}) for part in re.split(r"\n\s*\n", given.strip())]
    return "\n\n".join(part for part in paragraphs if part)


def _subcommand(name: str, aliases: tuple[str, ...], text: object, parser: Parser) -> Subcommand:
    shown = text if isinstance(text, str) and text != SUPPRESS else ""
    told = expand(shown, {"prog": parser.prog})
    return Subcommand(name=name, aliases=aliases, help=told, parser=to_model(parser))


def _exclusives(
    parser: Parser, read: dict[int, ParsedOption], unknowns: list[Unknown]
) -> list[ExclusiveGroup]:
    groups = []
    for exclusive in parser.exclusives:
        members = tuple(read[id(a)].flag for a in exclusive.members if a.flags and id(a) in read)
        if isinstance(exclusive.required, Computed):
            line = exclusive.members[0].line if exclusive.members else parser.line
            unknowns.append(Unknown(line, f"group of {', '.join(members)}", exclusive.required.reason))
        required = exclusive.required is True and len(members) == len(exclusive.members)
        if len(members) > 1:
            groups.append(ExclusiveGroup(members, required))
    return groups


_KINDS: dict[str, Kind] = {
    "store": "value",
    "store_true": "true",
    "store_false": "false",
    "store_const": "const",
    "append": "append",
    "append_const": "const",
    "extend": "extend",
    "count": "count",
    "boolean_optional": "negatable",
}
_TYPES: dict[str, ParsedType] = {
    "str": "str",
    "int": "int",
    "float": "float",
    "bool": "bool",
    "pathlib.Path": "path",
    "pathlib.PurePath": "path",
    "pathlib.PosixPath": "path",
    "datetime.date.fromisoformat": "date",
    "date.fromisoformat": "date",
    "datetime.datetime.fromisoformat": "datetime",
    "datetime.fromisoformat": "datetime",
    "uuid.UUID": "uuid",
    "argparse.FileType": "path",
    "os.fspath": "path",
    "str.strip": "str",
}
_PATHS = re.compile(r"(os\.path|posixpath)\.(abspath|expanduser|realpath)")
_CASES = {"str.lower", "str.upper", "str.casefold"}


def to_option(raw: RawAction) -> ParsedOption:
    """Return what argparse would make of `raw`; what could not be known is in the result's `unsure`."""
    unsure: dict[str, str] = {}
    notes: list[str] = []
    given = dict(raw.given)
    nargs = given.get("nargs")
    if nargs in {"...", "A..."}:
        unsure["nargs"] = "takes all the words that remain, which a spec cannot declare"
        nargs = "*"
    for part in ("nargs", "required", "help"):
        if isinstance(given.get(part), Computed):
            unsure[part] = given.pop(part).reason
            nargs = None if part == "nargs" else nargs
    kind = _kind(raw.action, nargs, unsure, notes)
    type_, type_name, members = _type(given.get("type"), unsure)
    if kind in {"true", "false", "const", "negatable", "count"}:
        type_, type_name, nargs = ("bool" if kind != "count" else "int"), "", None
    if nargs == 0 and kind in {"value", "append", "extend"}:
        unsure["nargs"], nargs = "takes no value, which argparse refuses", None
    if not raw.flags and kind not in {"value", "append", "extend"}:
        unsure["kind"] = "is a positional that takes no value"
    choices, ignore_case = _choices(given.get("choices"), type_, type_name, members, unsure)
    default, note = _default(given, kind, type_, members, unsure)
    metavar = given.get("metavar")
    if isinstance(metavar, list | tuple) and metavar and all(isinstance(word, str) for word in metavar):
        notes.append(f"its values are {' '.join(metavar)}")
    text = str(given.get("help") or "")
    values = {key: value for key, value in given.items() if not isinstance(value, Computed)} | {
        "default": note
        or (given.get("default") if default is None or isinstance(default, tuple) else default),
        "choices": ", ".join(map(str, choices)),
        "dest": raw.dest,
        "prog": raw.prog,
        "type": type_name or type_,
    }
    return ParsedOption(
        flags=raw.flags,
        dest=raw.dest,
        kind=kind,
        type=type_,
        type_name=type_name,
        choices=choices,
        ignore_case=ignore_case,
        default=default,
        default_note=note,
        required=bool(given.get("required")) if raw.flags else nargs not in {"?", "*"},
        nargs=nargs if nargs != 1 else None,
        const=given.get("const") if isinstance(given.get("const"), str | int | float) else None,
        help="" if text == SUPPRESS else expand(text, values),
        metavar=metavar if isinstance(metavar, str) and re.fullmatch(r"\S+", metavar) else None,
        hidden=text == SUPPRESS,
        group=raw.group,
        negative=next(("--no-" + f[2:] for f in raw.flags if f.startswith("--") and kind == "negatable"), ""),
        unsure=unsure,
        notes=tuple(notes),
        line=raw.line,
    )


def _kind(action: str | Computed, nargs: object, unsure: dict[str, str], notes: list[str]) -> Kind:
    if isinstance(action, Computed):
        unsure["kind"] = action.reason
    elif action in _KINDS:
        return _KINDS[action]
    elif action.startswith("met:"):
        # In a run the object itself says how many words it takes, whatever its class does with them.
        notes.append(f"handled by a class of the script's, {action[4:]}")
        return "const" if nargs == 0 else "value"
    else:
        unsure["kind"] = f"is handled by a class of the script's, {action}"
    return "custom"


def _type(given: object, unsure: dict[str, str]) -> tuple[ParsedType, str, tuple[Member, ...]]:
    if given is None:
        return "str", "", ()
    if not isinstance(given, Converter):
        unsure["type"] = given.reason if isinstance(given, Computed) else "is an object of the script's"
        return "other", "", ()
    name = given.name.removeprefix("builtins.")
    if name in _CASES:
        return "str", name, ()
    if name in _TYPES or _PATHS.fullmatch(name):
        return _TYPES.get(name, "path"), "", ()
    return "other", name.replace("<lambda>", "lambda"), given.members


def _choices(
    given: object, type_: ParsedType, type_name: str, members: tuple[Member, ...], unsure: dict[str, str]
) -> tuple[tuple[Scalar, ...], bool]:
    # `type=Color` refuses whatever is no value of the Enum, as choices would.
    items = list(members) if given is None else given
    allowed = _allowed(list(items), type_, type_name, members) if isinstance(items, Sequence) else items
    if not isinstance(allowed, tuple):
        unsure["choices"] = allowed.reason if isinstance(allowed, Computed) else "no list"
        return (), False
    folded = type_name in _CASES and all(getattr(item, type_name[4:])() == item for item in allowed)
    return allowed, folded and bool(allowed)


def _allowed(  # noqa: PLR0911 - a line for each reason
    items: list[object], type_: ParsedType, type_name: str, members: tuple[Member, ...]
) -> tuple[Scalar, ...] | Computed:
    """Return choices as the words that give them, or why these are not known."""
    unknown = next((item for item in items if isinstance(item, Computed)), None)
    if unknown:
        return unknown
    if any(isinstance(item, Member) for item in items):
        texts = tuple(i.value for i in items if isinstance(i, Member) and isinstance(i.value, str))
        if members and len(texts) == len(items):
            return texts
        return Computed("members of an Enum, and how a word becomes one is the script's own")
    if len(items) > MAX_CHOICES and not is_run_of_integers(items):
        return Computed(f"{len(items)} of them")
    converted = type_ in {"date", "datetime", "uuid", "path"} and items
    if converted or (type_ == "other" and not all(isinstance(item, str) for item in items)):
        return Computed(f"what {type_name or type_} makes of a word is compared, not the word")
    numbers: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float)}
    wanted = numbers.get(type_, (str,))
    found = tuple(item for item in items if isinstance(item, str | int | float) and isinstance(item, wanted))
    if any(isinstance(item, str) and "\0" in item for item in found):
        return Computed("one of them holds a NUL character, which no argument can carry")
    if len(found) != len(items) or any(isinstance(item, bool) for item in found):
        return Computed(f"not all of them are of the type {type_}, so some can never be given")
    return tuple(dict.fromkeys(found))


def _default(  # noqa: PLR0911 - a line for each sort of default
    given: dict[str, Any], kind: Kind, type_: ParsedType, members: tuple[Member, ...], unsure: dict[str, str]
) -> tuple[Scalar | tuple[Scalar, ...] | None, str]:
    """Return the default and, where it is no literal, the note that says what it is."""
    value = given.get("default")
    if isinstance(value, Computed):
        return None, value.text
    if kind == "false":
        return (value if isinstance(value, bool) else True), ""
    if kind in {"true", "const", "negatable"}:
        shown = value is True or (value is False and kind == "negatable")
        shown = shown and kind != "const"
        return (value if shown else None), ""
    if value is None or value is False or value == SUPPRESS:
        return None, ""  # False is a script's way, too, to say that there is none
    many = isinstance(value, Sequence | set | frozenset) and not isinstance(value, str)
    unknown = next((one for one in value if isinstance(one, Computed)), None) if many else None
    if unknown:
        return None, unknown.text
    if type_ == "other" and isinstance(value, int | float):
        # Argparse converts a default that is text; for this one, what word would give it is not known.
        return None, str(value)
    try:
        if not many:
            return _converted(value, type_, members), ""
        if type_ == "other" and not all(isinstance(item, str) for item in value):
            unsure["default"] = "is what the script makes of words, and the words are not known"
            return None, ""
        items = tuple(_converted(one, type_, members) for one in value)
    except ValueError as error:
        unsure["default"] = str(error)
        return None, ""
    return (items[0] if given.get("nargs") == 1 and kind == "value" and items else items or None), ""


def _converted(value: object, type_: ParsedType, members: tuple[Member, ...]) -> Scalar:
    """Return a default as the word that gives it; ValueError says why there is none."""
    if isinstance(value, Member) and members:
        value = value.value
    if isinstance(value, pathlib.PurePath):
        value = str(value)
    if not isinstance(value, str | int | float):
        raise ValueError(f"is an object of the script's, {type(value).__name__}")  # noqa: TRY004 - a reason
    if type_ not in {"int", "float"}:
        return value if isinstance(value, str | bool) else str(value)
    try:
        number = (int if type_ == "int" and isinstance(value, str) else float)(value)
    except (ValueError, OverflowError):
        raise ValueError(f"'{value}' is no {type_}") from None
    if type_ == "float":
        return float(number)
    if isinstance(value, float):
        raise ValueError(f"{value} is no whole number: a default only")  # noqa: TRY004 - a reason
    return int(value)


_WIDE = re.compile(r"%(\(\w+\))?[^a-zA-Z%]*\d{4}")
"""A width that would make a text of any size."""


def expand(text: str, values: Mapping[str, object]) -> str:
    """Return help text with its `%(name)s` filled in, on one line as argparse would flow it."""
    try:
        text = text % values if "%" in text and not _WIDE.search(text) else text
    except (KeyError, ValueError, TypeError):
        # argparse itself would stop with an error here, only at --help; the plain text is better than none.
        text = re.sub(r"%\(\w+\)[sdr]", "", text)
    return " ".join(text.split())


def is_run_of_integers(items: Sequence[object]) -> bool:
    """Whether these are whole numbers without a gap, which a smallest and a largest describe."""
    first = items[0] if items else None
    if not isinstance(first, int) or isinstance(first, bool):
        return False
    return all(isinstance(item, int) and item == first + at for at, item in enumerate(items))
