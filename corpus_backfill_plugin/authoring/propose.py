"""What a spec should say of one option of a script: the keys of its table, and remarks for its author.

`specs new` writes the proposal, `specs check` compares it with what a spec says, `--fix` takes keys from it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from corpus_backfill_plugin.parsers.rules import is_run_of_integers
from corpus_backfill_plugin.specs.model import FLAG_PATTERN, NAME_PATTERN
from corpus_backfill_plugin.specs.rules.names import RESERVED_OPTIONS, RESERVED_SHORTS
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from corpus_backfill_plugin.parsers.model import ParsedOption, ParserModel

LISTED_NUMBERS = 8
"""Whole numbers without a gap are written as choices up to so many, else as the smallest and the largest."""

_SECRET = re.compile(r"(^|-)(password|passwd|secret|token|api-?key|credentials?)($|-)")

_DEFAULT_STATED = re.compile(r"\s*[(\[]default(s to|:| is|=)?[^()\[\]]*[)\]]\.?$", re.IGNORECASE)
"""The end of a help text that states the default."""

_REDRAWING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

_MANY = ("*", "+")


class Leaf(NamedTuple):
    """A parser without subcommands, the words that lead to it, and the parsers passed on the way."""

    words: tuple[str, ...]
    outer: tuple[ParserModel, ...]
    parser: ParserModel

    def options(self) -> list[tuple[ParsedOption, bool]]:
        """Return the options that a spec can send, and whether each has to come before the subcommand."""
        # argparse lets the subcommand decide about an option that both have.
        inner = {flag for option in self.parser.options for flag in option.flags}
        nearest = self.outer[-1].options if self.outer else ()
        passed = [(option, True) for option in nearest if not inner & set(option.flags)]
        return passed + [(option, False) for option in self.parser.options]


@dataclass
class Proposal:
    """An `[[option]]` or `[[argument]]` to be.

    Attributes:
        table: keys in the order to be written.
        kind: `option` or `argument`.
        todo: what could not be known, and so is missing from the table.
        unlisted: flags of the script's that it leaves out.
        usable: False when it is not known how the option takes its values: to be completed by hand.
    """

    table: dict[str, Any]
    kind: str = "option"
    todo: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    usable: bool = True

    @property
    def name(self) -> str:
        """The option's name in the spec."""
        return str(self.table["name"])

    def text(self) -> str:
        """Return it as TOML, the remarks above it; as comments alone when it is not usable."""
        body = toml_table(self.kind, self.table)
        rows = [
            *(f"# TODO: {one_line(text)}" for text in self.todo),
            *(f"# {one_line(n)}" for n in self.notes),
        ]
        return "\n".join([*rows, body if self.usable else commented(body)])

    def leave_open(self, reason: str) -> None:
        """Leave it to its author, who has to know more."""
        self.todo.append(reason)
        self.usable = False


def propose(
    parsed: ParsedOption,
    *,
    taken: Collection[str] = (),
    shorts: Collection[str] = (),
    exclusive: bool = False,
    before: bool = False,
    last: bool = True,
) -> Proposal:
    """Return the table for an option, or for a positional, which has no flags.

    Args:
        parsed: the script's.
        taken: names that others of the spec have.
        shorts: letters that other options have, or that are in use by common ones.
        exclusive: whether it is one of a group of which at most one may be given.
        before: whether it belongs before the subcommand.
        last: whether no positional comes after it.
    """
    name = _free(option_name(parsed.flag, parsed.dest), taken)
    proposal = Proposal({"name": name}, "option" if parsed.flags else "argument")
    keys = _value_keys(parsed, exclusive=exclusive)
    if parsed.flags:
        keys = _spellings(parsed, name, taken, shorts) | keys | {"before-subcommand": before}
        if not re.search(FLAG_PATTERN, parsed.flag):
            proposal.leave_open(f"'{parsed.flag}' cannot be written as a flag")
        if (keys.get("negate") or "").lstrip("-") in {*RESERVED_OPTIONS, *taken}:
            proposal.unlisted.append(keys.pop("negate"))
    elif keys.get("multiple"):
        keys |= {"multiple": True, "default": None}
        if not last:
            proposal.leave_open("takes any number of words with more after it, which a spec cannot declare")
    keys |= _words(parsed, stated=keys.get("default") is not None or bool(keys.get("default-note")))
    if parsed.flags:
        keys["role"] = _role(name, keys)
    zeros = {"default", "min", "max"}  # keys whose value may be 0 or an empty text
    proposal.table |= {k: v for k, v in keys.items() if v or (k in zeros and v is not None)}
    _add_remarks(parsed, proposal)
    return proposal


def option_name(flag: str, dest: str) -> str:
    """Return the name that a spec gives to the script's `flag`: lower case words joined by dashes."""
    word = flag.lstrip("-")
    if len(word) == 1 and len(dest) > 1:
        word = dest
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", word)
    word = re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")[:50].strip("-")
    return word if re.search(NAME_PATTERN, word) else f"opt-{word}".strip("-")


def toml(value: Any) -> str:  # noqa: ANN401 - whatever a spec can hold
    """Return a value as TOML on one line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        # JSON's escapes are TOML's; it lets pass what TOML forbids or a terminal would obey.
        clean = value.encode("utf-8", "replace").decode().replace("\0", "")
        return _REDRAWING.sub(lambda m: f"\\u{ord(m[0]):04X}", json.dumps(clean, ensure_ascii=False))
    return str(value).lower() if isinstance(value, bool) else repr(value)


def toml_table(kind: str, keys: dict[str, Any]) -> str:
    """Return a table of an array as TOML, a line each key."""
    return "\n".join([f"[[{kind}]]", *(f"{key} = {toml(value)}" for key, value in keys.items())])


def commented(text: str) -> str:
    """Return TOML as comments."""
    return "\n".join(row if row.startswith("#") else f"# {row}" for row in text.split("\n"))


def _free(name: str, taken: Collection[str]) -> str:
    """Return `name`, or a name like it that nobody has."""
    if name in RESERVED_OPTIONS or name in taken:
        name = f"script-{name}"
    count = 2
    while name in taken or name in RESERVED_OPTIONS:
        name, count = f"{name.removesuffix(f'-{count - 1}')}-{count}", count + 1
    return name


def _spellings(
    parsed: ParsedOption, name: str, taken: Collection[str], shorts: Collection[str]
) -> dict[str, Any]:
    letters = [flag[1] for flag in parsed.flags if re.fullmatch(r"-[A-Za-z0-9]", flag)]
    others = [option_name(flag, "") for flag in parsed.flags if flag.startswith("--") and flag != parsed.flag]
    own = parsed.flag != f"--{name}" and re.search(FLAG_PATTERN, parsed.flag)
    return {
        "flag": parsed.flag if own else None,
        "short": next((letter for letter in letters if letter not in {*shorts, *RESERVED_SHORTS}), None),
        "aliases": [alias for alias in others if alias not in {*taken, *RESERVED_OPTIONS, name}],
    }


def _value_keys(parsed: ParsedOption, *, exclusive: bool) -> dict[str, Any]:
    """Return the keys that say what values an option takes; one that says nothing is empty."""
    if parsed.kind == "count":
        return {"type": "count", "default-note": str(parsed.default) if parsed.default else None}
    if parsed.kind in {"true", "false", "const", "negatable"}:
        on = parsed.default is True and parsed.kind in {"negatable", "true"}
        note = parsed.default_note or ("on" if on else None)
        return {"type": "bool", "negate": parsed.negative, "default-note": note}
    choices, least, most = list(parsed.choices), parsed.min, parsed.max
    if len(choices) > LISTED_NUMBERS and is_run_of_integers(choices):
        choices, least, most = [], choices[0], choices[-1]  # type: ignore[assignment]  # they are integers
    many, repeated = parsed.nargs in _MANY, parsed.kind in {"append", "extend"}
    multiple = "repeat" if repeated and not (many and parsed.kind == "extend") else "spread" if many else None
    required = parsed.required and bool(parsed.flags or parsed.nargs != "*")
    return {
        "type": parsed.type if parsed.type not in {"str", "other", "bool"} else None,
        "choices": choices or (["true", ""] if parsed.type == "bool" else None),
        "ignore-case": parsed.ignore_case,
        "min": least,
        "max": most,
        "multiple": multiple,
        "value-optional": parsed.nargs == "?" and not multiple and bool(parsed.flags),
        "nargs": parsed.nargs if isinstance(parsed.nargs, int) and parsed.nargs > 1 else None,
        "required": required,
    } | ({} if required else _default(parsed, exclusive=exclusive))


def _default(parsed: ParsedOption, *, exclusive: bool) -> dict[str, Any]:
    default = parsed.default
    if parsed.default_note or default is None:
        return {"default-note": parsed.default_note}
    items = default if isinstance(default, tuple) else (default,)
    if not exclusive and parsed.kind == "value" and _sendable(items, parsed):
        return {"default": list(default) if isinstance(default, tuple) else default}
    # What is added to, conflicts with others, or would be refused when given, is not to be sent.
    return {"default-note": ", ".join(map(str, items))}


def _sendable(items: Collection[object], parsed: ParsedOption) -> bool:
    """Whether the script would take its own default as a given value."""
    many = isinstance(parsed.nargs, int) or parsed.nargs in _MANY
    if isinstance(parsed.default, tuple) is not many or parsed.type not in {
        "str",
        "other",
        "int",
        "float",
        "path",
    }:
        return False
    if isinstance(parsed.nargs, int) and len(items) != parsed.nargs:
        return False
    return not any(
        isinstance(item, bool)
        or "\0" in str(item)
        or (many and str(item).startswith("-"))
        or (parsed.choices and item not in parsed.choices)
        or _out_of_range(item, parsed)
        for item in items
    )


def _out_of_range(item: object, parsed: ParsedOption) -> bool:
    if not isinstance(item, int | float):
        return False
    return (parsed.min is not None and item < parsed.min) or (parsed.max is not None and item > parsed.max)


def _words(parsed: ParsedOption, *, stated: bool) -> dict[str, Any]:
    fits = parsed.takes_value and parsed.metavar and one_line(parsed.metavar) == parsed.metavar
    return {
        "metavar": parsed.metavar if fits else None,
        # The command's own help states the default, from where it is declared.
        "help": _DEFAULT_STATED.sub("", parsed.help) if stated else parsed.help,
        "hidden": parsed.hidden,
    }


def _role(name: str, keys: dict[str, Any]) -> str | None:
    fits = keys.get("type") == {"dry-run": "bool", "limit": "int"}.get(name, "")
    return name if fits and not keys.get("multiple") and not keys.get("nargs") else None


def _add_remarks(parsed: ParsedOption, proposal: Proposal) -> None:
    at = f"line {parsed.line}: " if parsed.line else ""
    for part, reason in parsed.unsure.items():
        words = {"kind": "how it takes its values", "nargs": "how many values it takes"}.get(part, part)
        proposal.todo.append(f"{at}{words}: {reason}")
        proposal.usable = proposal.usable and part not in {"kind", "nargs"}
    proposal.notes += [*_value_notes(parsed), *parsed.notes]


def _value_notes(parsed: ParsedOption) -> Iterator[str]:
    if not parsed.takes_value:
        return
    if parsed.type == "bool":
        yield "WARNING: type=bool makes every text true, 'False' as well; only an empty one is false"
    if parsed.type == "other" and parsed.type_name:
        yield f"the script makes of the text what {parsed.type_name}() gives"
    if parsed.kind == "append" and parsed.nargs in {*_MANY, "?"}:
        yield "the script takes several values each time; here it gets one each time"
    elif parsed.nargs == "?" and parsed.flags and parsed.const is not None:
        yield f"without a value it means {parsed.const}"
    if parsed.flags and _SECRET.search(option_name(parsed.flag, parsed.dest)):
        yield (
            "if this is a secret, other users can see it on the script's command line: "
            'let the script read a variable, and write pass-env = "NAME" and secret = true'
        )
