"""A first spec for a script, complete and commented, from what is known of its parser."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import msgspec

from corpus_backfill_plugin.authoring.propose import (
    Leaf,
    Proposal,
    claimed,
    commented,
    option_name,
    propose,
    toml,
    toml_table,
)
from corpus_backfill_plugin.parsers.model import ParsedOption, ParserModel, is_database_variable
from corpus_backfill_plugin.specs.model import FLAG_PATTERN
from corpus_backfill_plugin.specs.parameter_rules import denial
from corpus_backfill_plugin.specs.reader import read_script
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_HINTS = """\
# What the lines that the script prints mean, and what proves that nothing is left to do:
# [output]
# progress = "[{done}/{total}]"
# failed = "FAILED {item}: {reason}"
# result = ["updated={updated} failed={failed}", "pending={pending}"]
#
# [postcondition]
# run = ["--remaining"]
# expect = { pending = 0 }"""

_NO_HELP = "  # TODO: the script does not say what it is for"
_EFFECT = 'effect = "write"  # "read" when it changes nothing, "destructive" to be asked first'

_LINE = 120
"""Characters of a short help at most."""


def write_specs(model: ParserModel, script: str, command: str, schema_ref: str | None) -> dict[str, str]:
    """Return the specs for a script by their names: `command`, or `command-sub` for each subcommand.

    `schema_ref` is the path or address of the JSON Schema for editors; None writes no reference.
    """
    specs = {}
    for leaf in _leaves(Leaf((), (), model)):
        name = "-".join([command, *(option_name(word, "") for word in leaf.words)])
        specs[name] = _Writing(leaf, script, name, schema_ref).text()
    return specs


def _leaves(at: Leaf) -> Iterator[Leaf]:
    if not at.parser.subcommands:
        yield at
    for sub in at.parser.subcommands:
        if not sub.name or sub.name.startswith("-"):
            continue  # nobody can give it
        # A subcommand's own description is often missing where its line in the list is not.
        known = {"description": sub.parser.description or sub.help, "database": at.parser.database}
        parser = msgspec.structs.replace(sub.parser, **known, environment=at.parser.environment)
        yield from _leaves(Leaf((*at.words, sub.name), (*at.outer, at.parser), parser))


def common_fit(option: ParsedOption) -> str | None:
    """Return the common option that does for `option`, or None when it has to be declared."""
    if "--database-url" in option.flags and option.kind == "value" and option.nargs is None:
        return "database-url" if option.type in {"str", "other"} and not option.required else None
    plain = option.default is None and not option.default_note and not option.choices and option.nargs is None
    if not plain or option.required or option.unsure or option.hidden:
        return None
    takes = "int" if (option.kind, option.type) == ("value", "int") else option.kind
    fits = {"--dry-run": "true", "--limit": "int"}
    return next((flag[2:] for flag in option.flags if fits.get(flag) == takes), None)


def group_table(members: Iterable[str], *, exact: bool) -> dict[str, Any]:
    """Return the keys of a `[[group]]` of options of which at most one, or exactly one, may be given."""
    return {"members": list(members), "rule": "exactly-one" if exact else "at-most-one"}


class _Writing:
    """One spec being written: the names of its options by the script's flags, and its tables in `blocks`."""

    def __init__(self, leaf: Leaf, script: str, command: str, schema_ref: str | None) -> None:
        self.leaf, self.model = leaf, leaf.parser
        self.script, self.command, self.schema_ref = script, command, schema_ref
        self.unlisted: list[str] = []
        self.todo: list[str] = []
        self.names: dict[str, str] = {}
        self.common = self._common()
        self.taken = set(self.common)
        self.blocks = [*self._options(), *self._databases(), *self._arguments(), *self._groups()]

    def text(self) -> str:
        """Return the spec. What it must not say is a comment in it, so that it has no faults."""
        while True:
            parts = [self._head(), *(text for _, text in self.blocks), _HINTS]
            text = "\n\n".join(parts) + "\n"
            fault = next((f for f in read_script(text, f"{self.command}.toml")[1] if f.line), None)
            ends = accumulate(part.count("\n") + 2 for part in parts)
            at = next((n for n, end in enumerate(ends) if fault and fault.line and fault.line < end), 0) - 1
            if fault is None or not 0 <= at < len(self.blocks):
                return text
            flag, block = self.blocks[at]
            reason = one_line(f"cannot be written as the script has it: {fault.key}: {fault.problem}")
            self.blocks[at] = flag, f"# TODO: {reason}\n{commented(block)}"
            self.unlisted += [flag] if re.search(FLAG_PATTERN, flag) else []

    def _common(self) -> list[str]:
        found = {fit: option for option in self.model.options if (fit := common_fit(option))}
        self.names |= {option.flag: fit for fit, option in found.items()}
        if any(option.required and "--database-url" in option.flags for option in self.model.options):
            self.todo.append(
                "the script wants the database as --database-url, where other users can see it; "
                "the spec hands it over as DATABASE_URL: let the script read that"
            )
        outer = {flag for parser in self.leaf.outer for option in parser.options for flag in option.flags}
        self.unlisted += ["--database-url"] if self.todo or "--database-url" in outer else []
        database = "database-url" in found or self.unlisted or self.model.database
        return (["database-url"] if database else []) + [n for n in ("dry-run", "limit") if n in found]

    def _head(self) -> str:
        model, words = self.model, self.leaf.words
        paragraphs = [*filter(None, (model.description, model.epilog))]
        short, help_text = _sentence(paragraphs[0]) if paragraphs else "", "\n".join(paragraphs)
        why = f"  # {one_line(model.database)}" if model.database and self.common else ""
        example = self._example()
        rows = [
            f"#:schema {one_line(self.schema_ref)}" if self.schema_ref else "",
            f"# Made from {one_line(self.script)}: a first draft, to be read once with care.",
            *(f"# TODO: {one_line(text)}" for text in [*self.todo, *self._unknowns()]),
            "spec-version = 1",
            f"script = {toml(self.script)}",
            f"short-help = {toml(short)}{'' if paragraphs else _NO_HELP}",
            f"help = {toml(help_text)}" if help_text != short else "",
            f"examples = {toml([example])}" if example else "",
            f"common = {toml(self.common)}{why}",
            f"fixed-args = {toml(words[:-1])}" if len(words) > 1 else "",
            f"subcommand = {toml(words[-1])}" if words else "",
            f"unlisted = {toml(list(dict.fromkeys(self.unlisted)))}" if self.unlisted else "",
            _EFFECT,
        ]
        return "\n".join(filter(None, rows))

    def _unknowns(self) -> Iterable[str]:
        """Return what is unknown, but for what the TODO of an option names."""
        parsers = (*self.leaf.outer, self.model)
        options = [option for parser in parsers for option in parser.options]
        named = {f"{o.flag} {part}" for o in (*options, *self.model.positionals) for part in o.unsure}
        unknowns = [unknown for parser in parsers for unknown in parser.unknowns if unknown.what not in named]
        return dict.fromkeys(f"line {u.where}: " * bool(u.where) + f"{u.what}: {u.reason}" for u in unknowns)

    def _example(self) -> str:
        """Return a command line, unless it would need values that only the author knows."""
        options = (*self.model.options, *self.model.positionals)
        if any(option.required for option in options) or any(group.required for group in self.model.groups):
            return ""
        words = {"dry-run": "--dry-run", "limit": "--limit 10"}
        return " ".join([self.command, *(words[name] for name in self.common if name in words)])

    def _options(self) -> Iterator[tuple[str, str]]:
        exclusive = {flag for group in self.model.groups for flag in group.members}
        shorts = {"d"} if "database-url" in self.common else set()
        # Options of parsers further out would have to come before words that are sent first.
        self.unlisted += [option.flag for parser in self.leaf.outer[:-1] for option in parser.options]
        left_out, common = {*self.unlisted}, {*self.names}
        for option, before in self.leaf.options():
            if left_out & set(option.flags) or (not before and option.flag in common):
                continue
            grouped = option.flag in exclusive
            proposal = propose(option, taken=self.taken, shorts=shorts, exclusive=grouped, before=before)
            yield option.flag, proposal.text()
            if proposal.usable:
                table = proposal.table
                self.names |= {} if before else {option.flag: table["name"]}
                self.taken |= claimed(table)
                shorts.add(table.get("short", ""))
                self.unlisted += [proposal.unlisted] if proposal.unlisted else []

    def _databases(self) -> Iterator[tuple[str, str]]:
        """Yield an option for each variable that seems to name a database and is not DATABASE_URL."""
        for variable in filter(is_database_variable, self.model.environment):
            name = option_name(variable, "")
            if name in self.taken or denial(variable):
                continue
            self.taken.add(name)
            keys = {"name": name, "metavar": "URL", "envvar": variable, "pass-env": variable}
            keys["secret"] = "url"  # noqa: S105  # nosec B105 - how it is masked
            todo = f"TODO: the script reads {variable}: say what database that is, or remove this option"
            yield "", Proposal(keys, remarks=(todo,)).text()

    def _arguments(self) -> Iterator[tuple[str, str]]:
        for parsed in self.model.positionals:
            proposal = propose(parsed, taken=self.taken, last=parsed is self.model.positionals[-1])
            self.taken |= {proposal.table["name"]} if proposal.usable else set()
            yield "", proposal.text()

    def _groups(self) -> Iterator[tuple[str, str]]:
        for group in self.model.groups:
            members = [self.names[flag] for flag in group.members if flag in self.names]
            exact = group.required and len(members) == len(group.members)
            if len(members) > 1:
                yield "", toml_table("group", group_table(members, exact=exact))


def _sentence(text: str) -> str:
    """Return the first sentence of a description, or its first paragraph when that has no end."""
    first = " ".join(text.partition("\n\n")[0].split())
    end = first.find(". ")
    return first[: end + 1] if 0 < end < _LINE else first[:_LINE]
