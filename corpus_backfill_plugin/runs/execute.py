"""A run from its request to its exit code: lock, record, start, watch, finish."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.about import own_version
from corpus_backfill_plugin.agent import lock
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.files import room_hint, write_whole
from corpus_backfill_plugin.agent.folder import Metadata, RunFolder
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.link import Link
from corpus_backfill_plugin.agent.outcome import explain_failure
from corpus_backfill_plugin.agent.processes import boot_id, machine_id
from corpus_backfill_plugin.agent.records import changed_facts, record_of, with_items_file, without_secrets
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.start import not_started, start, wait_for_start
from corpus_backfill_plugin.agent.state import State, current_user, open_state
from corpus_backfill_plugin.config import with_on_end
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.invocation import check_text
from corpus_backfill_plugin.runs.exclusion import acquire
from corpus_backfill_plugin.runs.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.agent.records import RunRecord, RunRequest


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
        run.begin(link, held)
        if detach:
            link.close(finished=False)
            click.echo(str(run.number))
            return 0
        # Imported while the script starts.
        from corpus_backfill_plugin.runs.viewer import watch_run

        return watch_run(run, link, signals, line_every)


class Run:
    """One run that this process starts. Its `number` is 0 where it has no record.

    Without a `state` folder it gets one of its own, which goes with it; `kept` is then a folder for the copy
    of the agent, if there is one.
    """

    def __init__(
        self, request: RunRequest, state: State | None, ledger: Ledger, kept: Path | None = None
    ) -> None:
        self.request, self._state, self.ledger = request, state, ledger
        self._kept = state.root if state else kept
        self._started = time.time()
        self.folder = RunFolder(Path(), os.urandom(16).hex())
        self._locks: tuple[int, ...] = ()
        self.number = 0

    @property
    def name(self) -> str:
        """The run's name for people."""
        return f"{self.request.command} (run {self.number})" if self.number else self.request.command

    def begin(self, link: Link, held: tuple[int, ...] = ()) -> None:
        """Record the run, and have the supervisor at the other end of `link` start its script."""
        self._locks = held
        temporary = None
        try:
            if self._state is None:
                import tempfile

                temporary = tempfile.mkdtemp(prefix="corpus-backfill-")
                self._state = State(Path(temporary))
                self._state.runs.mkdir(mode=0o700)
            self._launch(link, self._state)
            wait_for_start(link, self.folder, self.request)
        except BaseException as error:
            reason = getattr(error, "problem", "") or f"not started: {error!r}"
            if self.number:
                with suppress(AgentError):
                    self.ledger.finish(
                        self.number, state="failed", ended=time.time(), took=0.0, reason=reason
                    )
            if temporary:
                import shutil

                shutil.rmtree(temporary, ignore_errors=True)
            if isinstance(error, OSError):
                where = error.filename or self.folder.path
                problem = f"{self.request.command} was not started: {error.strerror}: {where}"
                raise BackfillError(problem, room_hint(error)) from error
            raise
        if link.failure:
            from corpus_backfill_plugin.agent.hook import call_hook
            from corpus_backfill_plugin.runs.viewer import finish_run

            finish_run(self, link)
            call_hook(self.ledger, self.number, self.request)
            raise not_started(self.request, explain_failure(link.failure))

    def _launch(self, link: Link, state: State) -> None:
        held = self._locks
        try:
            self.number = self.ledger.begin(self._record(), self._make_folder)
            self._start(link, state, held)
        finally:
            # From here on the locks are the run's processes' alone: before this one waits for anything, as
            # it may be stopped (Ctrl-Z) while it does, and the run must come to its end all the same.
            for descriptor in self._locks:
                os.close(descriptor)

    def _record(self) -> RunRecord:
        return record_of(
            self.request,
            number=self.number,
            token=self.folder.token,
            user=current_user(),
            host=os.uname().nodename,
            boot=boot_id(),
            started=self._started,
            plugin_version=own_version(),
        )

    def _make_folder(self, number: int) -> RunRecord | None:
        """Make the folder of run `number`, and in it its file of items; return the record that names that."""
        if self._state is None:
            raise AssertionError(number)
        self.folder = RunFolder(self._state.run_folder(number), self.folder.token)
        self._locks = (self.folder.make(), *self._locks)
        if not (items := self.request.items):
            return None
        # The script may run elsewhere than we do, so the path is absolute.
        path = self.folder.items.absolute()
        write_whole(path, "".join(f"{item}\n" for item in items).encode(errors="surrogateescape"))
        self.request = with_items_file(self.request, str(path))
        return self._record()

    def _start(self, link: Link, state: State, held: tuple[int, ...]) -> None:
        number, host = self.number or None, os.uname().nodename
        holder = lock.Holder(number, self.request.command, current_user(), host, self._started)
        for descriptor in held:
            lock.record_holder(descriptor, holder)
        metadata = Metadata(
            number=number,
            ledger=str(state.ledger) if number else None,
            token=self.folder.token,
            secret=bool(self.request.invocation.secrets),
            request=without_secrets(self.request),
            machine=machine_id(),
        )
        self.folder.write_metadata(metadata)
        environ = self.request.invocation.environment(os.environ)
        if os.isatty(1) and not os.environ.get("NO_COLOR"):
            environ["FORCE_COLOR"] = "1"  # it writes to files: only we know that a person sees colours
        start(link, self.folder, self.request, self._locks, environ, kept=self._kept)


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
