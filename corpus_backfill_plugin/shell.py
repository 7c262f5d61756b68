"""An Invocation as lines for a shell."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from corpus_backfill_plugin.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from corpus_backfill_plugin.agent.records import Invocation


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


def shell_form(invocation: Invocation) -> str:
    """Return lines that do the same when pasted into a shell.

    Variables that hold a secret are there by name alone: the lines take them from the shell's own
    environment, and stop when it has none.
    """
    exports = [
        f'{name}="${{{name}:?}}"' if name in invocation.secret_names else f"{name}={shell_word(value)}"
        for name, value in sorted(invocation.environ.items())
    ]
    steps = [
        f"cd {shell_word(invocation.folder)}",
        f"unset {' '.join(invocation.dropped)}",
        f"export {' '.join(exports)}",
        f"{shell_line(invocation.argv)}{' < /dev/null' if invocation.stdin is None else ''}",
    ]
    note = "" if invocation.stdin is None else "# the script reads a value from standard input\n"
    return note + "(" + " &&\n ".join(steps) + ")"
