"""argparse's own rules: what an option takes, by the description of a parser that `probe` gives.

They are the same for a parser made from a source and for one met in a run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
from corpus_backfill_plugin.parsers.probe import SUPPRESS, Computed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from corpus_backfill_plugin.specs.model import Scalar

MAX_CHOICES = 200
"""More choices than these are not written down one by one."""


@dataclass(frozen=True)
class Member:
    """A member of an Enum, which a command line has no word for."""

    name: str
    value: object


def value_of(described: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value as the probe describes it."""
    if not isinstance(described, dict):
        return described
    if described["is"] == "list":
        return [value_of(item) for item in described["items"]]
    if described["is"] == "member":
        return Member(described["name"], value_of(described["value"]))
    return Computed(described["text"])


def to_model(answer: Mapping[str, Any]) -> ParserModel:
    """Return the parser that the probe describes, its subcommands' parsers as well."""
    unknowns: list[Unknown] = []
    groups = _exclusives(answer, unknowns)
    prog = answer.get("prog", "")
    read = [to_option(action, prog) for action in answer["actions"] if action["class"] not in _PRINTING]
    unknowns += [Unknown(o.line, f"{o.flag} {part}", why) for o in read for part, why in o.unsure.items()]
    return ParserModel(
        library=answer["library"],
        description=_paragraphs(answer, "description", unknowns),
        epilog=_paragraphs(answer, "epilog", unknowns),
        options=tuple(option for option in read if option.flags),
        positionals=tuple(option for option in read if not option.flags),
        groups=groups,
        subcommands=tuple(
            Subcommand(
                name=sub["name"],
                aliases=tuple(sub.get("aliases", ())),
                help=_expanded(sub["help"], {"prog": sub["parser"].get("prog", "")}),
                parser=to_model(sub["parser"]),
            )
            for sub in answer["subcommands"]
        ),
        subcommand_required=answer["subcommand_required"],
        strict=answer["method"] == "parse_args",
        unknowns=tuple(sorted(dict.fromkeys(unknowns), key=lambda unknown: unknown.where)),
    )


def _paragraphs(answer: Mapping[str, Any], part: str, unknowns: list[Unknown]) -> str:
    text = value_of(answer[part])
    if isinstance(text, Computed):
        unknowns.append(Unknown(answer["line"], part, text.reason))
    paragraphs = re.split(r"\n\s*\n", text.strip()) if isinstance(text, str) else []
    return "\n\n".join(
        filter(None, (_expanded(part, {"prog": answer.get("prog", "")}) for part in paragraphs))
    )


def _exclusives(answer: Mapping[str, Any], unknowns: list[Unknown]) -> tuple[ExclusiveGroup, ...]:
    """Return the exclusive groups; of a required one with a single member the member is required."""
    groups = []
    for group in answer.get("exclusive", ()):
        inside = [answer["actions"][at] for at in group["members"]]
        members = tuple(ParsedOption(flags=tuple(each["flags"])).flag for each in inside if each["flags"])
        required = value_of(group["required"])
        if isinstance(required, Computed):
            line = inside[0]["line"] if inside else answer["line"]
            unknowns.append(Unknown(line, f"group of {', '.join(members)}", required.reason))
        required = required is True
        if len(members) > 1:
            groups.append(ExclusiveGroup(members, required and len(members) == len(inside)))
        elif required and len(inside) == 1 and members:
            inside[0]["required"] = True
    return tuple(groups)


_PRINTING = {"_HelpAction", "_VersionAction"}
"""Actions that print something and end."""

_KINDS: dict[str, Kind] = {
    "_StoreAction": "value", "_StoreTrueAction": "true", "_StoreFalseAction": "false",
    "_StoreConstAction": "const", "_AppendAction": "append", "_AppendConstAction": "const",
    "_ExtendAction": "extend", "_CountAction": "count", "BooleanOptionalAction": "negatable",
}  # fmt: skip
_TYPES: dict[str, ParsedType] = {
    "str": "str", "int": "int", "float": "float", "bool": "bool", "str.strip": "str",
    "pathlib.Path": "path", "pathlib.PurePath": "path", "pathlib.PosixPath": "path",
    "argparse.FileType": "path", "os.fspath": "path", "uuid.UUID": "uuid",
    "datetime.date.fromisoformat": "date", "date.fromisoformat": "date",
    "datetime.datetime.fromisoformat": "datetime", "datetime.fromisoformat": "datetime",
}  # fmt: skip
_PATHS = re.compile(r"(os\.path|posixpath)\.(abspath|expanduser|realpath)")
_CASES = {"str.lower", "str.upper", "str.casefold"}
_GIVEN = ("nargs", "const", "default", "choices", "required", "help", "metavar", "dest")


def to_option(action: Mapping[str, Any], prog: str) -> ParsedOption:
    """Return what argparse makes of an action; what could not be known is in the result's `unsure`."""
    unsure: dict[str, str] = {}
    notes: list[str] = list(action.get("notes", ()))
    given = {key: value_of(action.get(key)) for key in _GIVEN}
    for part in ("nargs", "required", "help"):
        if isinstance(given[part], Computed):
            unsure[part], given[part] = given[part].reason, None
    nargs = given["nargs"]
    if nargs in {"...", "A..."}:
        unsure["nargs"] = "takes all the words that remain, which a spec cannot declare"
        nargs = "*"
    kind = _kind(action, nargs, unsure, notes)
    type_, type_name, members = _type(action["type"], unsure)
    takes_value = kind in {"value", "append", "extend"}
    if not takes_value and kind != "custom":
        type_, type_name, nargs = ("bool" if kind != "count" else "int"), "", None
    if nargs == 0 and takes_value:
        unsure["nargs"], nargs = "takes no value, which argparse refuses", None
    # Those that turn a `negatable` off are added by argparse's class itself.
    added = {f"--no-{flag[2:]}" for flag in action["flags"] if kind == "negatable"}
    flags = tuple(flag for flag in action["flags"] if flag not in added)
    if not flags and not takes_value:
        unsure["kind"] = "is a positional that takes no value"
    choices = _choices(given["choices"], type_, type_name, members)
    if isinstance(choices, Computed):
        unsure["choices"], choices = choices.reason, ()
    folded = bool(choices) and type_name in _CASES
    folded = folded and all(getattr(item, type_name[4:])() == item for item in choices)
    default, note = _default(given, kind, type_, members, unsure)
    metavar = given["metavar"]
    if isinstance(metavar, list) and metavar and all(isinstance(word, str) for word in metavar):
        notes.append(f"its values are {' '.join(metavar)}")
    text = given["help"] or ""
    shown = given["default"] if default is None or isinstance(default, tuple) else default
    values = {key: value for key, value in given.items() if not isinstance(value, Computed)}
    values |= {"default": note or shown, "choices": ", ".join(map(str, choices))}
    values |= {"prog": prog, "type": type_name or type_}
    copied = {key: action[key] for key in ("dest", "min", "max", "group", "line") if key in action}
    return ParsedOption(
        **copied,
        flags=flags,
        kind=kind,
        type=type_,
        type_name=type_name,
        choices=choices,
        ignore_case=folded or action.get("ignore_case", False),
        default=default,
        default_note=note,
        required=bool(given["required"]) if flags else nargs not in {"?", "*"},
        nargs=nargs if nargs != 1 else None,
        const=given["const"] if isinstance(given["const"], str | int | float) else None,
        help=_expanded(text, values),
        metavar=metavar if isinstance(metavar, str) and re.fullmatch(r"\S+", metavar) else None,
        hidden=text == SUPPRESS or action.get("hidden", False),
        negative=action.get("negative")
        or next(("--no-" + f[2:] for f in flags if f.startswith("--") and kind == "negatable"), ""),
        unsure=unsure,
        notes=tuple(notes),
    )


def _kind(action: Mapping[str, Any], nargs: object, unsure: dict[str, str], notes: list[str]) -> Kind:
    if action.get("unread"):
        unsure["kind"] = action["unread"]
        return "custom"
    if action["class"] in _KINDS:
        return _KINDS[action["class"]]
    # In a run the object itself says how many words it takes, whatever its class does with them.
    notes.append(f"handled by a class of the script's, {action['class']}")
    return "const" if nargs == 0 else "value"


def _type(
    given: Mapping[str, Any] | None, unsure: dict[str, str]
) -> tuple[ParsedType, str, tuple[Member, ...]]:
    if given is None:
        return "str", "", ()
    if "name" not in given:
        unsure["type"] = value_of(given).reason
        return "other", "", ()
    name = given["name"].removeprefix("builtins.")
    if name in _CASES:
        return "str", name, ()
    if name in _TYPES or _PATHS.fullmatch(name):
        return _TYPES.get(name, "path"), "", ()
    return "other", name.replace("<lambda>", "lambda"), tuple(map(value_of, given["members"]))


def _choices(  # noqa: PLR0911 - a line for each reason
    given: Any,  # noqa: ANN401 - a list, or `Computed`
    type_: ParsedType,
    type_name: str,
    members: tuple[Member, ...],
) -> tuple[Scalar, ...] | Computed:
    """Return choices as the words that give them, or why these are not known."""
    # `type=Color` refuses whatever is no value of the Enum, as choices would.
    items = list(members) if given is None else given
    if isinstance(items, Computed):
        return items
    if unknown := next((item for item in items if isinstance(item, Computed)), None):
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
    value = given["default"]
    if isinstance(value, Computed):
        return None, value.text
    if kind == "false":
        return (value if isinstance(value, bool) else True), ""
    if kind in {"true", "const", "negatable"}:
        shown = (value is True and kind != "const") or (value is False and kind == "negatable")
        return (value if shown else None), ""
    if value is None or value is False or value == SUPPRESS:
        return None, ""  # False is a script's way, too, to say that there is none
    many = isinstance(value, list)
    if unknown := next((one for one in value if isinstance(one, Computed)), None) if many else None:
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
    return (items[0] if given["nargs"] == 1 and kind == "value" and items else items or None), ""


def _converted(value: object, type_: ParsedType, members: tuple[Member, ...]) -> Scalar:
    """Return a default as the word that gives it; ValueError says why there is none."""
    if isinstance(value, Member) and members:
        value = value.value
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


def _expanded(text: str, values: Mapping[str, object]) -> str:
    """Return help text with its `%(name)s` filled in, on one line as argparse would flow it."""
    if text == SUPPRESS:
        return ""
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
