"""A first spec for a script, complete and commented, from what is known of its parser."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from corpus_backfill_plugin.authoring.propose import Proposal, option_name, propose_argument, propose_option
from corpus_backfill_plugin.parsers.model import is_database_variable
from corpus_backfill_plugin.specs.environment import denial
from corpus_backfill_plugin.specs.model import FLAG_PATTERN
from corpus_backfill_plugin.specs.reader import read_script
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from corpus_backfill_plugin.parsers.model import ParsedOption, ParserModel, Unknown

_REDRAWING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

_HINTS = r"""
# What the lines that the script prints mean, and what proves that nothing is left to do:
# [output]
# progress = "[{done}/{total}]"
# failed = "FAILED {item}: {reason}"
# result = ["updated={updated} failed={failed}", "pending={pending}"]
#
# [postcondition]
# run = ["--remaining"]
# expect = { pending = 0 }
"""


_Leaf: TypeAlias = "tuple[tuple[str, ...], tuple[ParserModel, ...], ParserModel]"
"""The words that lead to a parser, the parsers passed on the way, and the parser itself."""


def write_spec(model: ParserModel, script: str, command: str, schema_ref: str | None) -> str:
    """Return a spec for a script without subcommands; those of one that has some are left out.

    Args:
        model: what is known of the script's parser.
        script: the script's file name.
        command: the command's name, as the spec's file will be called.
        schema_ref: path or address of the JSON Schema for editors; None writes no reference.
    """
    return _Writing(((), (), model), script, command, schema_ref).text()


def write_specs(model: ParserModel, script: str, command: str, schema_ref: str | None) -> dict[str, str]:
    """Return the specs for a script by the name of their command: one, or one for each subcommand.

    Args:
        model: what is known of the script's parser.
        script: the script's file name.
        command: the script's command; a subcommand's is this, a dash, and the subcommand's name.
        schema_ref: path or address of the JSON Schema for editors; None writes no reference.
    """
    if not model.subcommands:
        return {command: write_spec(model, script, command, schema_ref)}
    specs = {}
    for leaf in _leaves(model, (), ()):
        name = "-".join([command, *(option_name(word, "") for word in leaf[0])])
        specs[name] = _Writing(leaf, script, name, schema_ref).text()
    return specs


def _leaves(model: ParserModel, path: tuple[str, ...], outer: tuple[ParserModel, ...]) -> list[_Leaf]:
    """Return each parser without subcommands: the words that lead there, the parsers passed, and itself."""
    if not model.subcommands:
        return [(path, outer, model)]
    found = []
    for sub in model.subcommands:
        if not sub.name or sub.name.startswith("-"):
            continue  # nobody can give it
        parser = msgspec.structs.replace(
            sub.parser,
            # A subcommand's own description is often missing where its line in the list is not.
            description=sub.parser.description or sub.help,
            database=model.database,
            environment=model.environment,
        )
        found += _leaves(parser, (*path, sub.name), (*outer, model))
    return found


def common_fit(option: ParsedOption) -> str | None:
    """Return the common option that does for `option`, or None when it has to be declared."""
    plain = not option.required and not option.unsure and option.default is None and not option.hidden
    if "--database-url" in option.flags and option.kind == "value" and option.nargs is None:
        return "database-url" if option.type in {"str", "other"} and not option.required else None
    if not plain or option.default_note:
        return None
    if "--dry-run" in option.flags and option.kind == "true":
        return "dry-run"
    number = option.kind == "value" and option.type == "int" and option.nargs is None and not option.choices
    return "limit" if "--limit" in option.flags and number else None


def toml(value: Any) -> str:  # noqa: ANN401 - whatever a spec can hold
    """Return a value as TOML on one line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        # JSON's escapes are TOML's; it lets pass what TOML forbids or a terminal would obey.
        clean = value.encode("utf-8", "replace").decode().replace("\0", "")
        return _REDRAWING.sub(lambda m: f"\\u{ord(m[0]):04X}", json.dumps(clean, ensure_ascii=False))
    return str(value).lower() if isinstance(value, bool) else repr(value)


class _Writing:
    """One spec being written, from its first line to its last."""

    def __init__(self, leaf: _Leaf, script: str, command: str, schema_ref: str | None) -> None:
        self.path, self.outer, self.model = leaf
        self.script = script
        self.command = command
        self.schema_ref = schema_ref
        self.unlisted: list[str] = []
        self.todo: list[str] = []
        self.flags: list[str] = []
        """The script's flag for each block, or nothing."""
        self.names: dict[str, str] = {}
        """Name in the spec of each option that stands in it, by the script's flag."""
        self.common = self._common()
        self.taken = set(self.common)
        self.blocks = self._options()
        self.blocks += self._databases() + self._arguments() + self._groups()
        self.flags += [""] * (len(self.blocks) - len(self.flags))

    def text(self) -> str:
        """Return the spec. What it must not say stands in it as a comment, so that it has no faults."""
        while True:
            parts = [self._head(), *self.blocks, _HINTS.strip("\n")]
            text = "\n\n".join(parts) + "\n"
            faults = read_script(text, f"{self.command}.toml")[1]
            fault = next((fault for fault in faults if fault.line), None)
            ends = accumulate(part.count("\n") + 2 for part in parts)
            at = next((n for n, end in enumerate(ends) if fault and fault.line and fault.line < end), 0) - 1
            if fault is None or not 0 <= at < len(self.blocks):
                return text
            self._comment_out(at, f"cannot be written as the script has it: {fault.key}: {fault.problem}")

    def _comment_out(self, at: int, reason: str) -> None:
        rows = [row if row.startswith("#") else f"# {row}" for row in self.blocks[at].split("\n")]
        self.blocks[at] = "\n".join([f"# TODO: {one_line(reason)}", *rows])
        flag = self.flags[at]
        if re.search(FLAG_PATTERN, flag):
            self.unlisted.append(flag)

    def _common(self) -> list[str]:
        found = {}
        for option in self.model.options:
            fit = common_fit(option)
            if fit:
                found[fit] = option
        if "--database-url" in [
            flag for option in self.model.options if option.required for flag in option.flags
        ]:
            self.todo.append(
                "the script wants the database as --database-url, where other users can see it; "
                "the spec hands it over as DATABASE_URL: let the script read that"
            )
            self.unlisted.append("--database-url")
        elif any("--database-url" in option.flags for parser in self.outer for option in parser.options):
            self.unlisted.append("--database-url")
        database = "database-url" in found or self.unlisted or self.model.database
        for fit, option in found.items():
            self.names[option.flag] = fit
        return (["database-url"] if database else []) + [n for n in ("dry-run", "limit") if n in found]

    def _head(self) -> str:
        lines = [f"#:schema {one_line(self.schema_ref)}"] if self.schema_ref else []
        lines += [f"# Made from {one_line(self.script)}: a first draft, to be read once with care."]
        lines += [
            f"# TODO: {one_line(text)}" for text in [*self.todo, *map(_sentence_of, self._own_unknowns())]
        ]
        lines += ["spec-version = 1", f"script = {toml(self.script)}"]
        paragraphs = [part for part in (self.model.description, self.model.epilog) if part]
        if paragraphs:
            lines.append(f"short-help = {toml(_sentence(paragraphs[0]))}")
        else:
            lines.append('short-help = ""  # TODO: the script does not say what it is for')
        if "\n\n".join(paragraphs) not in {"", _sentence(paragraphs[0]) if paragraphs else ""}:
            lines.append(f"help = {toml(chr(10).join(paragraphs))}")
        example = self._example()
        if example:
            lines.append(f"examples = {toml([example])}")
        why = f"  # {one_line(self.model.database)}" if self.model.database and self.common else ""
        lines.append(f"common = {toml(self.common)}{why}")
        if len(self.path) > 1:
            lines.append(f"fixed-args = {toml(self.path[:-1])}")
        if self.path:
            lines.append(f"subcommand = {toml(self.path[-1])}")
        if self.unlisted:
            lines.append(f"unlisted = {toml(list(dict.fromkeys(self.unlisted)))}")
        lines.append('effect = "write"  # "read" when it changes nothing, "destructive" to be asked first')
        return "\n".join(lines)

    def _own_unknowns(self) -> list[Unknown]:
        """Return the unknowns that no option of the spec names."""
        options = [*self.model.options, *self.model.positionals]
        options += [option for parser in self.outer for option in parser.options]
        named = {f"{option.flag} {part}" for option in options for part in option.unsure}
        parsers = (*self.outer, self.model)
        unknowns = [unknown for parser in parsers for unknown in parser.unknowns if unknown.what not in named]
        return list(dict.fromkeys(unknowns))

    def _example(self) -> str:
        if any(option.required for option in (*self.model.options, *self.model.positionals)):
            return ""
        if any(group.required for group in self.model.groups):
            return ""
        words = [f"--{name}" for name in self.common if name == "dry-run"]
        words += ["--limit 10"] if "limit" in self.common else []
        return " ".join([self.command, *words])

    def _options(self) -> list[str]:
        blocks = []
        exclusive = {flag for group in self.model.groups for flag in group.members}
        shorts = {"d"} if "database-url" in self.common else set()
        for option, before in self._declared():
            proposal = propose_option(
                option, taken=self.taken, shorts=shorts, exclusive=option.flag in exclusive, before=before
            )
            title = f"# {one_line(option.group)}" if option.group else ""
            blocks.append(_block("option", proposal, title))
            self.flags.append(option.flag)
            if proposal.usable:
                self.names[f"{'<' if before else ''}{option.flag}"] = proposal.name
                self.taken |= {proposal.name, *proposal.table.get("aliases", ())}
                self.taken |= {str(proposal.table.get("negate", "")).lstrip("-")} - {""}
                shorts.add(proposal.table.get("short", ""))
                self.unlisted += proposal.unlisted
        return blocks

    def _databases(self) -> list[str]:
        """Return an option for each variable that seems to name a database and is not DATABASE_URL."""
        blocks = []
        for variable in filter(is_database_variable, self.model.environment):
            name = option_name(variable, "")
            if name in self.taken or denial(variable):
                continue
            self.taken.add(name)
            self.names[f"${variable}"] = name
            keys = {"name": name, "metavar": "URL", "envvar": variable, "pass-env": variable}
            keys["secret"] = "url"  # noqa: S105  # nosec B105 - how it is masked
            todo = f"the script reads {variable}: say what database that is, or remove this option"
            blocks.append(_block("option", Proposal(keys, todo=[todo]), ""))
        return blocks

    def _declared(self) -> list[tuple[ParsedOption, bool]]:
        """Return the options to be written, and whether each stands before the subcommand."""
        nearest = self.outer[-1].options if self.outer else ()
        for parser in self.outer[:-1]:
            # They would have to stand before words that are sent first.
            self.unlisted += [option.flag for option in parser.options if option.flag not in self.unlisted]
        own = [(option, False) for option in self.model.options if option.flag not in self.names]
        # What both have, argparse lets the subcommand's decide.
        inner = {flag for option in self.model.options for flag in option.flags}
        passed = [(option, True) for option in nearest if not inner & set(option.flags)]
        return [(o, before) for o, before in passed + own if not set(o.flags) & set(self.unlisted)]

    def _arguments(self) -> list[str]:
        blocks = []
        positionals = self.model.positionals
        for at, option in enumerate(positionals):
            proposal = propose_argument(option, taken=self.taken, last=at + 1 == len(positionals))
            blocks.append(_block("argument", proposal, ""))
            if proposal.usable:
                self.taken.add(proposal.name)
                self.names[f"[{option.dest}]"] = proposal.name
        return blocks

    def _groups(self) -> list[str]:
        blocks = []
        for group in self.model.groups:
            members = [self.names[flag] for flag in group.members if flag in self.names]
            exact = group.required and len(members) == len(group.members)
            if len(members) > 1:
                rule = "exactly-one" if exact else "at-most-one"
                blocks.append(f"[[group]]\nmembers = {toml(members)}\nrule = {toml(rule)}")
        return blocks


def _block(kind: str, proposal: Proposal, title: str) -> str:
    body = [f"[[{kind}]]", *(f"{key} = {toml(value)}" for key, value in proposal.table.items())]
    if not proposal.usable:
        body = [f"# {line}" for line in body]
    remarks = [f"# TODO: {one_line(text)}" for text in proposal.todo]
    remarks += [f"# {one_line(text)}" for text in proposal.notes]
    return "\n".join([*([title] if title else []), *remarks, *body])


_LINE = 120
"""Characters of a short help at most."""


def _sentence(text: str) -> str:
    """Return the first sentence of a description, or its first paragraph when that has no end."""
    first = " ".join(text.partition("\n\n")[0].split())
    end = first.find(". ")
    return first[: end + 1] if 0 < end < _LINE else first[:_LINE]


def _sentence_of(unknown: Unknown) -> str:
    at = f"line {unknown.where}: " if unknown.where else ""
    return f"{at}{unknown.what}: {unknown.reason}"
