"""What goes wrong where a script runs, in words for the operator."""

from __future__ import annotations

from typing import ClassVar

from corpus_backfill_plugin.agent.escape import printable


class AgentError(Exception):
    """What is wrong in one line, no trailing dot, and what to do now in another, if that is not plain."""

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        """Return both lines, safe for a terminal."""
        return printable(f"{self.problem}\n{self.hint}" if self.hint else self.problem)


class HeldError(AgentError):
    """Another run holds the lock that this one needs."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: later it may work."""
