"""What an operator chose, compared with the rules of the spec. Pure: no click, no environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from corpus_backfill_plugin.specs.values import parse, value_text
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.specs.model import Argument, Option, Scalar, Script

Value: TypeAlias = str | bool | int | list["Value"]
"""One option's value as the operator typed it.

A bool for `bool`, and True for an option with an optional value that stands alone; an int for `count`;
text for everything else; a list for `nargs` and `multiple`, a list of lists for both.
"""

EXCLUSIVE = frozenset({"at-most-one", "exactly-one"})
"""Rules of groups under which no two options go together."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The values of one command line."""

    values: dict[str, Value]
    """By option or argument name, in the order of the spec; only those that have a value or a default."""
    given: frozenset[str] = frozenset()
    """The names that the operator gave, in a word, a variable or the host's default map."""

    def has(self, name: str) -> bool:
        """Whether there is a value for `name`. An empty text is one; a bool that is off is none."""
        return self.values.get(name, False) is not False


def shown_name(script: Script, name: str) -> str:
    """Return how messages speak of an option or argument: `--name`, or `NAME`."""
    words = (a.metavar or name.upper().replace("-", "_") for a in script.argument if a.name == name)
    return next(words, f"--{name}")


def given_options(script: Script, selection: Selection) -> tuple[Option, ...]:
    """Return the options that have a value, in the order in which they are sent."""
    return tuple(o for o in script.options if o.name in selection.values)


def without_displaced(script: Script, selection: Selection) -> Selection:
    """Return `selection` without defaults of options that exclude one that the operator chose."""
    displaced = {
        name
        for group in script.group
        if group.rule in EXCLUSIVE and any(_is_chosen(script, selection, n) for n in group.members)
        for name in group.members
        if name not in selection.given
    }
    kept = {name: value for name, value in selection.values.items() if name not in displaced}
    return Selection(values=kept, given=selection.given)


def broken_rules(script: Script, selection: Selection) -> tuple[str, ...]:
    """Return what the selection breaks, a sentence each. A default never conflicts, but meets `requires`."""
    return (*_missing(script, selection), *_broken_groups(script, selection))


def _is_chosen(script: Script, selection: Selection, name: str) -> bool:
    """Whether the operator gave something that reaches the script: not a bool that is off by default."""
    if name not in selection.given or name not in selection.values:
        return False
    return selection.has(name) or any(o.name == name and o.negate for o in script.option)


def _missing(script: Script, selection: Selection) -> Iterator[str]:
    parameters = {parameter.name: parameter for parameter in script.parameters}
    for name, parameter in parameters.items():
        shown = shown_name(script, name)
        if name in selection.given and selection.has(name):
            for other in parameter.requires:
                if not selection.has(other):
                    yield f"{shown} needs {shown_name(script, other)} as well"
        for other, wanted in parameter.required_if.items() if name not in selection.values else ():
            if other in parameters and _holds(parameters[other], selection.values.get(other), wanted):
                value = one_line(value_text(wanted))
                yield f"{shown} is required when {shown_name(script, other)} is {value}"


def _holds(parameter: Option | Argument, value: Value | None, wanted: Scalar) -> bool:
    """Whether `value`, or one of a list, means what the condition names: `05` is 5."""
    if isinstance(wanted, bool):
        return bool(value) is wanted
    if isinstance(value, list):
        return any(_holds(parameter, item, wanted) for item in value)
    if value is None or isinstance(value, bool):
        return parameter.type == "count" and wanted == 0
    found, sought = str(value), str(wanted)
    if parameter.ignore_case:
        return found.lower() == sought.lower()
    return found == sought or bool(parse(parameter.type, found) == parse(parameter.type, sought))


def _broken_groups(script: Script, selection: Selection) -> Iterator[str]:
    for group in script.group:
        given = [name for name in group.members if _is_chosen(script, selection, name)]
        missing = [name for name in group.members if name not in given]
        every, some, others = (
            ", ".join(f"--{name}" for name in names) for names in (group.members, given, missing)
        )
        if group.rule in EXCLUSIVE and len(given) > 1:
            yield f"only one of {every} can be given, not {some} together"
        elif group.rule in {"exactly-one", "at-least-one"} and not given:
            if not any(map(selection.has, group.members)):
                yield f"one of {every} is required"
        elif group.rule == "all-or-none" and given and missing:
            yield f"{some} needs {others} as well"
