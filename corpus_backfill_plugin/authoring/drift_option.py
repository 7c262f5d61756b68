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
    told = set(unlisted)
    for part, reason in parsed.unsure.items():
        if part not in {"help", "metavar"}:
            key = {"kind": "type", "nargs": "nargs"}.get(part, part)
            yield Difference("unknown", key, f"could not be compared: {reason}", certain=False)
    if "kind" in parsed.unsure or "nargs" in parsed.unsure:
        return
    ours, theirs = _arity(option), _parsed_arity(parsed)
    if not _same_arity(ours, theirs, parsed):
        key = _arity_key(option, parsed)
        yield Difference("arity", key, f"the spec has {ours}, the script takes {theirs}")
        return
    if parser is not None and isinstance(option, Option):
        yield from _negate(option, parsed, parser, told)
    if parsed.takes_value:
        yield from _type(option, parsed)
        yield from _choices(option, parsed, told)
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
    negatives = {other.negative for other in parser.options} | {
        f for other in parser.options for f in other.flags
    }
    if option.negate and option.negate not in negatives and parser.complete:
        yield Difference(
            "negate", "negate", f"the spec turns it off by {option.negate}, the script does not have that"
        )
    elif (
        parsed.negative
        and option.negate is None
        and parsed.negative not in unlisted
        and option.script_flag != parsed.negative
    ):
        yield Difference(
            "negate", "negate", f"the script turns it off by {parsed.negative}, the spec does not"
        )


def _type(option: Option | Argument, parsed: ParsedOption) -> Iterator[Difference]:
    if "type" in parsed.unsure or parsed.type in {"other", "bool"}:
        return
    if parsed.type in {"int", "float"}:
        same = option.type == parsed.type
    elif parsed.type == "str":
        same = option.type in _FORMS_OF_TEXT
    else:
        same = option.type in {parsed.type, "str"}
    if not same:
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
    flag = parsed.flag
    further = f"{flag}=*" in unlisted
    if not parsed.choices:
        if parsed.type in {"str", "int", "float"} and not further:
            problem = f"the spec allows {_listed(option.choices)}, the script any value"
            yield Difference("choices", "choices", problem)
        return
    if not option.choices:
        yield Difference(
            "choices", "choices", f"the spec allows any value, the script {_listed(parsed.choices)}"
        )
        return
    left_out = {choice for choice in parsed.choices if f"{flag}={choice}" in unlisted or further}
    ours, theirs = set(option.choices), set(parsed.choices)
    if ours - theirs or theirs - ours - left_out:
        problem = f"the spec allows {_listed(option.choices)}, the script {_listed(parsed.choices)}"
        yield Difference("choices", "choices", problem)
    elif option.ignore_case and not parsed.ignore_case:
        yield Difference(
            "choices", "ignore-case", "the spec takes choices in any case, the script as they are written"
        )


def _default(option: Option | Argument, parsed: ParsedOption) -> Iterator[Difference]:
    if option.default is None or option.default_note or not parsed.default_known:
        return
    if parsed.kind in {"append", "extend"}:
        return  # what the spec sends is added to the script's own
    theirs = parsed.default
    if parsed.kind in {"true", "false", "const", "negatable"}:
        theirs = None if parsed.kind in {"false", "const"} else theirs
        if (option.default or None) == (theirs or None):
            return
    elif _same_value(option.default, theirs):
        return
    has = "has no default" if theirs is None else f"default is {_shown(theirs)}"
    script = f"the script {has}" if theirs is None else f"the script's {has}"
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
