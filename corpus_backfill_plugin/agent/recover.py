"""Runs whose end nobody wrote down brought to their true state, and old ones forgotten."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.folder import RunFolder
from corpus_backfill_plugin.agent.processes import boot_id, is_stopped, machine_id
from corpus_backfill_plugin.agent.value import replace

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import RunRecord
    from corpus_backfill_plugin.agent.state import State

_CONTINUED_SECONDS = 2.0
_PAUSE = 0.02
_DOOMED = ".pruned"


def recover(state: State, ledger: Ledger) -> None:
    """Write the end of every run that is proved to have ended and has nobody to write it.

    Any number of processes may do this at the same time, and any of them may be killed. Where the ledger
    can't be written just now, that is reported, and the next who looks does it.
    """
    for record in ledger.due():
        folder = RunFolder(state.run_folder(record.number), record.token)
        if not _is_seen_to(folder):
            _call_hook(folder, record, ledger)
    for record in ledger.running():
        try:
            resolve(RunFolder(state.run_folder(record.number), record.token), record, ledger)
        except AgentError as error:
            notify(f"Run {record.number} has ended, which can't be recorded yet: {error.problem}.")
            return


def resolve(folder: RunFolder, record: RunRecord, ledger: Ledger) -> None:
    """Write the end of `record` if it is proved, and nobody is about to.

    About another machine's processes nothing can be proved.
    """
    if is_here(record, folder) and not _is_seen_to(folder) and folder.is_gone():
        from corpus_backfill_plugin.agent.finish import finish

        finish(folder, None, ledger, record.number)
        _call_hook(folder, record, ledger)


def _is_seen_to(folder: RunFolder) -> bool:
    """Return whether a supervisor or finisher lives that sees to the record; a stopped one is continued."""
    process = folder.supervisor()
    if process and is_stopped(process.supervisor) and not folder.survivors():
        process.wake()
        until = time.monotonic() + _CONTINUED_SECONDS
        while process.is_supervised() and time.monotonic() < until:
            time.sleep(_PAUSE)
    return process is not None and process.is_supervised()


def _call_hook(folder: RunFolder, record: RunRecord, ledger: Ledger) -> None:
    from corpus_backfill_plugin.agent.hook import call_hook

    call_hook(ledger, record.number, folder.bare_request())


def is_here(record: RunRecord, folder: RunFolder) -> bool:
    """Return whether a run's processes, if it has any, are to be found on this machine.

    The boot decides before the name: containers of one machine have several names and share the kernel that
    keeps the locks. A machine that was given another name and booted again is known by its id.
    """
    if record.boot == boot_id() or record.host == os.uname().nodename:
        return True
    metadata = folder.metadata()
    return metadata is not None and metadata.machine != "" and metadata.machine == machine_id()


def current(record: RunRecord, state: State) -> RunRecord:
    """Return `record` with what a running one's folder knows better: its process, how long, how far."""
    folder = RunFolder(state.run_folder(record.number), record.token)
    if record.state == "running" and is_here(record, folder) and (process := folder.process()):
        from corpus_backfill_plugin.agent.logs import with_view

        return with_view(replace(record, pid=process.pid, took=process.took()), folder)
    return record


def prune(state: State, ledger: Ledger, older_than: float, keep: int) -> Sequence[int]:
    """Forget runs that ended more than `older_than` seconds ago, but for the newest `keep`.

    Folders that have no row, because a kill or a lost ledger left them, go when they are as old. Returns the
    numbers of the runs. Rows go before folders, so that a kill in between leaves nothing that looks complete.
    """
    moment = time.time() - older_than
    numbers = ledger.ended_before(moment, keep)
    ledger.forget(numbers)
    _set_aside(state, ledger, {str(number) for number in numbers}, moment)
    for folder in state.runs.glob(f"*{_DOOMED}"):
        _remove(folder)
    return numbers


def _remove(path: Path) -> None:
    """Delete a folder, or a file in its place: of a pipe, rmtree would wait for a writer."""
    import shutil

    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _set_aside(state: State, ledger: Ledger, forgotten: Collection[str], moment: float) -> None:
    """Rename the folders that are to go, while nobody can be making one whose row is not yet to be seen."""
    with ledger.alone() as numbers:
        known = {str(number) for number in numbers}
        for folder in state.runs.iterdir():
            if folder.name in known or folder.name.endswith(_DOOMED):
                continue
            if folder.name in forgotten or folder.stat().st_mtime < moment:
                folder.rename(folder.with_name(folder.name + _DOOMED))
