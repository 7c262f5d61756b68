"""The one base of all errors that a person can cause."""

from __future__ import annotations

from typing import IO, Any

import click

from corpus_backfill_plugin.agent.errors import AgentError, HeldError


class BackfillError(AgentError, click.ClickException):
    """An error of the near end. Being a ClickException, whatever host runs the command renders it."""

    @classmethod
    def of(cls, error: AgentError) -> BackfillError:
        """Return `error` as one that a host renders."""
        if isinstance(error, cls):
            return error
        kind = _HeldError if isinstance(error, HeldError) else cls
        return kind(error.problem, error.hint)

    def format_message(self) -> str:
        """Return problem and hint, safe for a terminal."""
        return str(self)

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the error to stderr (or `file`), its hint on a line of its own."""
        click.echo(f"Error: {self.format_message()}", file=file, err=file is None)


class _HeldError(BackfillError):
    exit_code = HeldError.exit_code
