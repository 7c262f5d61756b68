"""Runs whose end nobody wrote down brought to their true state."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.finish import finish
from corpus_backfill_plugin.agent.folder import RunFolder
from corpus_backfill_plugin.agent.logs import with_view
from corpus_backfill_plugin.agent.outcome import judge
from corpus_backfill_plugin.agent.processes import boot_id, is_stopped, machine_id

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import RunRecord, RunRequest
    from corpus_backfill_plugin.agent.state import State

_CONTINUED_SECONDS = 2.0
_PAUSE = 0.02


def recover(state: State, ledger: Ledger) -> None:
    """Write the end of every run that is proved to have ended and has nobody to write it.

    Any number of processes may do this at the same time, and any of them may be killed. Where the ledger
    can't be written just now, that is said, and the next who looks does it.
    """
    for record in ledger.due():
        folder = RunFolder(state.run_folder(record.number), record.token)
        if not _is_seen_to(folder):
            metadata = folder.metadata()
            _call_hook(ledger, record.number, metadata.request if metadata else None)
    for record in ledger.running():
        try:
            resolve(RunFolder(state.run_folder(record.number), record.token), record, ledger)
        except AgentError as error:
            notify(f"Run {record.number} has ended, which can't be recorded yet: {error.problem}.")
            return


def resolve(folder: RunFolder, record: RunRecord, ledger: Ledger) -> None:
    """Write the end of `record` if it is proved, and nobody is about to."""
    if not is_here(record, folder):
        return  # nothing can be proved about another machine's processes
    if _is_seen_to(folder) or not folder.is_gone():
        return
    if (metadata := folder.metadata()) is not None:
        finish(folder, None, ledger)
        _call_hook(ledger, record.number, metadata.request)
        return
    # Killed between the record and the start, or its folder was taken away, in whole or in part.
    outcome = judge(
        folder.ending(), folder.stop_request(), folder.process(), (0,), time.time(),
        taken=not folder.path.exists(),
    )  # fmt: skip
    if outcome.state == "succeeded":
        reason = f"what it was asked for is gone from its folder ({folder.path}), so nothing could be checked"
        outcome = replace(outcome, state="unverified", reason=reason)
    ledger.finish(record.number, **outcome.columns)
    _call_hook(ledger, record.number, None)


def _is_seen_to(folder: RunFolder) -> bool:
    """Return whether a supervisor or finisher lives that sees to the record; a stopped one is continued."""
    process = folder.process()
    if process is None or not process.is_supervised():
        return False
    if is_stopped(process.supervisor) and not folder.survivors():
        process.wake()
        until = time.monotonic() + _CONTINUED_SECONDS
        while process.is_supervised() and time.monotonic() < until:
            time.sleep(_PAUSE)
    return process.is_supervised()


def _call_hook(ledger: Ledger, number: int, request: RunRequest | None) -> None:
    from corpus_backfill_plugin.agent.hook import call_hook

    call_hook(ledger, number, request)


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
    if record.state != "running" or not is_here(record, folder):
        return record
    process = folder.process()
    if process is None:
        return record
    return with_view(replace(record, pid=process.pid, took=process.took()), folder)
