"""A run from its request to its exit code: lock, record, start, watch, finish."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.about import own_version
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.exclusion import acquire
from corpus_backfill_plugin.agent.launch import Launch
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.link import Link
from corpus_backfill_plugin.agent.records import changed_facts
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.state import State, open_state
from corpus_backfill_plugin.config import with_on_end
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.invocation import check_text
from corpus_backfill_plugin.runs.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from corpus_backfill_plugin.agent.records import RunRequest


def execute(
    request: RunRequest,
    *,
    detach: bool = False,
    wait: bool = False,
    fresh: Callable[[], RunRequest] | None = None,
    record: bool = True,
    line_every: float | None = None,
    link: Link | None = None,
) -> int:
    """Run `request` and return the exit code for the CLI.

    The script's output goes to this process's stdout and stderr as it comes.

    `fresh` prepares the request again, after a wait for the lock in which anything may have changed. Without
    a `record` the run's logs are gone with it. A `link` is to a supervisor that was started meanwhile.

    Returns:
        The script's own exit code; 128 + n when signal n ended it; 0 when detached; 129, 131 or 141 when the
        terminal, the person or the reader of our stdout left and the run goes on.

    Raises:
        HeldError: another run has the lock.
        BackfillError: the run could not be recorded or started, is no longer what it was before the wait,
            or how it ended is not known.
    """
    if detach and not record:
        raise BackfillError("--detach needs a record", "Without one the run could not be found again.")
    check_text(request)
    with ExitStack() as stack:
        link = stack.enter_context(link or Link())
        state = _state(record=record)
        ledger = stack.enter_context(Ledger(state.ledger if state and record else None))
        if state and record:
            request = with_on_end(request)
            recover(state, ledger)
        held, at_once = acquire(request, state, ledger, wait=wait)
        if fresh and not at_once:
            _check_unchanged(request, fresh, held)
        signals = stack.enter_context(Signals())
        run = Run(request, state if record else None, ledger, kept=state.root if state else None)
        stack.callback(run.close)
        run.begin(link, held)
        if detach:
            link.close(finished=False)
            click.echo(str(run.number))
            return 0
        # Imported while the script starts.
        from corpus_backfill_plugin.runs.viewer import watch_run

        return watch_run(run, link, signals, line_every)


class Run(Launch):
    """One run that this process starts and shows. Its `number` is 0 where it has no record."""

    def __init__(
        self, request: RunRequest, state: State | None, ledger: Ledger, kept: Path | None = None
    ) -> None:
        super().__init__(request, state, ledger, kept, version=own_version(), colours=os.isatty(1))


def _check_unchanged(request: RunRequest, fresh: Callable[[], RunRequest], held: tuple[int, ...]) -> None:
    """Check that `request` is still what would be prepared now, and let the locks go when it is not."""
    with ExitStack() as locks:
        for descriptor in held:
            locks.callback(os.close, descriptor)
        if changed := changed_facts(request, fresh()):
            raise BackfillError(
                f"not run: while it waited, {', '.join(changed)} changed",
                "Look at the change, then run it again.",
            )
        locks.pop_all()


def _state(*, record: bool) -> State | None:
    """Return the state folder; without a record it is only wanted for the lock, and may be missing."""
    try:
        return open_state()
    except AgentError as error:
        if record:
            raise
        notify(f"{error.problem}; no lock keeps a second run out.")
        return None
