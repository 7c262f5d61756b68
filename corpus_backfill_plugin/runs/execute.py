"""A run from its request to its exit code: lock, record, start, watch, finish."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import tempfile
import time
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.about import own_version
from corpus_backfill_plugin.agent import lock
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.files import room_hint, write_whole
from corpus_backfill_plugin.agent.finish import UnrecordedError, finish
from corpus_backfill_plugin.agent.folder import Metadata, RunFolder
from corpus_backfill_plugin.agent.hook import call_hook
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.processes import boot_id, machine_id
from corpus_backfill_plugin.agent.records import (
    changed_facts,
    masked_options,
    record_of,
    with_items_file,
    without_secrets,
)
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.start import not_started, start, wait_for_start
from corpus_backfill_plugin.agent.state import State, current_user, open_state
from corpus_backfill_plugin.config import with_on_end
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.invocation import check_text
from corpus_backfill_plugin.runs.exclusion import acquire
from corpus_backfill_plugin.runs.summary import close
from corpus_backfill_plugin.runs.viewer import Detached, LinkEnd, Patience, Signals, Watcher
from corpus_backfill_plugin.terminal.sink import LINE_EVERY, TerminalSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.agent.output import OutputReader
    from corpus_backfill_plugin.agent.records import RunRecord, RunRequest
    from corpus_backfill_plugin.agent.start import Link


def execute(
    request: RunRequest,
    *,
    detach: bool = False,
    wait: bool = False,
    fresh: Callable[[], RunRequest] | None = None,
    record: bool = True,
    line_every: float = LINE_EVERY,
) -> int:
    """Run `request` and return the exit code for the CLI.

    The script's output goes to this process's stdout and stderr as it comes.

    Args:
        request: what to run.
        detach: print the run's number and return as soon as the script has started.
        wait: wait for another run that holds the same lock, instead of giving up.
        fresh: prepares the request again, after a wait in which anything may have changed.
        record: write the run into the ledger; without, its logs are gone with it.
        line_every: seconds between two plain lines of progress, where there is no terminal.

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
        state = _state(record=record)
        ledger = stack.enter_context(Ledger(state.ledger)) if state and record else None
        if state and ledger:
            request = with_on_end(request)
            recover(state, ledger)
        held, at_once = acquire(request, state, ledger, wait=wait)
        if fresh and not at_once:
            _check_unchanged(request, fresh, held)
        signals = stack.enter_context(Signals())
        run = Run(request, state, ledger)
        link = run.begin(held)
        if detach:
            link.close(finished=False)
            click.echo(str(run.number))
            return 0
        return run.watch(link, signals, line_every)


class Run:
    """One run that this process starts.

    Args:
        request: what to run.
        state: the state folder; None when there is none to be had.
        ledger: where it is recorded; None for a run without a record.
    """

    def __init__(self, request: RunRequest, state: State | None, ledger: Ledger | None) -> None:
        self._request, self._state, self._ledger = request, state, ledger
        self._token = uuid.uuid4().hex
        self._started = time.time()
        self._alive: int | None = None
        self._folder = RunFolder(Path(), self._token)
        self.number: int | None = None

    @property
    def name(self) -> str:
        """The run's name for people."""
        return (
            self._request.command if self.number is None else f"{self._request.command} (run {self.number})"
        )

    def begin(self, held: tuple[int, ...] = ()) -> Link:
        """Record the run, start its script, and return the link to its supervisor.

        Args:
            held: descriptors of its one-at-a-time locks.

        Raises:
            BackfillError: either could not be done; the record, if there is one, says so.
        """
        try:
            link = self._launch(held)
            wait_for_start(link, self._folder, self._request)
        except BaseException as error:
            self._give_up(getattr(error, "problem", "") or f"not started: {error!r}")
            if isinstance(error, OSError):
                where = error.filename or self._folder.path
                raise BackfillError(
                    f"{self._request.command} was not started: {error.strerror}: {where}",
                    room_hint(error),
                ) from error
            raise
        if link.failure:
            self.finish(link)
            self._call_hook(lambda: False)
            raise not_started(self._request, link)
        return link

    def _launch(self, held: tuple[int, ...]) -> Link:
        try:
            if self._ledger is None:
                self._make_folder(Path(tempfile.mkdtemp(prefix="corpus-backfill-")) / "run")
            else:
                self.number = self._ledger.begin(self._record(), self._make_numbered)
            return self._start(without_secrets(self._request), held)
        finally:
            # From here on the locks are the run's processes' alone: before this one waits for anything, as
            # it may be stopped (Ctrl-Z) while it does, and the run must come to its end all the same.
            for descriptor in (self._alive, *held):
                if descriptor is not None:
                    os.close(descriptor)

    def watch(self, link: Link, signals: Signals, line_every: float = LINE_EVERY) -> int:
        """Show the run to its end, finish its record, and return the exit code.

        Args:
            link: to its supervisor.
            signals: taken over already.
            line_every: seconds between two plain lines of progress, where there is no terminal.

        Raises:
            BackfillError: how it ended is not known.
        """
        watcher = Watcher(self._folder, self.name, signals)
        end = LinkEnd(link, self._folder, self.name)
        try:
            with self._shown(line_every) as sink:
                watcher.watch(end, sink)
            sink.reader.cut = watcher.cut
            seen = sink.reader if watcher.saw_all else None
            record = self.finish(link, Patience(self._folder, signals).should_cancel, seen)
        except Detached as left:
            link.close(finished=False)
            return left.code
        if sink.found_secret or record.masked:
            notify(f"{self.name} printed a secret: it is masked here and in the log. Change the script.")
        try:
            return close(record, self.name)
        finally:
            signals.pending.clear()
            self._call_hook(lambda: not {signal.SIGINT, signal.SIGTERM}.isdisjoint(signals.pending))

    def finish(
        self, link: Link, should_cancel: Callable[[], bool] = lambda: False, seen: OutputReader | None = None
    ) -> RunRecord:
        """Finish the record, let the supervisor go, and return how the run ended."""

        def beat() -> bool:
            link.beat()
            return should_cancel()

        try:
            record = finish(self._folder, self._request, self._ledger, beat, seen, number=self.number)
        except UnrecordedError as failed:
            link.close(finished=False)
            notify(
                f"{failed.problem}. The next `backfill runs` that can write records how {self.name} ended."
            )
            return failed.record
        link.close(finished=True)
        return record

    def _shown(self, line_every: float) -> TerminalSink:
        name, output = self._request.command, self._request.output
        note = None
        if self._ledger and self.number is not None:
            note = functools.partial(self._ledger.note, self.number)
        secrets = self._request.invocation.secrets
        return TerminalSink(output, secrets, name=name, note=note, line_every=line_every)

    def _start(self, bare: RunRequest, held: tuple[int, ...]) -> Link:
        for descriptor in held:
            lock.record_holder(descriptor, self._holder())
        secret = bool(self._request.invocation.secrets)
        path = str(self._state.ledger) if self._state and self._ledger else None
        metadata = Metadata(
            number=self.number,
            ledger=path,
            token=self._token,
            secret=secret,
            request=bare,
            machine=machine_id(),
        )
        self._folder.write_metadata(metadata)
        descriptors = tuple(d for d in (self._alive, *held) if d is not None)
        kept = self._state.root if self._state else None
        return start(self._folder, self._request, descriptors, _environment(self._request), kept)

    def _record(self) -> RunRecord:
        facts = self._facts() | {"masked_options": masked_options(self._request)}
        return record_of(without_secrets(self._request), **facts)

    def _make_numbered(self, number: int) -> RunRecord | None:
        if self._state is None:
            raise AssertionError(number)  # a ledger is in a state folder
        has_items = bool(self._request.items)
        self._make_folder(self._state.run_folder(number))
        return self._record() if has_items else None

    def _make_folder(self, path: Path) -> None:
        self._folder = RunFolder(path, self._token)
        self._alive = self._folder.make()
        if items := self._request.items:
            # The script may run elsewhere than we do, so the path is whole.
            path = self._folder.items.absolute()
            write_whole(path, "".join(f"{item}\n" for item in items).encode(errors="surrogateescape"))
            self._request = with_items_file(self._request, str(path))

    def _give_up(self, reason: str) -> None:
        """Record that the script was never started."""
        if self._ledger and self.number is not None:
            with suppress(AgentError):
                self._ledger.finish(self.number, state="failed", ended=time.time(), took=0.0, reason=reason)
        # Before its folder is made, the path stands for the current folder, which must stay.
        if self._ledger is None and self._folder.path != Path():
            shutil.rmtree(self._folder.path.parent, ignore_errors=True)

    def _call_hook(self, stopped: Callable[[], bool]) -> None:
        if self._ledger and self.number is not None:
            call_hook(self._ledger, self.number, self._request, stopped)

    def _holder(self) -> lock.Holder:
        return lock.Holder(
            number=self.number,
            command=self._request.command,
            user=current_user(),
            host=os.uname().nodename,
            since=self._started,
        )

    def _facts(self) -> dict[str, object]:
        """Return what the record says beside the request."""
        return {
            "number": 0,
            "token": self._token,
            "user": current_user(),
            "host": os.uname().nodename,
            "boot": boot_id(),
            "started": self._started,
            "plugin_version": own_version(),
        }


def _check_unchanged(request: RunRequest, fresh: Callable[[], RunRequest], held: tuple[int, ...]) -> None:
    """Check that `request` is still what would be prepared now, and let the locks go when it is not.

    Raises:
        BackfillError: it is not; says what has changed.
    """
    with ExitStack() as locks:
        for descriptor in held:
            locks.callback(os.close, descriptor)
        if changed := changed_facts(request, fresh()):
            raise BackfillError(
                f"not run: while it waited, {', '.join(changed)} changed",
                "Look at the change, then run it again.",
            )
        locks.pop_all()


def _environment(request: RunRequest) -> dict[str, str]:
    """Return the script's environment. It writes to files: that a person sees colours is told by us."""
    environ = request.invocation.environment(os.environ)
    colours = os.isatty(1) and not os.environ.get("NO_COLOR")
    return environ | {"FORCE_COLOR": "1"} if colours else environ


def _state(*, record: bool) -> State | None:
    """Return the state folder; without a record it is only wanted for the lock, and may be missing."""
    try:
        return open_state()
    except AgentError as error:
        if record:
            raise
        notify(f"{error.problem}; no lock keeps a second run out.")
        return None
