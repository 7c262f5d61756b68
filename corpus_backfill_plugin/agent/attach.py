"""A run that this process did not start, or no longer holds: found, asked to stop, its end waited for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.finish import UnrecordedError
from corpus_backfill_plugin.agent.folder import RunFolder
from corpus_backfill_plugin.agent.recover import current, is_here, resolve
from corpus_backfill_plugin.agent.stop import stop
from corpus_backfill_plugin.agent.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import RunRecord
    from corpus_backfill_plugin.agent.state import State

_RECORD_SECONDS, _NOTICE_SECONDS, _PAUSE = 30.0, 2.0, 0.02


def find(state: State, ledger: Ledger, number: int | None) -> tuple[RunRecord, RunFolder]:
    """Return run `number`, the latest for None, and its folder."""
    record = ledger.latest() if number is None else ledger.get(number)
    if record is None:
        wanted = "no run has been recorded yet" if number is None else f"there is no run {number}"
        raise AgentError(wanted, "See `backfill runs` for those there are.")
    return current(record, state), RunFolder(state.run_folder(record.number), record.token)


def require_running(record: RunRecord, folder: RunFolder) -> None:
    """Check that a run goes on, and its processes can be reached."""
    if record.state != "running":
        raise AgentError(
            f"run {record.number} does not run any more: {record.state}",
            f"See `backfill runs show {record.number}`.",
        )
    if not is_here(record, folder):
        raise AgentError(
            f"run {record.number} runs on {record.host}", "Its processes can only be reached from there."
        )


def stop_run(record: RunRecord, folder: RunFolder, ledger: Ledger, after: float, by: str) -> RunRecord:
    """Stop a run and return its record; `after` are the seconds between interrupt and terminate."""
    require_running(record, folder)
    folder.note_stop(by, "runs stop")
    left = stop(folder, after)
    if left is not None:
        names = ", ".join(f"{survivor.pid} {survivor.command}" for survivor in left) or "not known which"
        raise AgentError(
            f"run {record.number} has not ended: processes of it are left: {names}",
            "They may belong to another user or hang in the kernel; `runs` tells when they are gone.",
        )
    return wait_for_record(record, folder, ledger)


def wait_for_record(
    record: RunRecord,
    folder: RunFolder,
    ledger: Ledger,
    pause: Callable[[float], object] = time.sleep,
) -> RunRecord:
    """Return the record of a run whose processes are gone, as soon as its end is written in it.

    Where it can't be written, for want of space, how the run ended is returned all the same.
    """
    began, notice_at = time.monotonic(), time.monotonic() + _NOTICE_SECONDS
    # Whoever sees to the record may take long: what is left is counted.
    while time.monotonic() < began + _RECORD_SECONDS or folder.supervisor():
        if time.monotonic() > notice_at:
            notice_at = float("inf")
            notify(f"The script of run {record.number} has ended; waiting for what its end comes to.")
        try:
            resolve(folder, record, ledger)
        except UnrecordedError as failed:
            notify(f"{failed.problem}. The next `backfill runs` that can write records how this one ended.")
            return failed.record
        found = ledger.get(record.number)
        if found is None:
            raise AgentError(f"run {record.number} was pruned meanwhile")
        if found.state != "running":
            return replace(found, failed=ledger.failed_items(found.number))
        pause(_PAUSE)
    return record
