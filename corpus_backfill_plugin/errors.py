"""The one base of all errors that a person can cause."""

from __future__ import annotations

from enum import IntEnum
from typing import IO, Any

import click

from corpus_backfill_plugin.text import printable


class ExitCode(IntEnum):
    """Exit codes of ours; a script's own code is forwarded as it is, and death by signal n is 128 + n."""

    OK = 0
    FAILED = 1
    USAGE = 2
    HELD = 75
    """EX_TEMPFAIL of sysexits.h: another run holds the lock, later it may work."""


class BackfillError(click.ClickException):
    """What is wrong in one line, and what to do about it in another.

    Being a ClickException it is rendered by whatever host runs the command, without a traceback.

    Args:
        problem: what is wrong, with file, line and key where there is one; no trailing dot.
        hint: what to do now; empty when the problem says it all.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def format_message(self) -> str:
        """Return both lines, safe for a terminal."""
        return printable(f"{self.problem}\n{self.hint}" if self.hint else self.problem)

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the error to stderr (or `file`), its hint on a line of its own."""
        click.echo(f"Error: {self.format_message()}", file=file, err=file is None)


class HeldError(BackfillError):
    """Another run holds the lock that this one needs."""

    exit_code = ExitCode.HELD
