"""A run recorded and started, where its script runs."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent import lock
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.files import room_hint, write_whole
from corpus_backfill_plugin.agent.folder import Metadata, RunFolder
from corpus_backfill_plugin.agent.outcome import explain_failure
from corpus_backfill_plugin.agent.processes import boot_id, machine_id
from corpus_backfill_plugin.agent.records import record_of, with_items_file, without_secrets
from corpus_backfill_plugin.agent.start import not_started, start, wait_for_start
from corpus_backfill_plugin.agent.state import State, current_user

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.link import Link
    from corpus_backfill_plugin.agent.output import OutputReader
    from corpus_backfill_plugin.agent.records import RunRecord, RunRequest


class Launch:
    """One run that this process starts. Its `number` is 0 where it has no record.

    Without a `state` folder it gets one of its own, which goes with it.

    Args:
        kept: folder for a copy of the agent, where there is no state folder; None goes without.
        version: of the package that asks for it.
        user: who asks for it; empty for whoever owns this process.
        token: marks the run; the ledger takes each once. Empty makes one.
        colours: whether the script is to be told that a person sees colours, as it writes to files.
    """

    def __init__(
        self,
        request: RunRequest,
        state: State | None,
        ledger: Ledger,
        kept: Path | None = None,
        *,
        version: str,
        user: str = "",
        token: str = "",
        colours: bool = False,
    ) -> None:
        self.request, self._state, self.ledger = request, state, ledger
        self._kept = state.root if state else kept
        self._version, self._user, self._colours = version, user or current_user(), colours
        self._started = time.time()
        self.folder = RunFolder(Path(), token or os.urandom(16).hex())
        self._locks: tuple[int, ...] = ()
        self.logs: dict[str, FileIO] = {}
        self.number = 0

    @property
    def name(self) -> str:
        """The run's name for people."""
        return f"{self.request.command} (run {self.number})" if self.number else self.request.command

    def close(self) -> None:
        """Close its logs."""
        for log in self.logs.values():
            log.close()

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
                raise AgentError(problem, room_hint(error)) from error
            raise
        if link.failure:
            from corpus_backfill_plugin.agent.hook import call_hook

            self.finish(link)
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
            user=self._user,
            host=os.uname().nodename,
            boot=boot_id(),
            started=self._started,
            plugin_version=self._version,
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
        holder = lock.Holder(number, self.request.command, self._user, host, self._started)
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
        if self._colours and not os.environ.get("NO_COLOR"):
            environ["FORCE_COLOR"] = "1"  # it writes to files: only we know that a person sees colours
        self.logs = self.folder.new_logs()
        start(link, self.folder, self.request, self._locks, environ, kept=self._kept)

    def finish(
        self, link: Link, should_cancel: Callable[[], bool] = lambda: False, seen: OutputReader | None = None
    ) -> RunRecord:
        """Finish the record, let the supervisor go, and return how the run ended."""
        from corpus_backfill_plugin.agent.finish import UnrecordedError, finish

        def beat() -> bool:
            link.beat()
            return should_cancel()

        try:
            record = finish(self.folder, self.request, self.ledger, self.number, beat, seen=seen)
        except UnrecordedError as failed:
            link.close(finished=False)
            notify(
                f"{failed.problem}. The next `backfill runs` that can write records how {self.name} ended."
            )
            return failed.record
        link.close(finished=True)
        return record
