"""Runs whose end nobody wrote down brought to their true state."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.run.finish import Finished, finish, write_end
from corpus_backfill_plugin.run.folder import RunFolder
from corpus_backfill_plugin.run.outcome import judge
from corpus_backfill_plugin.run.processes import boot_id
from corpus_backfill_plugin.run.watch import say

if TYPE_CHECKING:
    from corpus_backfill_plugin.run.ledger import Ledger
    from corpus_backfill_plugin.run.record import RunRecord
    from corpus_backfill_plugin.run.state import State


def reconcile(state: State, ledger: Ledger) -> None:
    """Write the end of every run that is proved to have ended and has nobody to write it.

    Any number of processes may do this at the same time, and any of them may be killed. Where the ledger
    can't be written just now, that is said, and the next who looks does it.
    """
    for record in ledger.running():
        try:
            settle(RunFolder(state.run_folder(record.number), record.token), record, ledger)
        except BackfillError as error:
            say(f"Run {record.number} has ended, which can't be recorded yet: {error.problem}.")
            return


def settle(folder: RunFolder, record: RunRecord, ledger: Ledger) -> None:
    """Write the end of `record` if it is proved, and nobody is about to."""
    if not is_here(record):
        return  # nothing can be proved about another machine's processes
    process = folder.process()
    if process and process.is_supervised():
        return  # while it lives, it sees to the record itself
    if not folder.is_gone():
        return
    if folder.card() is not None:
        finish(folder, None, ledger)
        _tell_end(ledger, record.number)
        return
    # Killed between the record and the start, or its folder was taken away.
    outcome = judge(None, None, process, (0,), time.time(), taken=not folder.path.exists())
    write_end(ledger, record, Finished(outcome=outcome))
    _tell_end(ledger, record.number)


def _tell_end(ledger: Ledger, number: int) -> None:
    from corpus_backfill_plugin.run.on_end import tell_end  # noqa: PLC0415  seldom: nobody saw to this end

    tell_end(ledger, number, None)


def is_here(record: RunRecord) -> bool:
    """Return whether a run's processes, if it has any, are to be found on this machine.

    The boot decides before the name: containers of one machine have several names and share the kernel that
    keeps the locks.
    """
    return record.boot == boot_id() or record.host == os.uname().nodename
