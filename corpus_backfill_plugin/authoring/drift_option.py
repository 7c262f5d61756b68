"""One option of a spec compared with the script's: what they take, both sides in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from corpus_backfill_plugin.parsers.rules import is_run_of_integers
from corpus_backfill_plugin.specs.model import Argument, Option
from corpus_backfill_plugin.text import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from corpus_backfill_plugin.parsers.model import ParsedOption, ParserModel

OptionChange: TypeAlias = Literal["type", "choices", "default", "required", "arity", "negate", "unknown"]

_FORMS_OF_TEXT = {"str", "path", "date", "datetime", "duration", "uuid"}
"""Types whose values a script may take as text; the spec checks their form before."""


class Difference(msgspec.Struct, frozen=True):
    """One thing that differs, under the key of the spec that it stands at or would stand at."""

    change: OptionChange
    key: str
    problem: str
    certain: bool = True


def differences(
    option: Option | Argument, parsed: ParsedOption, unlisted: Collection[str], parser: ParserModel | None
) -> Iterator[Difference]:
    """Yield what differs between an option or argument and the script's.

    Args:
        option: the spec's.
        parsed: the script's.
        unlisted: what the spec leaves out on purpose.
        parser: the parser that `parsed` belongs to, to know its other flags by; None skips `negate`.
    """
    for part, reason in parsed.unsure.items():
        if part not in {"help", "metavar"}:
            key = "type" if part == "kind" else part
            yield Difference("unknown", key, f"could not be compared: {reason}", certain=False)
    if "kind" in parsed.unsure or "nargs" in parsed.unsure:
        return
    ours, theirs = _arity(option), _parsed_arity(parsed)
    if not _same_arity(ours, theirs, parsed):
        key = _arity_key(option, parsed)
        yield Difference("arity", key, f"the spec has {ours}, the script takes {theirs}")
        return
    if parser is not None and isinstance(option, Option):
        yield from _negate(option, parsed, parser, unlisted)
    if parsed.takes_value:
        yield from _type(option, parsed)
        yield from _choices(option, parsed, unlisted)
    yield from _default(option, parsed)
    yield from _required(option, parsed)


def shape(parsed: ParsedOption) -> str:
    """Return what an option takes, in words: `whole number, default 4`."""
    parts = [_parsed_arity(parsed)]
    if parsed.takes_value:
        if parsed.choices:
            parts.append(_listed(parsed.choices))
        elif parsed.type not in {"str", "other"}:
            parts.append(parsed.type)
    if parsed.required:
        parts.append("required")
    if parsed.default is not None and parsed.takes_value:
        parts.append(f"default {_shown(parsed.default)}")
    return ", ".join(parts)


def _arity(option: Option | Argument) -> str:
    if option.type == "bool":
        return "a flag"
    if option.type == "count":
        return "a flag that is counted"
    each = f"{option.nargs} values" if option.nargs else "one value"
    if isinstance(option, Argument):
        return "any number of values" if option.multiple else each
    if option.value_optional:
        return "a value or none"
    if option.multiple == "spread":
        return "any number of values"
    return f"{each} each time" if option.multiple == "repeat" else each


def _parsed_arity(parsed: ParsedOption) -> str:
    if parsed.kind == "count":
        return "a flag that is counted"
    if not parsed.takes_value:
        return "a flag"
    each = f"{parsed.nargs} values" if isinstance(parsed.nargs, int) else "one value"
    if parsed.kind == "append" or (parsed.kind == "extend" and parsed.nargs not in {"*", "+"}):
        return f"{each} each time"
    if parsed.nargs in {"*", "+"}:
        return "any number of values"
    return "a value or none" if parsed.nargs == "?" and parsed.flags else each


def _same_arity(ours: str, theirs: str, parsed: ParsedOption) -> bool:
    if ours == theirs or (theirs == "a value or none" and ours == "one value"):
        return True
    return parsed.kind == "extend" and ours in {"any number of values", "one value each time"}


def _arity_key(option: Option | Argument, parsed: ParsedOption) -> str:
    """Return the key at which the number of values is, or would be, declared."""
    if option.type in {"bool", "count"} or not parsed.takes_value:
        return "type"
    if isinstance(option, Option) and option.value_optional:
        return "value-optional"
    if option.multiple or parsed.kind in {"append", "extend"} or parsed.nargs in {"*", "+"}:
        return "multiple"
    return "nargs"


def _negate(
    option: Option, parsed: ParsedOption, parser: ParserModel, unlisted: Collection[str]
) -> Iterator[Difference]:
    theirs = {flag for other in parser.options for flag in (other.negative, *other.flags)}
    known = {option.script_flag, *unlisted}
    if option.negate and option.negate not in theirs and parser.complete:
        problem = f"the spec turns it off by {option.negate}, the script does not have that"
        yield Difference("negate", "negate", problem)
    elif parsed.negative and option.negate is None and parsed.negative not in known:
        problem = f"the script turns it off by {parsed.negative}, the spec does not"
        yield Difference("negate", "negate", problem)


_FITTING = {"int": {"int"}, "float": {"float"}, "str": _FORMS_OF_TEXT}
"""Types in the spec for a type of the script's; for others, the same and plain text."""


def _type(option: Option | Argument, parsed: ParsedOption) -> Iterator[Difference]:
    if "type" in parsed.unsure or parsed.type in {"other", "bool"}:
        return
    if option.type not in _FITTING.get(parsed.type, {parsed.type, "str"}):
        yield Difference("type", "type", f"the spec's type is {option.type}, the script's is {parsed.type}")


def _choices(
    option: Option | Argument, parsed: ParsedOption, unlisted: Collection[str]
) -> Iterator[Difference]:
    if "choices" in parsed.unsure or "type" in parsed.unsure:
        return
    if parsed.choices and is_run_of_integers(parsed.choices) and not option.choices:
        yield from _range(option, parsed.choices[0], parsed.choices[-1])
    elif parsed.min is not None or parsed.max is not None:
        yield from _range(option, parsed.min, parsed.max)
    elif parsed.choices or option.choices:
        yield from _sets(option, parsed, unlisted)


def _range(option: Option | Argument, least: object, most: object) -> Iterator[Difference]:
    if (option.min, option.max) != (least, most):
        ours, theirs = _between(option.min, option.max), _between(least, most)
        key = "min" if option.min != least else "max"
        yield Difference("choices", key, f"the spec allows {ours}, the script {theirs}")


def _between(least: object, most: object) -> str:
    if least is None and most is None:
        return "any value"
    if most is None:
        return f"{least} and more"
    return f"{most} and less" if least is None else f"{least} to {most}"


def _sets(option: Option | Argument, parsed: ParsedOption, unlisted: Collection[str]) -> Iterator[Difference]:
    further = f"{parsed.flag}=*" in unlisted
    left_out = {choice for choice in parsed.choices if f"{parsed.flag}={choice}" in unlisted or further}
    ours, theirs = set(option.choices), set(parsed.choices)
    sides = [_listed(choices) or "any value" for choices in (option.choices, parsed.choices)]
    if not parsed.choices and (further or parsed.type not in {"str", "int", "float"}):
        return
    if not ours or not theirs or ours - theirs or theirs - ours - left_out:
        yield Difference("choices", "choices", f"the spec allows {sides[0]}, the script {sides[1]}")
    elif option.ignore_case and not parsed.ignore_case:
        problem = "the spec takes choices in any case, the script as they are written"
        yield Difference("choices", "ignore-case", problem)


def _default(option: Option | Argument, parsed: ParsedOption) -> Iterator[Difference]:
    if option.default is None or option.default_note or not parsed.default_known:
        return
    if parsed.kind in {"append", "extend"}:
        return  # what the spec sends is added to the script's own
    theirs = None if parsed.kind in {"false", "const"} else parsed.default
    if parsed.kind in {"true", "false", "const", "negatable"}:
        same = (option.default or None) == (theirs or None)
    else:
        same = _same_value(option.default, theirs)
    if same:
        return
    script = "the script has no default" if theirs is None else f"the script's default is {_shown(theirs)}"
    yield Difference("default", "default", f"the spec sends {_shown(option.default)}, {script}")


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
        problem = "the script requires it, which a spec cannot say of a flag"
        yield Difference("unknown", "required", problem, certain=False)
    elif parsed.required and not option.required and option.default is None and not option.required_if:
        yield Difference("required", "required", "the script requires it, the spec does not")
    elif option.required and not parsed.required and not option.default_note:
        yield Difference("required", "required", "the spec requires it, the script does not")


def _shown(value: object) -> str:
    return f"[{', '.join(map(quoted, value))}]" if isinstance(value, tuple) else quoted(value)


def _listed(values: Collection[object]) -> str:
    return ", ".join(map(quoted, values))
