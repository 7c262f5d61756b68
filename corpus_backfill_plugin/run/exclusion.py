"""One run of a kind at a time: the lock taken, waited for, or refused by the name of its holder."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from corpus_backfill_plugin.errors import BackfillError, HeldError
from corpus_backfill_plugin.run import lock
from corpus_backfill_plugin.run.folder import RunFolder
from corpus_backfill_plugin.run.watch import say

if TYPE_CHECKING:
    from pathlib import Path

    from corpus_backfill_plugin.run.ledger import Ledger
    from corpus_backfill_plugin.run.request import RunRequest
    from corpus_backfill_plugin.run.state import State

_LETTING_GO_SECONDS = 10.0
_PAUSE = 0.02


def take_turn(request: RunRequest, state: State | None, ledger: Ledger | None, *, wait: bool) -> int | None:
    """Take the lock that keeps a second run of the kind out, and return the descriptor that carries it.

    Args:
        request: the run; None is returned when it needs no lock.
        state: where locks are; None takes none.
        ledger: tells whether the holder's run has ended.
        wait: wait for the lock however long that lasts.

    Raises:
        HeldError: another run has it.
    """
    if request.lock_key is None or state is None:
        return None
    path = lock.key_path(state.locks, request.lock_key)
    try:
        held = lock.take(path)
    except OSError as error:
        raise BackfillError(
            f"The lock that keeps a second run out can't be taken: {error.strerror}: {path}",
            "Make room there, or name another state folder in CORPUS_BACKFILL_STATE.",
        ) from error
    if held is None:
        holder = lock.holder_of(path)
        if ledger and holder and holder.number and _has_ended(holder, ledger):
            _wake(RunFolder(state.run_folder(holder.number), ""))
            held = _take_within(path, _LETTING_GO_SECONDS)
        if held is None:
            held = _wait(path, held_error(request.command, holder), wait=wait)
    lock.sign(held, None)
    return held


def _has_ended(holder: lock.Holder, ledger: Ledger) -> bool:
    """Return whether the holder is the last process of a run whose record is complete, about to go."""
    record = None if holder.number is None else ledger.get(holder.number)
    return record is not None and record.state != "running" and record.started == holder.since


def _wake(folder: RunFolder) -> None:
    """Continue a finisher that was stopped: it has nothing left to do but to let go of the lock."""
    process = folder.process()
    if process and process.is_supervised():
        with suppress(ProcessLookupError):
            os.kill(process.supervisor, signal.SIGCONT)


def _take_within(path: Path, seconds: float) -> int | None:
    until = time.monotonic() + seconds
    while (held := lock.take(path)) is None and time.monotonic() < until:
        time.sleep(_PAUSE)
    return held


def _wait(path: Path, error: HeldError, *, wait: bool) -> int:
    if not wait:
        raise error
    say(f"{error.problem}; waiting (Ctrl-C to give up).")
    return lock.wait_for(path)


def held_error(command: str, holder: lock.Holder | None) -> HeldError:
    """Return the error that says who holds the lock and what can be done about it."""
    if holder is None:
        return HeldError(f"Another run of {command} is starting", "Wait for it with --wait.")
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
    run = "a run without a record" if holder.number is None else f"run {holder.number}"
    attach = "" if holder.number is None else f"`backfill runs attach {holder.number}` shows it; "
    return HeldError(
        f"{command} already runs on this server and database: {run} of {holder.user} on {holder.host}"
        f" since {since}",
        f"{attach}--wait starts when it has ended.",
    )
