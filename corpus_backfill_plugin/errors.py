"""The one base of all errors that a person can cause."""

from __future__ import annotations

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


class _HeldError(BackfillError):
    exit_code = HeldError.exit_code
