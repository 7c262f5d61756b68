"""Everything that concerns several keys of a spec at once: the registry of rules, and how they are applied.

A rule never sees a fault of another: what a misspelt key or a wrong type would make it say wrongly is left
out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus_backfill_plugin.specs.environment import DENIED_ENV, is_denied_env
from corpus_backfill_plugin.specs.rules import names, options, outputs, references, scripts, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from corpus_backfill_plugin.specs.diagnostics import Finding, KeyPath
    from corpus_backfill_plugin.specs.model import Argument, Option, Script

__all__ = ["DENIED_ENV", "RESERVED_COMMANDS", "RESERVED_OPTIONS", "check_script", "is_denied_env"]

RESERVED_COMMANDS = scripts.RESERVED_COMMANDS
RESERVED_OPTIONS = names.RESERVED_OPTIONS

PARAMETER_RULES: tuple[Callable[[Option | Argument], Iterator[Finding]], ...] = values.RULES
"""Rules for one option or argument by itself."""

OPTION_RULES: tuple[Callable[[Option], Iterator[Finding]], ...] = options.RULES
"""Rules for one option by itself."""

SCRIPT_RULES: tuple[Callable[[Script], Iterator[Finding]], ...] = names.RULES + scripts.RULES + outputs.RULES
"""Rules for the whole."""

REFERENCE_RULES: tuple[Callable[[Script], Iterator[Finding]], ...] = references.RULES
"""Rules for the whole that need every option's name to be known."""

_WHOLE_TABLES = ("option", "argument", "group", "postcondition")
"""Where one unreadable key makes what is said of the others doubtful."""


def check_script(script: Script, name: str, misfits: frozenset[KeyPath] = frozenset()) -> list[Finding]:
    """Return all that is wrong between the keys of `script`.

    Args:
        script: the spec, as far as it could be read.
        name: the command's name.
        misfits: where keys were unknown, missing or of a wrong type; what rules find there is left out.
    """
    found = list(_findings(script, name, names_known=not any(map(_hides_a_name, misfits))))
    doubtful = {_doubtful(path) for path in misfits}
    return [f for f in found if not any(f.path[: end + 1] in doubtful for end in range(len(f.path)))]


def _findings(script: Script, name: str, *, names_known: bool) -> Iterator[Finding]:
    yield from scripts.command_is_free(name)
    yield from scripts.examples_are_of_this_command(script, name)
    for position, option in enumerate(script.option):
        for parameter_rule in PARAMETER_RULES:
            yield from (finding.under("option", position) for finding in parameter_rule(option))
        for option_rule in OPTION_RULES:
            yield from (finding.under("option", position) for finding in option_rule(option))
    for position, argument in enumerate(script.argument):
        for parameter_rule in PARAMETER_RULES:
            yield from (finding.under("argument", position) for finding in parameter_rule(argument))
    for script_rule in SCRIPT_RULES + (REFERENCE_RULES if names_known else ()):
        yield from script_rule(script)


def _hides_a_name(path: KeyPath) -> bool:
    return len(path) == 1 or (path[0] in {"option", "argument"} and (len(path) == 2 or path[2] == "name"))  # noqa: PLR2004 - a table, and a key in it


def _doubtful(path: KeyPath) -> KeyPath:
    if path[0] == "postcondition":
        return path[:1]
    return path[:2] if path[0] in _WHOLE_TABLES else path
