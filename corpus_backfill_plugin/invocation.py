"""What is handed to the operating system: argument list, folder and environment.

Everything here is pure. A preview and a run take the same `Invocation`, so that they can't differ.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.agent.records import Invocation
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.specs.selection import Selection, Value, given_options, shown_name
from corpus_backfill_plugin.specs.values import several
from corpus_backfill_plugin.text import is_text, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from corpus_backfill_plugin.agent.records import RunRequest
    from corpus_backfill_plugin.specs.model import Option, Script

NEGATIVE_NUMBER = re.compile(r"-\d+|-\d*\.\d+")
"""What argparse takes for a value although it begins with a dash (its `_negative_number_matcher`)."""

MAX_COUNT = 1000
"""How often a flag is repeated; more would fill the memory before the system refuses the argument list."""


class UnsendableError(BackfillError):
    """A value that no argument list can carry: as wrong, to the operator, as one of a wrong type."""

    exit_code = 2

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, hint or "Give another value, or ask for a spec that sends it another way.")


def invocation(script: Script, selection: Selection, *, folder: str, program: Iterable[str]) -> Invocation:
    """Return how `script` is run with the values of `selection`."""
    given = [
        (o, _as_text(o, selection.values[o.name]))
        for o in given_options(script, selection)
        if o.pass_env or o.pass_stdin
    ]
    # The folder's name is the server app's convention, see `workspace.SCRIPTS_FOLDER`.
    return Invocation(
        program=tuple(program),
        script=f"backfill/{script.script}",
        arguments=arguments(script, selection),
        folder=folder,
        environ=script.env | {o.pass_env: t for o, t in given if o.pass_env} | {"PYTHONUNBUFFERED": "1"},
        stdin=next((text for option, text in given if option.pass_stdin), None),
    )


def arguments(script: Script, selection: Selection) -> tuple[str, ...]:
    """Return the script's argument list: fixed words, options in the order of the spec, `--`, arguments."""
    words: dict[bool, list[str]] = {True: [], False: []}
    is_open = ""
    for option in given_options(script, selection):
        if option.pass_env or option.pass_stdin:
            continue
        value = selection.values[option.name]
        words[option.before_subcommand] += option_words(option, value)
        if option.before_subcommand:
            takes_more = option.multiple == "spread" or (option.value_optional and value is True)
            is_open = option.name if takes_more else ""
    if is_open:
        # argparse would take the subcommand for one more value.
        raise UnsendableError(f"--{is_open}: nothing ends its values before {script.subcommand}")
    subcommand = (script.subcommand,) if script.subcommand else ()
    positional = positional_words(script, selection)
    return (*script.fixed_args, *words[True], *subcommand, *words[False], *positional)


def option_words(option: Option, value: Value) -> list[str]:
    """Return the words that hand one option's `value` to the script."""
    if option.type == "bool":
        spelling = option.script_flag if value else option.negate
        return [spelling] if spelling else []
    if option.type == "count":
        if int(str(value)) > MAX_COUNT:
            raise UnsendableError(f"--{option.name}: {MAX_COUNT} times at most")
        return [option.script_flag] * int(str(value))
    if option.multiple is None:
        return _one_occurrence(option, value)
    values = list(several(value))
    if option.multiple == "repeat":
        return [word for item in values for word in _one_occurrence(option, item)]
    if not values:
        return []
    return _several(option, values) if option.multiple == "spread" else _pair(option, _joined(option, values))


def _joined(option: Option, values: list[Value]) -> str:
    separator = option.separator or ","
    texts = [str(value) for value in values]
    if bad := next((text for text in texts if separator in text), None):
        shown = "a value" if option.secret else quoted(bad)
        raise UnsendableError(
            f"--{option.name}: {shown} holds {quoted(separator)}, which stands between values; "
            f"give --{option.name} once for each"
        )
    return separator.join(texts)


def _one_occurrence(option: Option, value: Value) -> list[str]:
    if isinstance(value, list):
        return _several(option, value)
    return [option.script_flag] if value is True else _pair(option, str(value))


def _pair(option: Option, value: str) -> list[str]:
    flag = option.script_flag
    # argparse refuses a value that begins with a dash as a word of its own, and takes it in one word.
    if not value.startswith("-"):
        return [flag, value]
    if value == "--":
        # argparse up to 3.12 drops it even there, and fails for want of a value.
        raise UnsendableError(f"--{option.name}: the value can't be just two dashes")
    return [f"{flag}{value}"] if re.fullmatch(r"-[^-]", flag) else [f"{flag}={value}"]


def _several(option: Option, values: list[Value]) -> list[str]:
    texts = [str(value) for value in values]
    if any(text.startswith("-") and text != "-" and not NEGATIVE_NUMBER.fullmatch(text) for text in texts):
        problem = "a value that begins with a dash can't be sent among several after one flag"
        raise UnsendableError(f"--{option.name}: {problem}")
    return [option.script_flag, *texts]


def positional_words(script: Script, selection: Selection) -> list[str]:
    """Return the words of the positional arguments, `--` before them; none when there are none.

    A default behind an argument without a value is not sent: the script would take it for that one's.
    """
    words: list[str] = []
    absent = ""
    for argument in script.argument:
        if argument.name not in selection.values:
            absent = absent or shown_name(script, argument.name)
            continue
        if absent and argument.name in selection.given:
            raise UnsendableError(
                f"{shown_name(script, argument.name)} can't be given without {absent}, which stands before it"
            )
        if not absent:
            words += map(str, several(selection.values[argument.name]))
    if "--" in words:
        # argparse up to 3.12 removes one of them from each positional; no spelling survives that.
        raise UnsendableError("an argument can't be just two dashes")
    return ["--", *words] if words else []


def _as_text(option: Option, value: Value) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return _joined(option, value)
    return str(value)


def check_text(request: RunRequest) -> None:
    """Check that `request` can be written down; bytes that are no text are not shown: they may be secret."""
    job = request.invocation
    parts = {"an argument": job.argv, "the server app's folder": (job.folder,), "a value": (job.stdin or "",)}
    parts |= {f"the value of {name}": (value,) for name, value in job.environ.items()}
    for what, texts in parts.items():
        if not all(map(is_text, texts)):
            raise click.UsageError(f"{what} is not UTF-8 text: no run can be recorded with it")


def shell_word(text: str) -> str:
    """Return `text` as one word of a shell's command line, with nothing in it that a terminal would obey."""
    if printable(text) == text:
        return shlex.quote(text)
    # Beyond POSIX before 2024, but bash, zsh and ksh know it.
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if printable(char) == char:
        return char
    # Octal, as three digits end by themselves: after \x some shells take any number of them.
    return "".join(f"\\{byte:03o}" for byte in char.encode(errors="surrogateescape"))


def shell_line(words: Iterable[str]) -> str:
    """Return `words` as a shell's command line."""
    return " ".join(map(shell_word, words))


def shell_form(job: Invocation) -> str:
    """Return lines that do the same when pasted into a shell.

    Variables that hold a secret are there by name alone: the lines take them from the shell's own
    environment, and stop when it has none.
    """
    exports = [
        f'{name}="${{{name}:?}}"' if name in job.secret_names else f"{name}={shell_word(value)}"
        for name, value in sorted(job.environ.items())
    ]
    steps = [
        f"cd {shell_word(job.folder)}",
        f"unset {' '.join(job.dropped)}",
        f"export {' '.join(exports)}",
        f"{shell_line(job.argv)}{' < /dev/null' if job.stdin is None else ''}",
    ]
    note = "" if job.stdin is None else "# the script reads a value from standard input\n"
    return note + "(" + " &&\n ".join(steps) + ")"
