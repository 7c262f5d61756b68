"""What a spec should say of one option of a script: the keys of its table, and remarks for its author.

`specs new` writes the proposal, `specs check` compares it with what a spec says, `--fix` takes keys from it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from corpus_backfill_plugin.parsers.rules import is_run_of_integers
from corpus_backfill_plugin.specs.checks import RESERVED_OPTIONS, RESERVED_SHORTS
from corpus_backfill_plugin.specs.model import FLAG_PATTERN, NAME_PATTERN
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from corpus_backfill_plugin.parsers.model import ParsedOption, ParserModel

_LISTED_NUMBERS = 8
"""Whole numbers without a gap are written as choices up to so many, else as `min` and `max`."""

_SECRET = re.compile(r"(^|-)(password|passwd|secret|token|api-?key|credentials?)($|-)")

_DEFAULT_STATED = re.compile(r"\s*[(\[]default(s to|:| is|=)?[^()\[\]]*[)\]]\.?$", re.IGNORECASE)
"""The end of a help text that states the default."""

_REDRAWING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_MANY = ("*", "+")
_UNSURE = {"kind": "how it takes its values", "nargs": "how many values it takes"}
"""What must be known of an option for a spec to declare it, in words."""


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


class Proposal(NamedTuple):
    """An `[[option]]` or `[[argument]]` to be; not `usable` when it has to be completed by hand.

    The remarks are comments for its author; `unlisted` is a flag that it leaves out, or nothing.
    """

    table: dict[str, Any]
    kind: str = "option"
    remarks: tuple[str, ...] = ()
    unlisted: str = ""
    usable: bool = True

    def text(self) -> str:
        """Return it as TOML, the remarks above it; as comments alone when it is not usable."""
        body = toml_table(self.kind, self.table)
        remarks = (f"# {one_line(text)}" for text in self.remarks)
        return "\n".join([*remarks, body if self.usable else commented(body)])


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

    `taken` are names and `shorts` letters that others of the spec have. `exclusive` is an option of a group,
    `before` one that belongs before the subcommand, `last` a positional that none follows.
    """
    name = _free(option_name(parsed.flag, parsed.dest), taken)
    keys, unlisted, obstacles = _value_keys(parsed, exclusive=exclusive), "", list[str]()
    if not parsed.flags and keys.get("multiple"):
        keys |= {"multiple": True, "default": None}
        if not last:
            obstacles.append("takes any number of words with more after it, which a spec cannot declare")
    elif parsed.flags and not re.search(FLAG_PATTERN, parsed.flag):
        obstacles.append(f"'{parsed.flag}' cannot be written as a flag")
    if keys.get("negate") and keys["negate"].lstrip("-") in {*RESERVED_OPTIONS, *taken}:
        unlisted = keys.pop("negate")
    keys = {"name": name, **_spellings(parsed, name, taken, shorts), **keys, **_words(parsed, keys)}
    keys["before-subcommand"] = before
    if parsed.flags and name in {"dry-run", "limit"} and plays(name, keys):
        keys["role"] = name
    zeros = {"default", "min", "max"}  # 0 and an empty text are values of these
    return Proposal(
        {key: keys[key] for key in keys if keys[key] or (key in zeros and keys[key] is not None)},
        "option" if parsed.flags else "argument",
        tuple(_remarks(parsed, obstacles)),
        unlisted,
        not obstacles and not _UNSURE.keys() & parsed.unsure.keys(),
    )


def claimed(table: Mapping[str, Any]) -> set[str]:
    """Return the names that no other option may have beside the one with these keys."""
    return {str(table["name"]), *map(str, table.get("aliases", ())), str(table.get("negate", "")).lstrip("-")}


def plays(role: str, keys: dict[str, Any]) -> bool:
    """Whether an option with these keys can have a role."""
    fits = {"dry-run": "bool", "limit": "int"}.get(role) in {None, keys.get("type")}
    return fits and not keys.get("multiple") and not keys.get("nargs")


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
    used = {*RESERVED_OPTIONS, *taken}
    name = f"script-{name}" if name in used else name
    others = (f"{name}-{count}" for count in range(2, len(used) + 3))
    return next(other for other in (name, *others) if other not in used)


def _spellings(
    parsed: ParsedOption, name: str, taken: Collection[str], shorts: Collection[str]
) -> dict[str, Any]:
    if not parsed.flags:
        return {}
    letters = [flag[1] for flag in parsed.flags if re.fullmatch(r"-[A-Za-z0-9]", flag)]
    others = [option_name(flag, "") for flag in parsed.flags if flag.startswith("--") and flag != parsed.flag]
    return {
        "flag": parsed.flag if parsed.flag != f"--{name}" and re.search(FLAG_PATTERN, parsed.flag) else None,
        "short": next((letter for letter in letters if letter not in {*shorts, *RESERVED_SHORTS}), None),
        "aliases": [alias for alias in others if alias not in {*taken, *RESERVED_OPTIONS, name}],
    }


def _value_keys(parsed: ParsedOption, *, exclusive: bool) -> dict[str, Any]:
    """Return the keys that say what values an option takes; one that says nothing is empty."""
    if parsed.kind == "count":
        return {"type": "count", "default-note": str(parsed.default or "")}
    if parsed.kind in {"true", "false", "const", "negatable"}:
        on = parsed.default is True and parsed.kind in {"negatable", "true"}
        return {"type": "bool", "negate": parsed.negative, "default-note": parsed.default_note or "on" * on}
    choices: Any = parsed.choices or (("true", "") if parsed.type == "bool" else ())
    least, most = parsed.min, parsed.max
    if len(choices) > _LISTED_NUMBERS and is_run_of_integers(choices):
        choices, least, most = (), choices[0], choices[-1]
    many, extends = parsed.nargs in _MANY, parsed.kind == "extend"
    repeated = parsed.kind == "append" or (extends and not many)
    required = parsed.required and bool(parsed.flags or parsed.nargs != "*")
    return {
        "type": parsed.type if parsed.type not in {"str", "other", "bool"} else None,
        "choices": choices,
        "ignore-case": parsed.ignore_case,
        "min": least,
        "max": most,
        "multiple": "repeat" if repeated else "spread" * many,
        "value-optional": parsed.nargs == "?" and not repeated and bool(parsed.flags),
        "nargs": parsed.nargs if isinstance(parsed.nargs, int) and parsed.nargs > 1 else None,
        "required": required,
        **({} if required else _default(parsed, exclusive=exclusive)),
    }


def _default(parsed: ParsedOption, *, exclusive: bool) -> dict[str, Any]:
    default = parsed.default
    if parsed.default_note or default is None:
        return {"default-note": parsed.default_note}
    items = default if isinstance(default, tuple) else (default,)
    if not exclusive and parsed.kind == "value" and _sendable(items, parsed):
        return {"default": default}
    # What is added to, conflicts with others, or would be refused when given, is not to be sent.
    return {"default-note": ", ".join(map(str, items))}


def _sendable(items: Collection[object], parsed: ParsedOption) -> bool:
    """Whether the script would take its own default as a given value."""
    many = isinstance(parsed.nargs, int) or parsed.nargs in _MANY
    known = parsed.type in {"str", "other", "int", "float", "path"}
    counted = not isinstance(parsed.nargs, int) or len(items) == parsed.nargs
    if not known or not counted or isinstance(parsed.default, tuple) is not many:
        return False
    return not any(
        isinstance(item, bool)
        or "\0" in str(item)
        or (many and str(item).startswith("-"))
        or (parsed.choices and item not in parsed.choices)
        or (isinstance(item, int | float) and parsed.min is not None and item < parsed.min)
        or (isinstance(item, int | float) and parsed.max is not None and item > parsed.max)
        for item in items
    )


def _words(parsed: ParsedOption, keys: dict[str, Any]) -> dict[str, Any]:
    fits = parsed.takes_value and one_line(parsed.metavar or "") == parsed.metavar
    stated = keys.get("default") is not None or keys.get("default-note")
    return {
        "before-subcommand": False,
        "metavar": parsed.metavar if fits else None,
        # The command's own help states the default, from where it is declared.
        "help": _DEFAULT_STATED.sub("", parsed.help) if stated else parsed.help,
        "hidden": parsed.hidden,
    }


def _remarks(parsed: ParsedOption, obstacles: list[str]) -> Iterator[str]:
    if parsed.group and parsed.flags:
        yield parsed.group
    yield from (f"TODO: {obstacle}" for obstacle in obstacles)
    at = f"line {parsed.line}: " if parsed.line else ""
    yield from (f"TODO: {at}{_UNSURE.get(part, part)}: {reason}" for part, reason in parsed.unsure.items())
    if parsed.takes_value and parsed.type == "bool":
        yield "WARNING: type=bool makes every text true, 'False' as well; only an empty one is false"
    if parsed.type == "other" and parsed.type_name:
        yield f"the script makes of the text what {parsed.type_name}() gives"
    if parsed.kind == "append" and parsed.nargs in {*_MANY, "?"}:
        yield "the script takes several values each time; here it gets one each time"
    elif parsed.nargs == "?" and parsed.flags and parsed.const is not None:
        yield f"without a value it means {parsed.const}"
    if parsed.flags and parsed.takes_value and _SECRET.search(option_name(parsed.flag, parsed.dest)):
        yield (
            "if this is a secret, other users can see it on the script's command line: "
            'let the script read a variable, and write pass-env = "NAME" and secret = true'
        )
    yield from parsed.notes
