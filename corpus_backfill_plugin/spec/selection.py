"""What an operator chose, held against the rules of the spec. Pure: no click, no environment."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from corpus_backfill_plugin.spec.model import Option, Scalar, Script, effective_options

Value: TypeAlias = str | bool | int | list["Value"]
"""One option's value as the operator typed it.

A bool for `bool`, and True for an option with an optional value that stands alone; an int for `count`;
text for everything else; a list for `nargs` and `multiple`, a list of lists for both.
"""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The values of one command line.

    Attributes:
        values: by option or argument name, in the order of the spec; only those that have a value,
            defaults included.
        given: the names that the operator gave, in a word, a variable or the host's default map.
    """

    values: dict[str, Value]
    given: frozenset[str] = frozenset()

    def has_role(self, script: Script, role: str) -> bool:
        """Whether the switch with this role is on."""
        return any(o.role == role and self.values.get(o.name) for o in effective_options(script))


def _typed(name: str) -> str:
    return f"--{name}"


def broken_rules(script: Script, selection: Selection) -> tuple[str, ...]:
    """Return what the selection breaks, one sentence each: requires, required-if, groups.

    A default never conflicts, but it satisfies `requires`.
    """
    return (
        *_unmet_requirements(script, selection),
        *_missing_by_condition(script, selection),
        *_broken_groups(script, selection),
    )


def _unmet_requirements(script: Script, selection: Selection) -> list[str]:
    return [
        f"{_typed(parameter.name)} needs {_typed(other)} as well"
        for parameter in (*effective_options(script), *script.argument)
        if parameter.name in selection.given
        for other in parameter.requires
        if not selection.values.get(other, other in selection.given)
    ]


def _missing_by_condition(script: Script, selection: Selection) -> list[str]:
    return [
        f"{_typed(parameter.name)} is required when {_typed(other)} is {_shown(wanted)}"
        for parameter in (*effective_options(script), *script.argument)
        if parameter.name not in selection.values
        for other, wanted in parameter.required_if.items()
        if _holds(selection, other, wanted)
    ]


def _holds(selection: Selection, name: str, wanted: Scalar) -> bool:
    value = selection.values.get(name)
    if isinstance(wanted, bool):
        return bool(value) is wanted
    values = value if isinstance(value, list) else [value]
    return any(v is not None and not isinstance(v, bool) and str(v) == str(wanted) for v in values)


def _shown(wanted: Scalar) -> str:
    return str(wanted).lower() if isinstance(wanted, bool) else str(wanted)


def _broken_groups(script: Script, selection: Selection) -> list[str]:
    faults = []
    for group in script.group:
        given = [name for name in group.members if name in selection.given]
        every = ", ".join(map(_typed, group.members))
        some = ", ".join(map(_typed, given))
        if group.rule in {"at-most-one", "exactly-one"} and len(given) > 1:
            faults.append(f"only one of {every} can be given, not {some} together")
        elif group.rule in {"exactly-one", "at-least-one"} and not given:
            faults.append(f"one of {every} is required")
        elif group.rule == "all-or-none" and 0 < len(given) < len(group.members):
            missing = ", ".join(_typed(n) for n in group.members if n not in selection.given)
            faults.append(f"{some} needs {missing} as well")
    return faults


def given_options(script: Script, selection: Selection) -> tuple[Option, ...]:
    """Return the options that have a value, in the order in which they are sent."""
    return tuple(o for o in effective_options(script) if o.name in selection.values)
