"""From the words of an `add_argument` call to a `ParsedOption`, by argparse's own rules.

Pure, and the same for a call read in a source and for an action met in a run: what argparse makes of
`nargs`, `const`, a default given as text or a type that is a class is decided here alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.authoring.introspect import Kind, Opaque, ParsedOption, ParsedType

if TYPE_CHECKING:
    from corpus_backfill_plugin.spec.model import Scalar

SUPPRESS = "==SUPPRESS=="
"""The value of `argparse.SUPPRESS`."""

MAX_CHOICES = 200
"""More choices than these are not written down one by one."""


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
    """One `add_argument` as it was met. Any value may be an `Opaque`; absent keywords are absent in `given`.

    Attributes:
        action: argparse's word for it (`store`, `append` ...), or the name of a class of the script's.
        given: keyword to value, as far as given: nargs, const, default, type, choices, required, help,
            metavar.
        prog: what `%(prog)s` stands for.
    """

    flags: tuple[str, ...]
    dest: str
    action: str | Opaque
    given: dict[str, Any] = field(default_factory=dict)
    group: str = ""
    line: int = 0
    prog: str = ""

    @property
    def names(self) -> str:
        """The flags or the dest, for messages."""
        return next((f for f in self.flags if f.startswith("--")), (*self.flags, self.dest)[0])


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
SKIPPED_ACTIONS = frozenset({"help", "version"})
"""Actions that print something and end."""

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
    "os.path.abspath": "path",
    "os.path.expanduser": "path",
    "os.path.realpath": "path",
    "posixpath.abspath": "path",
    "posixpath.expanduser": "path",
    "posixpath.realpath": "path",
    "str.strip": "str",
}
_CASES = {"str.lower", "str.upper", "str.casefold"}


def to_option(raw: RawAction) -> ParsedOption:
    """Return what argparse would make of `raw`; what could not be known is in the result's `unsure`."""
    return _Reading(raw).option()


class _Reading:
    """The steps from one raw action to its option; `unsure` and `notes` gather on the way."""

    def __init__(self, raw: RawAction) -> None:
        self.raw = raw
        self.unsure: dict[str, str] = {}
        self.notes: list[str] = []
        self.default_note = ""

    def option(self) -> ParsedOption:
        raw = self.raw
        nargs = self._nargs()
        kind = self._kind(nargs)
        type_, type_name, members = self._type()
        if kind in {"true", "false", "const", "negatable", "count"}:
            type_, type_name, nargs = ("bool" if kind != "count" else "int"), "", None
        choices, ignore_case = self._choices(type_, type_name, members)
        default = self._default(kind, type_, members)
        required = self._required(nargs)
        text = self._text("help", "help")
        hidden = text == SUPPRESS
        return ParsedOption(
            flags=raw.flags,
            dest=raw.dest,
            kind=kind,
            type=type_,
            type_name=type_name,
            choices=choices,
            ignore_case=ignore_case,
            default=default,
            default_note=self.default_note,
            required=required,
            nargs=nargs if nargs != 1 else None,
            const=self._const(),
            help="" if hidden else self._expanded(text, default, choices, type_name or type_),
            metavar=self._metavar(),
            hidden=hidden,
            group=raw.group,
            negative=self._negative() if kind == "negatable" else "",
            unsure=self.unsure,
            notes=tuple(self.notes),
            line=raw.line,
        )

    def _nargs(self) -> Any:  # noqa: ANN401 - argparse's own mixture of numbers and signs
        nargs = self.raw.given.get("nargs")
        if isinstance(nargs, Opaque):
            self.unsure["nargs"] = nargs.reason
            return None
        if nargs in {"...", "A..."}:
            self.unsure["nargs"] = "takes all the words that remain, which a spec cannot declare"
            return "*"
        return nargs

    def _kind(self, nargs: object) -> Kind:
        action = self.raw.action
        if isinstance(action, Opaque):
            self.unsure["kind"] = action.reason
            return "custom"
        if action in _KINDS:
            return _KINDS[action]
        if action.startswith("met:"):
            # In a run the object itself says how many words it takes, whatever its class does with them.
            self.notes.append(f"handled by a class of the script's, {action[4:]}")
            return "const" if nargs == 0 else "value"
        self.unsure["kind"] = f"is handled by a class of the script's, {action}"
        return "custom"

    def _type(self) -> tuple[ParsedType, str, tuple[Member, ...]]:
        given = self.raw.given.get("type")
        if given is None:
            return "str", "", ()
        if isinstance(given, Opaque):
            self.unsure["type"] = given.reason
            return "other", "", ()
        name = given.name.removeprefix("builtins.")
        if name in _CASES:
            return "str", name, ()
        if name in _TYPES:
            return _TYPES[name], "", ()
        return "other", name.replace("<lambda>", "lambda"), given.members

    def _choices(
        self, type_: ParsedType, type_name: str, members: tuple[Member, ...]
    ) -> tuple[tuple[Scalar, ...], bool]:
        # `type=Color` refuses whatever is no value of the Enum, as choices would.
        given = self.raw.given.get("choices") or list(members)
        allowed = given if isinstance(given, Opaque) else _allowed(list(given), type_, type_name, members)
        if isinstance(allowed, Opaque):
            self.unsure["choices"] = allowed.reason
            return (), False
        folded = type_name in _CASES and all(getattr(item, type_name[4:])() == item for item in allowed)
        return allowed, folded and bool(allowed)

    def _default(
        self, kind: Kind, type_: ParsedType, members: tuple[Member, ...]
    ) -> Scalar | tuple[Scalar, ...] | None:
        given = self.raw.given.get("default")
        if isinstance(given, Opaque):
            if given.here_only:
                self.default_note = given.reason
            else:
                self.unsure["default"] = given.reason
            return None
        if kind in {"true", "false", "const", "negatable"}:
            return _switched(kind, given)
        if given is None or given is False or given == SUPPRESS:
            return None  # False is a script's way, too, to say that there is none
        if isinstance(given, Sequence | set | frozenset) and not isinstance(given, str):
            return self._several(list(given), kind, type_, members)
        if type_ == "other" and isinstance(given, int | float):
            # Argparse converts a default that is text; for this one, what word would give it is not known.
            self.default_note = str(given)
            return None
        return self._scalar(given, type_, members)

    def _several(
        self, given: list[object], kind: Kind, type_: ParsedType, members: tuple[Member, ...]
    ) -> Scalar | tuple[Scalar, ...] | None:
        if type_ == "other" and not all(isinstance(item, str) for item in given):
            self.unsure["default"] = "is what the script makes of words, and the words are not known"
            return None
        items = tuple(
            item for item in (self._scalar(one, type_, members) for one in given) if item is not None
        )
        if not items or len(items) != len(given):
            return None
        return items[0] if self.raw.given.get("nargs") == 1 and kind == "value" else items

    def _scalar(self, value: object, type_: ParsedType, members: tuple[Member, ...]) -> Scalar | None:
        """Return a default as the word that gives it; argparse converts a default that is text itself."""
        if isinstance(value, Member) and members:
            value = value.value
        try:
            converted = _converted(value, type_)
        except ValueError as error:
            self.unsure["default"] = str(error)
            return None
        return converted

    def _required(self, nargs: object) -> bool:
        raw = self.raw
        if not raw.flags:
            return nargs not in {"?", "*"}
        given = raw.given.get("required", False)
        if isinstance(given, Opaque):
            self.unsure["required"] = given.reason
            return False
        return bool(given)

    def _const(self) -> Scalar | None:
        const = self.raw.given.get("const")
        return const if isinstance(const, str | int | float) else None

    def _negative(self) -> str:
        return next(("--no-" + flag[2:] for flag in self.raw.flags if flag.startswith("--")), "")

    def _metavar(self) -> str | None:
        given = self.raw.given.get("metavar")
        if isinstance(given, list | tuple) and given and all(isinstance(word, str) for word in given):
            self.notes.append(f"its values are {' '.join(given)}")
            return None
        return given if isinstance(given, str) and given and not re.search(r"\s", given) else None

    def _text(self, keyword: str, part: str) -> str:
        given = self.raw.given.get(keyword)
        if isinstance(given, Opaque):
            self.unsure[part] = given.reason
        return given if isinstance(given, str) else ""

    def _expanded(self, text: str, default: object, choices: tuple[Scalar, ...], type_: str) -> str:
        given = self.raw.given.get("default")
        if isinstance(given, Opaque):
            default = given.reason
        elif isinstance(default, tuple) or default is None:
            default = given
        values = {key: value for key, value in self.raw.given.items() if not isinstance(value, Opaque)}
        values |= {
            "default": list(default) if isinstance(default, tuple) else default,
            "choices": ", ".join(map(str, choices)),
            "dest": self.raw.dest,
            "prog": self.raw.prog,
            "type": type_,
        }
        return expand(text, values)


def _allowed(  # noqa: PLR0911 - a line for each reason
    items: list[object], type_: ParsedType, type_name: str, members: tuple[Member, ...]
) -> tuple[Scalar, ...] | Opaque:
    """Return choices as the words that give them, or why these are not known."""
    opaque = next((item for item in items if isinstance(item, Opaque)), None)
    if opaque:
        return opaque
    if any(isinstance(item, Member) for item in items):
        values = [item.value for item in items if isinstance(item, Member)]
        texts = tuple(value for value in values if isinstance(value, str))
        if members and len(texts) == len(items):
            return texts
        return Opaque("members of an Enum, and how a word becomes one is the script's own")
    if len(items) > MAX_CHOICES and not is_run_of_integers(items):
        return Opaque(f"{len(items)} of them")
    if type_ == "other" and not all(isinstance(item, str) for item in items):
        return Opaque(f"what {type_name} makes of a word is compared, not the word")
    numbers: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float)}
    wanted = numbers.get(type_, (str,))
    found = tuple(item for item in items if isinstance(item, str | int | float) and isinstance(item, wanted))
    if len(found) != len(items):
        return Opaque(f"not all of them are of the type {type_}, so some can never be given")
    return found


def _switched(kind: Kind, given: object) -> bool | None:
    """Return what a flag leaves when it is not given, where that is worth telling."""
    if kind == "false":
        return given if isinstance(given, bool) else True
    if kind == "true":
        return True if given is True else None
    return given if kind == "negatable" and isinstance(given, bool) else None


def _converted(value: object, type_: ParsedType) -> Scalar:
    """Return a default as its type gives it; ValueError says why there is no such word."""
    if isinstance(value, Opaque):
        raise ValueError(value.reason)  # noqa: TRY004 - told like what else the default may be
    if not isinstance(value, str | int | float):
        raise ValueError(f"is an object of the script's, {type(value).__name__}")  # noqa: TRY004 - as above
    if type_ not in {"int", "float"}:
        return value if isinstance(value, str | bool) else str(value)
    try:
        number = (int if type_ == "int" and isinstance(value, str) else float)(value)
    except ValueError:
        raise ValueError(f"'{value}' is no {type_}") from None
    if type_ == "float":
        return float(number)
    if isinstance(value, float):
        raise ValueError(f"{value} is no whole number: a default only")  # noqa: TRY004 - as above
    return int(value)


def expand(text: str, values: Mapping[str, object]) -> str:
    """Return help text with its `%(name)s` filled in, on one line as argparse would flow it."""
    try:
        text = text % values if "%" in text else text
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
