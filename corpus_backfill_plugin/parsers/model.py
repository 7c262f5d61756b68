"""A script's own parser as a value: what it takes, and what of that could not be known.

Two readers make it, `source` from the text and `running` from a run; both hand what they saw of each
`add_argument` to `rules`. `authoring` compares it with specs and writes specs from it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from corpus_backfill_plugin.specs.model import Scalar

Kind: TypeAlias = Literal[
    "value", "true", "false", "negatable", "count", "append", "extend", "const", "custom"
]
"""What an option does: takes a value, is a flag of some sort, gathers, or has a class of its own."""

ParsedType: TypeAlias = Literal["str", "int", "float", "bool", "path", "date", "datetime", "uuid", "other"]
"""What a value is converted by; `other` is a callable that is not known, named in `type_name`."""

Library: TypeAlias = Literal[
    "argparse", "click", "typer", "fire", "docopt", "optparse", "getopt", "absl", "sys.argv", "none"
]
"""What the script reads its command line with."""


class Unknown(msgspec.Struct, frozen=True):
    """One thing about a parser that could not be known: `where` is a line, counted from 1, or 0.

    It `hides_options` if there may be options that were not seen at all.
    """

    where: int
    what: str
    reason: str
    hides_options: bool = False


class ParsedOption(msgspec.Struct, frozen=True, kw_only=True):
    """One option or positional of a script's parser.

    Attributes:
        flags: the spellings in the script's order; empty for a positional.
        type_name: the callable as the source calls it, when `type` is `other`.
        min, max: inclusive; click's ranges, argparse has none.
        default: None is none, or unknown (see `unsure`).
        default_note: the source text of a default that is no literal.
        nargs: as argparse means it; None is one value (or none, for a flag).
        unsure: for each field that could not be known, why.
        notes: sentences for the reader of the spec.
        line: 0 when it is not known.
    """

    flags: tuple[str, ...] = ()
    dest: str = ""
    kind: Kind = "value"
    type: ParsedType = "str"
    type_name: str = ""
    choices: tuple[Scalar, ...] = ()
    ignore_case: bool = False
    min: int | float | None = None
    max: int | float | None = None
    default: Scalar | tuple[Scalar, ...] | None = None
    default_note: str = ""
    required: bool = False
    nargs: int | Literal["?", "*", "+"] | None = None
    const: Scalar | None = None
    help: str = ""
    metavar: str | None = None
    hidden: bool = False
    group: str = ""
    negative: str = ""
    unsure: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    line: int = 0

    @property
    def default_known(self) -> bool:
        """Whether `default` is what the script uses, wherever it runs."""
        return "default" not in self.unsure and not self.default_note

    @property
    def flag(self) -> str:
        """The spelling to speak of: the first long one, else the first; a positional's dest."""
        return next((flag for flag in self.flags if flag.startswith("--")), (*self.flags, self.dest)[0])

    @property
    def takes_value(self) -> bool:
        """Whether words follow it on the command line."""
        return self.kind in {"value", "append", "extend"}


class ExclusiveGroup(msgspec.Struct, frozen=True):
    """Options of which one at most may be given, or exactly one when `required`; by `flag`."""

    members: tuple[str, ...]
    required: bool = False


class Subcommand(msgspec.Struct, frozen=True, kw_only=True):
    """One word that a script takes, with a parser of its own after it."""

    name: str
    aliases: tuple[str, ...] = ()
    help: str = ""
    parser: ParserModel


class ParserModel(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a script's command line.

    Attributes:
        environment: names of the variables that the script's text reads.
        database: why the script is taken to read DATABASE_URL, or nothing.
        strict: False when the script lets options pass that it does not know.
        unknowns: what could not be known, those of `options` and `positionals` as well, by line.
    """

    library: Library = "argparse"
    description: str = ""
    epilog: str = ""
    options: tuple[ParsedOption, ...] = ()
    positionals: tuple[ParsedOption, ...] = ()
    groups: tuple[ExclusiveGroup, ...] = ()
    subcommands: tuple[Subcommand, ...] = ()
    subcommand_required: bool = False
    strict: bool = True
    environment: tuple[str, ...] = ()
    database: str = ""
    unknowns: tuple[Unknown, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every option was seen; else one that is missing here may be there all the same."""
        return not any(unknown.hides_options for unknown in self.unknowns)

    def option(self, flag: str) -> ParsedOption | None:
        """Return the option that the script knows by `flag`."""
        return next((option for option in self.options if flag in option.flags), None)


def is_database_variable(name: str) -> bool:
    """Whether a variable other than DATABASE_URL says, by its name, where a database is."""
    return name.endswith(("_DATABASE_URL", "_DSN")) and name != "SENTRY_DSN"
