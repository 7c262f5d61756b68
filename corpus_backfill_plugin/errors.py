"""The one base of all errors that a person can cause."""

from __future__ import annotations

from enum import IntEnum

import click

from corpus_backfill_plugin.agent.errors import AgentError


class ExitCode(IntEnum):
    """Exit codes of ours; a script's own code is forwarded as it is, and death by signal n is 128 + n."""

    FAILED = 1
    USAGE = 2
    HELD = 75  # EX_TEMPFAIL of sysexits.h: another run holds the lock, later it may work


class BackfillError(AgentError, click.ClickException):
    """An error of the near end. Being a ClickException, whatever host runs the command renders it."""

    exit_code = ExitCode.FAILED

    @classmethod
    def of(cls, error: AgentError) -> BackfillError:
        """Return `error` as one that a host renders."""
        return error if isinstance(error, cls) else cls(error.problem, error.hint)

    def format_message(self) -> str:
        """Return problem and hint, safe for a terminal."""
        return str(self)


class HeldError(BackfillError):
    """Another run holds the lock that this one needs."""

    exit_code = ExitCode.HELD
