"""argparse's classes as far as a reader needs them: parsers that only remember what was added to them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from corpus_backfill_plugin.authoring.introspect import (
    ExclusiveGroup,
    Opaque,
    ParsedOption,
    ParserModel,
    Subcommand,
    Unknown,
)
from corpus_backfill_plugin.authoring.introspect_action import (
    SKIPPED_ACTIONS,
    SUPPRESS,
    RawAction,
    expand,
    to_option,
)


@dataclass(eq=False)
class Exclusive:
    """A mutually exclusive group."""

    required: bool | Opaque
    members: list[RawAction] = field(default_factory=list)


@dataclass(eq=False)
class Section:
    """An argument group: a place of its own to add to, with a title; perhaps exclusive."""

    parser: Parser
    title: str = ""
    exclusive: Exclusive | None = None


@dataclass(eq=False)
class Choice:
    """What `add_subparsers` gives."""

    parser: Parser
    required: bool
    entries: list[tuple[str, tuple[str, ...], Any, Parser]] = field(default_factory=list)


@dataclass(eq=False)
class Parser:
    """An ArgumentParser that was made at `line`, under `doubts` conditions that could not be decided."""

    line: int
    given: dict[str, Any]
    prog: str
    doubts: int = 0
    actions: list[RawAction] = field(default_factory=list)
    exclusives: list[Exclusive] = field(default_factory=list)
    choice: Choice | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    unknowns: list[Unknown] = field(default_factory=list)
    sections: list[Any] = field(default_factory=list)
    below: bool = False
    """Whether it belongs to another parser: a subcommand's, or a parent."""

    def adopt(self, parents: object, line: int) -> None:
        """Take over what `parents=[...]` have; note those that are not known."""
        if isinstance(parents, Opaque) or not isinstance(parents, list | tuple):
            reason = parents.reason if isinstance(parents, Opaque) else "no list of parsers"
            self.unknowns.append(Unknown(line, "parents", reason, hides_options=True))
            return
        for parent in parents:
            if not isinstance(parent, Parser):
                reason = parent.reason if isinstance(parent, Opaque) else "no parser"
                self.unknowns.append(Unknown(line, "parents", reason, hides_options=True))
                continue
            parent.below = True
            self.actions += parent.actions
            self.exclusives += parent.exclusives
            self.defaults |= parent.defaults
            self.unknowns += parent.unknowns
            if parent.choice and not self.choice:
                self.choice = parent.choice

    def add(self, action: RawAction, section: Section | None) -> RawAction:
        """Add an option or positional, as argparse does: to its group, with the parser's defaults."""
        if section:
            action.group = action.group or section.title
        if "default" not in action.given:
            if action.dest in self.defaults:
                action.given["default"] = self.defaults[action.dest]
            elif self.given.get("argument_default") is not None:
                action.given["default"] = self.given["argument_default"]
        if self.given.get("conflict_handler") == "resolve":
            self._give_way(action.flags)
        self.actions.append(action)
        if section and section.exclusive:
            section.exclusive.members.append(action)
        return action

    def _give_way(self, flags: tuple[str, ...]) -> None:
        """Take `flags` from the actions that had them; one left without any is gone."""
        for at, action in enumerate(self.actions):
            if action.flags and set(action.flags) & set(flags):
                kept = tuple(flag for flag in action.flags if flag not in flags)
                self.actions[at] = replace(action, flags=kept, dest=action.dest or " ")
        self.actions = [a for a in self.actions if a.flags or (a.dest.strip() and not a.dest.startswith("-"))]

    def set_defaults(self, values: dict[str, Any]) -> None:
        """Change the defaults of what was added, and remember them for what will be."""
        self.defaults |= values
        for action in self.actions:
            if action.dest in values:
                action.given["default"] = values[action.dest]


def infer_dest(flags: tuple[str, ...], given: object) -> str:
    """Return the dest of an action: as given, else from its first long flag, else from its first."""
    if isinstance(given, str):
        return given
    first = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else "")
    return first.lstrip("-").replace("-", "_")


def to_model(parser: Parser, *, strict: bool = True) -> ParserModel:
    """Return what `parser` remembers as a value, its subcommands' parsers as well."""
    for exclusive in parser.exclusives:
        if exclusive.required is True and len(exclusive.members) == 1 and exclusive.members[0].flags:
            exclusive.members[0].given["required"] = True
    read = [to_option(a) for a in parser.actions if a.action not in SKIPPED_ACTIONS]
    by_action = dict(
        zip([id(a) for a in parser.actions if a.action not in SKIPPED_ACTIONS], read, strict=True)
    )
    unknowns = list(parser.unknowns)
    for option in read:
        unknowns += [
            Unknown(option.line, f"{option.flag} {part}", why) for part, why in option.unsure.items()
        ]
    description = _text(parser, "description", unknowns)
    epilog = _text(parser, "epilog", unknowns)
    subcommands = [] if parser.choice is None else [_subcommand(entry) for entry in parser.choice.entries]
    return ParserModel(
        description=description,
        epilog=epilog,
        options=tuple(option for option in read if option.flags),
        positionals=tuple(option for option in read if not option.flags),
        groups=tuple(_exclusives(parser, by_action, unknowns)),
        subcommands=tuple(subcommands),
        subcommand_required=bool(parser.choice and parser.choice.required),
        strict=strict,
        unknowns=tuple(sorted(dict.fromkeys(unknowns), key=lambda unknown: unknown.where)),
    )


def _text(parser: Parser, keyword: str, unknowns: list[Unknown]) -> str:
    given = parser.given.get(keyword)
    if isinstance(given, Opaque):
        unknowns.append(Unknown(parser.line, keyword, given.reason))
    if not isinstance(given, str) or given == SUPPRESS:
        return ""
    paragraphs = [expand(part, {"prog": parser.prog}) for part in given.strip().split("\n\n")]
    return "\n\n".join(part for part in paragraphs if part)


def _subcommand(entry: tuple[str, tuple[str, ...], Any, Parser]) -> Subcommand:
    name, aliases, text, parser = entry
    shown = text if isinstance(text, str) and text != SUPPRESS else ""
    return Subcommand(
        name=name, aliases=aliases, help=expand(shown, {"prog": parser.prog}), parser=to_model(parser)
    )


def _exclusives(
    parser: Parser, by_action: dict[int, ParsedOption], unknowns: list[Unknown]
) -> list[ExclusiveGroup]:
    groups = []
    for exclusive in parser.exclusives:
        members = tuple(by_action[id(a)].flag for a in exclusive.members if a.flags and id(a) in by_action)
        if isinstance(exclusive.required, Opaque):
            line = exclusive.members[0].line if exclusive.members else parser.line
            unknowns.append(Unknown(line, f"group of {', '.join(members)}", exclusive.required.reason))
        required = exclusive.required is True and len(members) == len(exclusive.members)
        if len(members) > 1:
            groups.append(ExclusiveGroup(members, required))
    return groups
