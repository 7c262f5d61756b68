"""A run recorded and started, where its script runs."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent import lock
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import room_hint, write_whole
from corpus_backfill_plugin.agent.finish import finish
from corpus_backfill_plugin.agent.folder import Metadata, RunFolder
from corpus_backfill_plugin.agent.hook import call_hook
from corpus_backfill_plugin.agent.processes import boot_id, machine_id
from corpus_backfill_plugin.agent.records import masked_options, record_of, with_items_file, without_secrets
from corpus_backfill_plugin.agent.start import not_started, start
from corpus_backfill_plugin.agent.state import current_user

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import RunRecord, RunRequest
    from corpus_backfill_plugin.agent.start import Link
    from corpus_backfill_plugin.agent.state import State


class Launch:
    """One run that this process starts.

    Args:
        request: what to run.
        state: the state folder; None when there is none to be had.
        ledger: where it is recorded; None for a run without a record.
        version: of the package that asks for it.
        user: who asks for it; empty for whoever owns this process.
        token: marks the run; the ledger takes each once. Empty makes one.
        colours: whether the script is to be told that a person sees colours, as it writes to files.
    """

    def __init__(
        self,
        request: RunRequest,
        state: State | None,
        ledger: Ledger | None,
        *,
        version: str,
        user: str = "",
        token: str = "",
        colours: bool = False,
    ) -> None:
        self.request, self._state, self._ledger = request, state, ledger
        self._version, self._user, self._colours = version, user or current_user(), colours
        self._token = token or os.urandom(16).hex()
        self._started = time.time()
        self._alive: int | None = None
        self.folder = RunFolder(Path(), self._token)
        self.number: int | None = None

    def begin(self, held: tuple[int, ...] = ()) -> Link:
        """Record the run, start its script, and return the link to its supervisor.

        Args:
            held: descriptors of its one-at-a-time locks.

        Raises:
            AgentError: either could not be done; the record, if there is one, says so.
        """
        try:
            if self._ledger is None:
                self._make_folder(Path(tempfile.mkdtemp(prefix="corpus-backfill-")) / "run")
            else:
                self.number = self._ledger.begin(self._record(), self._make_numbered)
            link = self._start(without_secrets(self.request), held)
        except BaseException as error:
            self._give_up(getattr(error, "problem", "") or f"not started: {error!r}")
            if isinstance(error, OSError):
                where = error.filename or self.folder.path
                raise AgentError(
                    f"{self.request.command} was not started: {error.strerror}: {where}",
                    room_hint(error),
                ) from error
            raise
        finally:
            # From here on the locks are the run's processes' alone.
            for descriptor in (self._alive, *held):
                if descriptor is not None:
                    os.close(descriptor)
        if link.failure:
            finish(self.folder, self.request, self._ledger, number=self.number)
            link.close(finished=True)
            if self._ledger and self.number is not None:
                call_hook(self._ledger, self.number, self.request)
            raise not_started(self.request, link)
        return link

    def _start(self, bare: RunRequest, held: tuple[int, ...]) -> Link:
        for descriptor in held:
            lock.record_holder(descriptor, self._holder())
        path = str(self._state.ledger) if self._state and self._ledger else None
        metadata = Metadata(
            number=self.number,
            ledger=path,
            token=self._token,
            secret=bool(self.request.invocation.secrets),
            request=bare,
            machine=machine_id(),
        )
        self.folder.write_metadata(metadata)
        descriptors = tuple(d for d in (self._alive, *held) if d is not None)
        kept = self._state.root if self._state else None
        return start(self.folder, self.request, descriptors, self._environment(), kept)

    def _environment(self) -> dict[str, str]:
        environ = self.request.invocation.environment(os.environ)
        colours = self._colours and not os.environ.get("NO_COLOR")
        return environ | {"FORCE_COLOR": "1"} if colours else environ

    def _record(self) -> RunRecord:
        return record_of(
            without_secrets(self.request),
            number=0,
            token=self._token,
            user=self._user,
            host=os.uname().nodename,
            boot=boot_id(),
            started=self._started,
            plugin_version=self._version,
            masked_options=masked_options(self.request),
        )

    def _make_numbered(self, number: int) -> RunRecord | None:
        if self._state is None:
            raise AssertionError(number)  # a ledger is in a state folder
        has_items = bool(self.request.items)
        self._make_folder(self._state.run_folder(number))
        return self._record() if has_items else None

    def _make_folder(self, path: Path) -> None:
        self.folder = RunFolder(path, self._token)
        self._alive = self.folder.make()
        if items := self.request.items:
            # The script may run elsewhere than we do, so the path is whole.
            path = self.folder.items.absolute()
            write_whole(path, "".join(f"{item}\n" for item in items).encode(errors="surrogateescape"))
            self.request = with_items_file(self.request, str(path))

    def _give_up(self, reason: str) -> None:
        """Record that the script was never started."""
        if self._ledger and self.number is not None:
            with suppress(AgentError):
                self._ledger.finish(self.number, state="failed", ended=time.time(), took=0.0, reason=reason)
        # Before its folder is made, the path stands for the current folder, which must stay.
        if self._ledger is None and self.folder.path != Path():
            shutil.rmtree(self.folder.path.parent, ignore_errors=True)

    def _holder(self) -> lock.Holder:
        return lock.Holder(
            number=self.number,
            command=self.request.command,
            user=self._user,
            host=os.uname().nodename,
            since=self._started,
        )
