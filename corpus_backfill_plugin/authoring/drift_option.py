"""One option of a spec compared with the script's: what they take, both sides in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from corpus_backfill_plugin.authoring.propose import propose
from corpus_backfill_plugin.parsers.rules import is_run_of_integers
from corpus_backfill_plugin.specs.model import Option
from corpus_backfill_plugin.text import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from corpus_backfill_plugin.parsers.model import ParsedOption, ParserModel
    from corpus_backfill_plugin.specs.model import Argument

Change: TypeAlias = Literal[
    "removed", "added", "renamed", "type", "choices", "default", "required", "arity", "negate", "group",
    "common", "subcommand", "count", "unknown",
]  # fmt: skip
"""What sort of difference it is; `unknown` is a note that something could not be compared."""

Difference: TypeAlias = tuple[Change, str, str]
"""Its sort, the spec's key that it is at or would be at, and the problem with both sides."""

_FITTING = {
    "int": {"int"},
    "float": {"float"},
    # Values that a script takes as text may have a form that the spec checks before.
    "str": {"str", "path", "date", "datetime", "duration", "uuid"},
}
"""Types in the spec for a type of the script's; for others, the same and plain text."""


def differences(
    option: Option | Argument, parsed: ParsedOption, unlisted: Collection[str], parser: ParserModel | None
) -> Iterator[Difference]:
    """Yield what differs between an option or argument and the script's, `unlisted` aside.

    Without `parser`, whose other flags have to be known for it, `negate` is not compared.
    """
    for part, reason in parsed.unsure.items():
        if part not in {"help", "metavar"}:
            yield "unknown", "type" if part == "kind" else part, f"could not be compared: {reason}"
    if {"kind", "nargs"} & parsed.unsure.keys():
        return
    declared, proposed = msgspec.to_builtins(option), propose(parsed).table
    ours, theirs = arity(declared), arity(proposed)
    may_be_one = theirs == "a value or none" and ours == "one value"
    may_be_many = parsed.kind == "extend" and ours in {"any number of values", "one value each time"}
    if ours != theirs and not may_be_one and not may_be_many:
        yield "arity", _arity_key(declared, proposed), f"the spec has {ours}, the script takes {theirs}"
        return
    if parser is not None and isinstance(option, Option):
        yield from _negate(option, parsed, parser, unlisted)
    if parsed.takes_value and "type" not in parsed.unsure:
        fitting = _FITTING.get(parsed.type, {parsed.type, "str"})
        if option.type not in fitting and parsed.type not in {"other", "bool"}:
            yield "type", "type", f"the spec's type is {option.type}, the script's is {parsed.type}"
        if "choices" not in parsed.unsure:
            yield from _choices(option, parsed, unlisted)
    yield from _default(option, parsed)
    yield from _required(option, parsed)


def shape(parsed: ParsedOption) -> str:
    """Return what an option takes, in words: `one value, int, default 4`."""
    parts = [arity(propose(parsed).table)]
    if parsed.takes_value:
        plain = parsed.type in {"str", "other"}
        parts.append(listed(parsed.choices) if parsed.choices else "" if plain else parsed.type)
    parts.append("required" if parsed.required else "")
    if parsed.default is not None and parsed.takes_value:
        parts.append(f"default {_shown(parsed.default)}")
    return ", ".join(filter(None, parts))


def arity(keys: Mapping[str, Any]) -> str:
    """Return what follows an option on the command line, in words, from the keys of its table in a spec."""
    if keys.get("type") in {"bool", "count"}:
        return "a flag that is counted" if keys["type"] == "count" else "a flag"
    if keys.get("value-optional"):
        return "a value or none"
    if keys.get("multiple") in {"spread", True}:
        return "any number of values"
    each = f"{keys['nargs']} values" if keys.get("nargs") else "one value"
    return f"{each} each time" if keys.get("multiple") == "repeat" else each


def _arity_key(declared: Mapping[str, Any], proposed: Mapping[str, Any]) -> str:
    """Return the key at which the number of values is, or would be, declared."""
    if any(keys.get("type") in {"bool", "count"} for keys in (declared, proposed)):
        return "type"
    if declared.get("value-optional"):
        return "value-optional"
    return "multiple" if declared["multiple"] or proposed.get("multiple") else "nargs"


def _negate(
    option: Option, parsed: ParsedOption, parser: ParserModel, unlisted: Collection[str]
) -> Iterator[Difference]:
    theirs = {flag for other in parser.options for flag in (other.negative, *other.flags)}
    if option.negate and option.negate not in theirs and parser.complete:
        yield "negate", "negate", f"the spec turns it off by {option.negate}, the script does not have that"
    elif parsed.negative and option.negate is None and parsed.negative not in {option.script_flag, *unlisted}:
        yield "negate", "negate", f"the script turns it off by {parsed.negative}, the spec does not"


def _choices(
    option: Option | Argument, parsed: ParsedOption, unlisted: Collection[str]
) -> Iterator[Difference]:
    least, most = parsed.min, parsed.max
    if not option.choices and is_run_of_integers(parsed.choices):
        least, most = parsed.choices[0], parsed.choices[-1]  # type: ignore[assignment]  # they are integers
    if least is None and most is None:
        yield from _sets(option, parsed, unlisted)
    elif (option.min, option.max) != (least, most):
        ours, theirs = _between(option.min, option.max), _between(least, most)
        key = "min" if option.min != least else "max"
        yield "choices", key, f"the spec allows {ours}, the script {theirs}"


def _between(least: object, most: object) -> str:
    if least is None:
        return "any value" if most is None else f"{most} and less"
    return f"{least} and more" if most is None else f"{least} to {most}"


def _sets(option: Option | Argument, parsed: ParsedOption, unlisted: Collection[str]) -> Iterator[Difference]:
    ours, theirs = set(option.choices), set(parsed.choices)
    further = f"{parsed.flag}=*" in unlisted
    left_out = {choice for choice in theirs if further or f"{parsed.flag}={choice}" in unlisted}
    if not theirs and (not ours or further or parsed.type not in {"str", "int", "float"}):
        return
    if not ours or not theirs or ours - theirs or theirs - ours - left_out:
        sides = [listed(choices) or "any value" for choices in (option.choices, parsed.choices)]
        yield "choices", "choices", f"the spec allows {sides[0]}, the script {sides[1]}"
    elif option.ignore_case and not parsed.ignore_case:
        yield "choices", "ignore-case", "the spec takes choices in any case, the script as they are written"


def _default(option: Option | Argument, parsed: ParsedOption) -> Iterator[Difference]:
    if option.default is None or option.default_note or not parsed.default_known:
        return
    if parsed.kind in {"append", "extend"}:
        return  # what the spec sends is added to the script's own
    theirs = None if parsed.kind in {"false", "const"} else parsed.default
    if parsed.takes_value or parsed.kind in {"count", "custom"}:
        same = _same_value(option.default, theirs)
    else:
        same = (option.default or None) == (theirs or None)
    if not same:
        script = (
            "the script has no default" if theirs is None else f"the script's default is {_shown(theirs)}"
        )
        yield "default", "default", f"the spec sends {_shown(option.default)}, {script}"


def _same_value(ours: object, theirs: object) -> bool:
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        return len(ours) == len(theirs) and all(map(_same_value, ours, theirs))
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return str(ours).lower() == str(theirs).lower()
    return ours == theirs or str(ours) == str(theirs)


def _required(option: Option | Argument, parsed: ParsedOption) -> Iterator[Difference]:
    if "required" in parsed.unsure:
        return
    if parsed.required and not parsed.takes_value:
        yield "unknown", "required", "the script requires it, which a spec cannot say of a flag"
    elif parsed.required and not option.required and option.default is None and not option.required_if:
        yield "required", "required", "the script requires it, the spec does not"
    elif option.required and not parsed.required and not option.default_note:
        yield "required", "required", "the spec requires it, the script does not"


def _shown(value: object) -> str:
    return f"[{listed(value)}]" if isinstance(value, tuple) else quoted(value)
