"""What a spec should say of one option of a script: the keys of its table, and what to tell its author."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.parsers.rules import is_run_of_integers
from corpus_backfill_plugin.specs.checks import RESERVED_OPTIONS, RESERVED_SHORTS
from corpus_backfill_plugin.specs.model import FLAG_PATTERN, NAME_PATTERN
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection

    from corpus_backfill_plugin.parsers.model import ParsedOption

LISTED_NUMBERS = 8
"""Whole numbers without a gap are written as choices up to so many, else as the smallest and the largest."""

_SECRET = re.compile(r"(^|-)(password|passwd|secret|token|api-?key|credentials?)($|-)")

_DEFAULT_STATED = re.compile(r"\s*[(\[]default(s to|:| is|=)?[^()\[\]]*[)\]]\.?$", re.IGNORECASE)
"""The end of a help text that states the default."""


@dataclass
class Proposal:
    """An `[[option]]` or `[[argument]]` to be.

    Attributes:
        table: keys in the order to be written.
        todo: what could not be known, and so is missing from the table.
        notes: what else its author should hear.
        unlisted: flags of the script's that it leaves out.
        usable: False when it is not known how the option takes its values: to be completed by hand.
    """

    table: dict[str, Any]
    todo: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    usable: bool = True

    @property
    def name(self) -> str:
        """The option's name in the spec."""
        return str(self.table["name"])


def propose_option(
    option: ParsedOption,
    *,
    taken: Collection[str] = (),
    shorts: Collection[str] = "",
    exclusive: bool = False,
    before: bool = False,
) -> Proposal:
    """Return the table for an option.

    Args:
        option: the script's.
        taken: names that other options of the spec have.
        shorts: letters that other options have, or that are in use by common ones.
        exclusive: whether it is one of a group of which one at most may be given.
        before: whether it stands before the subcommand.
    """
    name = _free(option_name(option.flag, option.dest), taken)
    table: dict[str, Any] = {"name": name}
    proposal = Proposal(table)
    flag = option.flag
    if not re.search(FLAG_PATTERN, flag):
        proposal.usable = False
        proposal.todo.append(f"'{flag}' cannot be written as a flag")
    elif flag != f"--{name}":
        table["flag"] = flag
    used = {*shorts, *RESERVED_SHORTS}
    letters = [f[1] for f in option.flags if re.fullmatch(r"-[A-Za-z0-9]", f) and f[1] not in used]
    if letters:
        table["short"] = letters[0]
    others = [option_name(f, "") for f in option.flags if f.startswith("--") and f != flag]
    aliases = [alias for alias in others if alias not in {*taken, *RESERVED_OPTIONS, name}]
    if aliases:
        table["aliases"] = aliases
    table |= value_keys(option, proposal, exclusive=exclusive)
    if str(table.get("negate", "")).lstrip("-") in {*RESERVED_OPTIONS, *taken}:
        proposal.unlisted.append(table.pop("negate"))
    if before:
        table["before-subcommand"] = True
    table |= _words(option, table)
    role = {"dry-run": "dry-run", "limit": "limit"}.get(name)
    fits = table.get("type") == ("bool" if role == "dry-run" else "int")
    if role and fits and not {"multiple", "nargs"} & table.keys():
        table["role"] = role
    if option.takes_value and _SECRET.search(name):
        proposal.notes.append(
            "if this is a secret, other users can see it on the script's command line: "
            'let the script read a variable, and write pass-env = "NAME" and secret = true'
        )
    _add_remarks(option, proposal)
    return proposal


def propose_argument(option: ParsedOption, *, taken: Collection[str] = (), last: bool = True) -> Proposal:
    """Return the table for a positional.

    Args:
        option: the script's.
        taken: names that others of the spec have.
        last: whether no positional comes after it.
    """
    name = _free(option_name(option.dest, option.dest), taken)
    proposal = Proposal({"name": name})
    keys = value_keys(option, proposal, exclusive=False)
    if keys.pop("multiple", None) or option.nargs in {"*", "+"}:
        keys["multiple"] = True
        keys.pop("default", None)
        if not last:
            proposal.usable = False
            proposal.todo.append("takes any number of words with more after it, which a spec cannot declare")
    keys.pop("value-optional", None)
    proposal.table |= keys | _words(option, keys)
    _add_remarks(option, proposal)
    return proposal


def _free(name: str, taken: Collection[str]) -> str:
    """Return `name`, or a name like it that nobody has."""
    if name in RESERVED_OPTIONS or name in taken:
        name = f"script-{name}"
    count = 2
    while name in taken or name in RESERVED_OPTIONS:
        name, count = f"{name.removesuffix(f'-{count - 1}')}-{count}", count + 1
    return name


def option_name(flag: str, dest: str) -> str:
    """Return the name that a spec gives to the script's `flag`: lower case words joined by dashes."""
    word = flag.lstrip("-")
    if len(word) == 1 and len(dest) > 1:
        word = dest
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", word)
    word = re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")[:50].strip("-")
    return word if re.search(NAME_PATTERN, word) else f"opt-{word}".strip("-")


def value_keys(option: ParsedOption, proposal: Proposal, *, exclusive: bool) -> dict[str, Any]:
    """Return the keys that say what values an option takes; what cannot be said goes to `proposal`."""
    if option.kind in {"true", "false", "const", "negatable"}:
        return _flag_keys(option)
    if option.kind == "count":
        return {"type": "count"} | ({"default-note": str(option.default)} if option.default else {})
    keys: dict[str, Any] = {}
    if option.type == "bool":
        proposal.notes.append(
            "WARNING: type=bool makes every text true, 'False' as well; only an empty one is false"
        )
        keys["choices"] = ["true", ""]
    elif option.type not in {"str", "other"}:
        keys["type"] = option.type
    if option.type == "other" and option.type_name:
        proposal.notes.append(f"the script makes of the text what {option.type_name}() gives")
    keys |= _allowed(option)
    keys |= _arity(option, proposal)
    if option.required and (option.flags or option.nargs != "*"):
        keys["required"] = True
    else:
        keys |= _default(option, keys, exclusive=exclusive)
    return keys


def _flag_keys(option: ParsedOption) -> dict[str, Any]:
    keys: dict[str, Any] = {"type": "bool"}
    if option.negative:
        keys["negate"] = option.negative
    if option.default_note:
        keys["default-note"] = option.default_note
    elif option.default is True and option.kind in {"negatable", "true"}:
        keys["default-note"] = "on"
    return keys


def _allowed(option: ParsedOption) -> dict[str, Any]:
    if len(option.choices) > LISTED_NUMBERS and is_run_of_integers(option.choices):
        return {"min": option.choices[0], "max": option.choices[-1]}
    keys: dict[str, Any] = {
        "choices": list(option.choices) or None,
        "ignore-case": option.ignore_case or None,
    }
    keys |= {"min": option.min, "max": option.max}
    return {key: value for key, value in keys.items() if value is not None}


def _arity(option: ParsedOption, proposal: Proposal) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    many = option.nargs in {"*", "+"}
    if option.kind == "append" and (many or option.nargs == "?"):
        proposal.notes.append("the script takes several values each time; here it gets one each time")
    if option.kind == "append" or (option.kind == "extend" and not many):
        keys["multiple"] = "repeat"
    elif many:
        keys["multiple"] = "spread"
    elif option.nargs == "?":
        keys["value-optional"] = True
        if option.flags and option.const is not None:
            proposal.notes.append(f"without a value it means {option.const}")
    if isinstance(option.nargs, int) and option.nargs > 1:
        keys["nargs"] = option.nargs
    return keys


def _default(option: ParsedOption, keys: dict[str, Any], *, exclusive: bool) -> dict[str, Any]:
    if option.default_note:
        return {"default-note": option.default_note}
    default = option.default
    if default is None:
        return {}
    shown = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    plain = not exclusive and option.kind == "value" and option.type != "bool"
    if not plain or not _sendable(default, option, keys):
        # What is added to, conflicts with others, or would be refused when given, is not to be sent.
        return {"default-note": shown} if shown else {}
    return {"default": list(default) if isinstance(default, tuple) else default}


def _sendable(default: object, option: ParsedOption, keys: dict[str, Any]) -> bool:
    """Whether the script would take its own default as a given value."""
    items = default if isinstance(default, tuple) else (default,)
    many = isinstance(option.nargs, int) or option.nargs in {"*", "+"}
    if isinstance(default, tuple) is not many:
        return False
    if isinstance(option.nargs, int) and len(items) != option.nargs:
        return False
    if any(
        isinstance(item, bool) or "\0" in str(item) or (many and str(item).startswith("-")) for item in items
    ):
        return False
    if option.type not in {"str", "other", "int", "float", "path"}:
        return False
    if "min" in keys and not all(keys["min"] <= item <= keys["max"] for item in items if "max" in keys):
        return False
    return not option.choices or all(item in option.choices for item in items)


def _words(option: ParsedOption, declared: dict[str, Any]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if option.metavar and option.takes_value and one_line(option.metavar) == option.metavar:
        keys["metavar"] = option.metavar
    # The command's own help states the default, from where it is declared.
    declares = declared.keys() & {"default", "default-note"}
    text = _DEFAULT_STATED.sub("", option.help) if declares else option.help
    if text:
        keys["help"] = text
    if option.hidden:
        keys["hidden"] = True
    return keys


def _add_remarks(option: ParsedOption, proposal: Proposal) -> None:
    at = f"line {option.line}: " if option.line else ""
    for part, reason in option.unsure.items():
        words = {"kind": "how it takes its values", "nargs": "how many values it takes"}.get(part, part)
        proposal.todo.append(f"{at}{words}: {reason}")
        if part in {"kind", "nargs"}:
            proposal.usable = False
    proposal.notes += option.notes
