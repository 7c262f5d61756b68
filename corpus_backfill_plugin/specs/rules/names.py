"""Rules for names that may stand once: to the operator, to the script, and in the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from corpus_backfill_plugin.specs.diagnostics import Diagnostic, KeyPath
from corpus_backfill_plugin.specs.model import COMMON_OPTIONS, Option
from corpus_backfill_plugin.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.specs.model import Script

RESERVED_OPTIONS = frozenset(
    {
        "debug",
        "detach",
        "help",
        "no-record",
        "no-verify",
        "plan",
        "python",
        "server-path",
        "show-command",
        "timeout",
        "verify",
        "version",
        "wait",
        "yes",
    }
)
"""Long options of the commands themselves, on every script."""

RESERVED_SHORTS = frozenset({"h"})
"""Short options of the commands themselves."""

_Claims: TypeAlias = "Iterator[tuple[str, KeyPath, str]]"
"""Each name taken, where, and who takes it."""


def common_in_use(script: Script) -> tuple[Option, ...]:
    """Return the common options that apply, those that the spec has of its own left out."""
    own = {option.name for option in script.option}
    return tuple(o for o in COMMON_OPTIONS if o.name in script.common and o.name not in own)


def _operator_names(script: Script) -> _Claims:
    for option in common_in_use(script):
        yield option.name, (), f"the common option --{option.name}"
    for position, option in enumerate(script.option):
        owner = f"option {option.name}"
        yield option.name, ("option", position, "name"), owner
        for number, alias in enumerate(option.aliases):
            yield alias, ("option", position, "aliases", number), owner
        if option.negate and option.negate.startswith("--") and option.negate != option.script_flag:
            yield option.negate[2:], ("option", position, "negate"), owner
    for position, argument in enumerate(script.argument):
        yield argument.name, ("argument", position, "name"), f"argument {argument.name}"


def names_are_free(script: Script) -> Iterator[Diagnostic]:
    """No two options or arguments go by one name, and none by one of the core's."""
    taken: dict[str, str] = {}
    for name, path, owner in _operator_names(script):
        if name in RESERVED_OPTIONS and path[0] == "option":
            what = f"--{name} is an option of the command itself"
            hint = f"choose another name, and write flag = '--{name}'" if path[-1] == "name" else ""
            yield Diagnostic(path, what, hint or "choose another")
        elif name in taken:
            hint = "choose another" if "common" not in taken[name] else _without_common(name)
            by = "an earlier option" if taken[name] == owner and path[-1] == "name" else taken[name]
            yield Diagnostic(path, f"{quoted(name)} is taken by {by}", hint)
        taken.setdefault(name, owner)


def _without_common(name: str) -> str:
    return f"choose another, or leave {quoted(name)} out of common"


def shorts_are_free(script: Script) -> Iterator[Diagnostic]:
    """No two options go by one letter."""
    taken = {o.short: f"the common option --{o.name}" for o in common_in_use(script) if o.short}
    for position, option in enumerate(script.option):
        if option.short is None:
            continue
        path: KeyPath = ("option", position, "short")
        if option.short in RESERVED_SHORTS:
            yield Diagnostic(path, f"-{option.short} is help", "choose another")
        elif option.short in taken:
            yield Diagnostic(path, f"-{option.short} is taken by {taken[option.short]}", "choose another")
        taken.setdefault(option.short, f"option {option.name}")


def flags_are_sent_once(script: Script) -> Iterator[Diagnostic]:
    """Two options that send one flag would overwrite each other in the script."""
    taken = {o.script_flag: f"the common option --{o.name}" for o in common_in_use(script) if not o.pass_env}
    names = {name for option in script.option for name in (option.name, *option.aliases)}
    for position, option in enumerate(script.option):
        if option.pass_env or option.pass_stdin:
            continue
        for key, flag in (("flag", option.script_flag), ("negate", option.negate)):
            said = key == "negate" and str(flag)[2:] in names
            if flag in taken and taken[flag] != f"option {option.name}" and not said:
                common = taken[flag].partition("common option --")[2]
                hint = _without_common(common) if common else "choose another"
                where = key if getattr(option, key) else "name"
                yield Diagnostic(
                    ("option", position, where), f"{flag} is sent by {taken[flag]} already", hint
                )
            if flag:
                taken.setdefault(flag, f"option {option.name}")


def variables_are_passed_once(script: Script) -> Iterator[Diagnostic]:
    """A variable has one origin."""
    taken = {o.pass_env: f"the common option --{o.name}" for o in common_in_use(script) if o.pass_env}
    taken |= {name: "[env]" for name in script.env if name not in taken}
    for position, option in enumerate(script.option):
        name = option.pass_env
        if name and name in taken:
            yield Diagnostic(
                ("option", position, "pass-env"), f"{name} is set by {taken[name]} already", "choose another"
            )
        if name:
            taken.setdefault(name, f"option {option.name}")


def stdin_is_passed_once(script: Script) -> Iterator[Diagnostic]:
    """There is one standard input."""
    owners = [(position, option) for position, option in enumerate(script.option) if option.pass_stdin]
    for position, _ in owners[1:]:
        what = f"standard input is taken by option {owners[0][1].name}"
        yield Diagnostic(("option", position, "pass-stdin"), what, "use pass-env")


def roles_are_played_once(script: Script) -> Iterator[Diagnostic]:
    """The core looks for one switch of each role."""
    taken = {o.role: f"the common option --{o.name}" for o in common_in_use(script) if o.role}
    for position, option in enumerate(script.option):
        if option.role and option.role in taken:
            common = taken[option.role].partition("common option --")[2]
            hint = f"leave {quoted(common)} out of common" if common else "remove one of them"
            what = f"{quoted(option.role)} is the role of {taken[option.role]} already"
            yield Diagnostic(("option", position, "role"), what, hint)
        if option.role:
            taken.setdefault(option.role, f"option {option.name}")


RULES = (
    names_are_free,
    shorts_are_free,
    flags_are_sent_once,
    variables_are_passed_once,
    stdin_is_passed_once,
    roles_are_played_once,
)
