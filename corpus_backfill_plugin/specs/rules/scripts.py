"""Rules for the file as a whole: its name, the script, the environment, arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from corpus_backfill_plugin.specs.diagnostics import Diagnostic, KeyPath
from corpus_backfill_plugin.specs.environment import denial
from corpus_backfill_plugin.specs.model import ENV_PATTERN, NAME_PATTERN
from corpus_backfill_plugin.specs.rules.names import common_in_use
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.text import one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.specs.model import Script

RESERVED_COMMANDS = frozenset({"runs", "specs", "doctor", "status"})
"""Commands of the group itself."""

_MAX_NAME = 64


def command_is_free(name: str) -> Iterator[Diagnostic]:
    """The file's stem is the command's name."""
    if name in RESERVED_COMMANDS:
        yield Diagnostic((), f"{quoted(name)} is a command of the program itself", "rename the file")
    elif not re.search(NAME_PATTERN, name) or len(name) > _MAX_NAME:
        what = (
            f"the file's name is the command's, and {quoted(name)} is not lower case words joined by dashes"
        )
        yield Diagnostic((), what, "rename the file")


def examples_are_of_this_command(script: Script, name: str) -> Iterator[Diagnostic]:
    """An example can be copied as it stands."""
    for position, example in enumerate(script.examples):
        if example.split()[:1] != [name]:
            yield Diagnostic(
                ("examples", position), f"does not begin with {quoted(name)}, the command's name"
            )
        elif one_line(example) != example:
            yield Diagnostic(("examples", position), "is not one plain line")


def script_is_a_file_of_the_folder(script: Script) -> Iterator[Diagnostic]:
    """The name cannot lead out of the server's folder, nor be taken for an option or a hidden file."""
    name = script.script
    if "/" in name or "\\" in name or name in {".", ".."}:
        last = name.replace("\\", "/").rpartition("/")[2]
        hint = f"write {quoted(last)}" if last.strip(".") else ""
        yield Diagnostic(("script",), f"{quoted(name)} is not a bare file name", hint)
    elif name.startswith(("-", ".", "~")):
        yield Diagnostic(("script",), f"{quoted(name)} begins with {quoted(name[0])}", "rename the script")
    elif one_line(name) != name or name != name.strip():
        yield Diagnostic(("script",), f"{quoted(name)} holds blanks at its ends, or control characters")


def environment_is_harmless(script: Script) -> Iterator[Diagnostic]:
    """Constants choose no code, and don't compete with what an option hands over."""
    taken = {option.pass_env: option.name for option in common_in_use(script)}
    for name in script.env:
        path: KeyPath = ("env", name)
        if not re.search(ENV_PATTERN, name):
            yield Diagnostic(path, f"{quoted(name)} is not the name of an environment variable")
        elif reason := denial(name):
            yield Diagnostic(path, f"{name} is not for specs, it {reason}", "remove it")
        elif name in taken:
            hint = f"remove it, or leave {quoted(taken[name])} out of common"
            yield Diagnostic(path, f"{name} is set by the common option --{taken[name]}", hint)


def lists_have_no_doubles(script: Script) -> Iterator[Diagnostic]:
    """A thing said twice is a slip."""
    lists: tuple[tuple[str, tuple[str | int, ...]], ...] = (
        ("common", script.common),
        ("success-codes", script.success_codes),
    )
    for key, values in lists:
        for position, value in enumerate(values):
            if value in values[:position]:
                yield Diagnostic((key, position), f"{quoted(value)} stands twice", "remove one of them")


def arguments_are_told_apart(script: Script) -> Iterator[Diagnostic]:
    """Which value belongs to which argument is plain from their number."""
    optional = ""
    for position, argument in enumerate(script.argument):
        if argument.multiple and position < len(script.argument) - 1:
            what = "takes any number of values, and is not the last"
            yield Diagnostic(("argument", position, "multiple"), what, "move it to the end")
        if argument.multiple and argument.nargs:
            yield Diagnostic(
                ("argument", position, "nargs"), "does not go with multiple", "remove one of them"
            )
        if argument.required and optional:
            what = f"is required, and stands after {optional}, which is not"
            yield Diagnostic(("argument", position, "required"), what, "put required arguments first")
        if not argument.required:
            optional = argument.name


def subcommand_is_a_word(script: Script) -> Iterator[Diagnostic]:
    """A subcommand is no option, and what stands before it needs it."""
    if script.subcommand and script.subcommand.startswith("-"):
        yield Diagnostic(("subcommand",), f"{quoted(script.subcommand)} begins with a dash", "use fixed-args")
    for position, option in enumerate(script.option):
        if option.before_subcommand and script.subcommand is None:
            path: KeyPath = ("option", position, "before-subcommand")
            yield Diagnostic(path, "there is no subcommand", "add subcommand, or remove it")


def times_are_not_nothing(script: Script) -> Iterator[Diagnostic]:
    """A limit of no time would end every run at its start."""
    limits: list[tuple[KeyPath, str | None]] = [(("timeout",), script.timeout)]
    if script.postcondition:
        limits.append((("postcondition", "timeout"), script.postcondition.timeout))
    for path, text in limits:
        if text is None:
            continue
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            yield Diagnostic(path, str(error))
        else:
            if not seconds:
                yield Diagnostic(path, f"{quoted(text)} is no time at all")


def texts_have_their_form(script: Script) -> Iterator[Diagnostic]:
    """The line of a list is one line, and a deprecation says something."""
    if "\n" in script.short_help:
        yield Diagnostic(("short-help",), "is more than one line", "put the rest into help")
    if script.deprecated == "":
        yield Diagnostic(("deprecated",), "empty", "write true, or what to use instead")


RULES = (
    script_is_a_file_of_the_folder,
    environment_is_harmless,
    lists_have_no_doubles,
    arguments_are_told_apart,
    subcommand_is_a_word,
    times_are_not_nothing,
    texts_have_their_form,
)
