"""Everything that concerns several keys of a spec at once: the registry of rules, and how they are applied.

A rule never sees a fault of another: what a misspelt key or a wrong type would make it say wrongly is left
out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus_backfill_plugin.specs.environment import DENIED_ENV, is_denied_env
from corpus_backfill_plugin.specs.rules import names, outputs, references, scripts
from corpus_backfill_plugin.specs.rules.parameters import PARAMETER_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from corpus_backfill_plugin.specs.diagnostics import Diagnostic, KeyPath
    from corpus_backfill_plugin.specs.model import Argument, Option, Script

__all__ = ["DENIED_ENV", "RESERVED_COMMANDS", "RESERVED_OPTIONS", "check_script", "is_denied_env"]

RESERVED_COMMANDS = scripts.RESERVED_COMMANDS
RESERVED_OPTIONS = names.RESERVED_OPTIONS

SCRIPT_RULES: tuple[Callable[[Script], Iterator[Diagnostic]], ...] = (
    names.RULES + scripts.RULES + outputs.RULES
)
"""Rules for the whole."""

REFERENCE_RULES: tuple[Callable[[Script], Iterator[Diagnostic]], ...] = references.RULES
"""Rules for the whole that need every option's name to be known."""

_WHOLE_TABLES = ("option", "argument", "group", "postcondition")
"""Where one unreadable key makes what is said of the others doubtful."""


def check_script(script: Script, name: str, unread: frozenset[KeyPath] = frozenset()) -> list[Diagnostic]:
    """Return all that is wrong between the keys of `script`.

    Args:
        script: the spec, as far as it could be read.
        name: the command's name.
        unread: where keys were unknown, missing or of a wrong type; what rules find there is left out.
    """
    found = list(_findings(script, name, names_known=not any(map(_hides_a_name, unread))))
    doubtful = {_doubtful(path) for path in unread}
    return [f for f in found if not any(f.path[: end + 1] in doubtful for end in range(len(f.path)))]


def _findings(script: Script, name: str, *, names_known: bool) -> Iterator[Diagnostic]:
    yield from scripts.command_is_free(name)
    yield from scripts.examples_are_of_this_command(script, name)
    tables: dict[str, tuple[Option | Argument, ...]] = {"option": script.option, "argument": script.argument}
    for table, parameters in tables.items():
        for position, parameter in enumerate(parameters):
            for rule in PARAMETER_RULES:
                yield from (found.under(table, position) for found in rule(parameter))
    for script_rule in SCRIPT_RULES + (REFERENCE_RULES if names_known else ()):
        yield from script_rule(script)


def _hides_a_name(path: KeyPath) -> bool:
    return len(path) == 1 or (path[0] in {"option", "argument"} and (len(path) == 2 or path[2] == "name"))  # noqa: PLR2004 - a table, and a key in it


def _doubtful(path: KeyPath) -> KeyPath:
    if path[0] == "postcondition":
        return path[:1]
    return path[:2] if path[0] in _WHOLE_TABLES else path
