"""Rules for keys that name other options: they are held back when a fault hides some of the names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus_backfill_plugin.specs.diagnostics import Diagnostic, KeyPath
from corpus_backfill_plugin.specs.rules.parameters import not_allowed
from corpus_backfill_plugin.text import nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from corpus_backfill_plugin.specs.model import Argument, Group, Option, Script


def _tables(script: Script) -> Iterator[tuple[KeyPath, Option | Argument]]:
    for position, option in enumerate(script.option):
        yield ("option", position), option
    for position, argument in enumerate(script.argument):
        yield ("argument", position), argument


def _known(script: Script) -> dict[str, Option | Argument]:
    known: dict[str, Option | Argument] = {argument.name: argument for argument in script.argument}
    return known | {option.name: option for option in script.options}


def _unknown(path: KeyPath, name: str, known: Iterable[str], what: str = "option") -> Iterator[Diagnostic]:
    names = list(known)
    if name not in names:
        hint = nearest(name, names) or (f"known are {', '.join(names)}" if names else "there is none")
        yield Diagnostic(path, f"no {what} is called {quoted(name)}", hint)


def required_options_exist(script: Script) -> Iterator[Diagnostic]:
    """`requires` names options or arguments of this command."""
    known = _known(script)
    for path, parameter in _tables(script):
        for position, name in enumerate(parameter.requires):
            yield from _unknown((*path, "requires", position), name, known)


def conditions_can_come_true(script: Script) -> Iterator[Diagnostic]:
    """`required-if` names an option and a value that it can have."""
    known = _known(script)
    for path, parameter in _tables(script):
        for name, value in parameter.required_if.items():
            place = (*path, "required-if", name)
            yield from _unknown(place, name, known)
            if name in known and (problem := not_allowed(known[name], value)):
                yield Diagnostic(place, f"{name} never has this value: {problem[0]}", problem[1])


def members_exist(script: Script) -> Iterator[Diagnostic]:
    """A group has options of this command, each once."""
    known = [option.name for option in script.options]
    for number, group in enumerate(script.group):
        for position, name in enumerate(group.members):
            path = ("group", number, "members", position)
            yield from _unknown(path, name, known)
            if name in group.members[:position]:
                yield Diagnostic(path, f"{quoted(name)} stands twice", "remove one of them")


def members_are_free(script: Script) -> Iterator[Diagnostic]:
    """A group's rule leaves the operator a choice."""
    options = {option.name: option for option in script.options}
    for number, group in enumerate(script.group):
        for position, name in enumerate(group.members):
            if name in options and options[name].required and group.rule != "all-or-none":
                what = f"{name} is required, {_then(group)}"
                yield Diagnostic(
                    ("group", number, "members", position), what, "remove required, or the member"
                )


def _then(group: Group) -> str:
    return "so the rule says nothing" if group.rule == "at-least-one" else "so no other may ever be given"


def skipped_options_exist(script: Script) -> Iterator[Diagnostic]:
    """`skip-if-given` names options or arguments of this command."""
    known = _known(script)
    names = script.postcondition.skip_if_given if script.postcondition else ()
    for position, name in enumerate(names):
        yield from _unknown(("postcondition", "skip-if-given", position), name, known)


RULES = (
    required_options_exist,
    conditions_can_come_true,
    members_exist,
    members_are_free,
    skipped_options_exist,
)
