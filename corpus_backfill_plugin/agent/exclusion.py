"""One run of a kind at a time: the lock taken, waited for, or refused by the name of its holder."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent import lock
from corpus_backfill_plugin.agent.errors import AgentError, HeldError
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.files import room_hint
from corpus_backfill_plugin.agent.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import RunRequest
    from corpus_backfill_plugin.agent.state import State

_LETTING_GO_SECONDS = 10.0
_PAUSE = 0.02


def acquire(
    request: RunRequest, state: State | None, ledger: Ledger, *, wait: bool
) -> tuple[tuple[int, ...], bool]:
    """Take the locks that keep a second run of the kind out.

    A run whose database is known has the lock of its database for itself, and shares the lock of its command
    with runs on others. One whose database is not known has the lock of its command for itself.

    Returns:
        The descriptors that carry the locks, and whether they were taken at once.

    Raises:
        HeldError: another run has it.
    """
    if request.lock_key is None or state is None:
        return (), True
    held: list[int] = []
    at_once = True
    with ExitStack() as undo:
        for key in dict.fromkeys((request.lock_key.partition(".")[0], request.lock_key)):
            path, shared = lock.key_path(state.locks, key), key != request.lock_key
            try:
                taken = lock.take(path, shared=shared)
            except OSError as error:
                raise AgentError(
                    f"The lock that keeps a second run out can't be taken: {error.strerror}: {path}",
                    room_hint(error),
                ) from error
            if taken is None:
                taken, at_once = _wait(path, request.command, state, ledger, wait=wait, shared=shared), False
            undo.callback(os.close, taken)
            held.append(taken)
        undo.pop_all()
    for descriptor in held:
        lock.record_holder(descriptor, None)
    return tuple(held), at_once


def _wait(path: Path, command: str, state: State, ledger: Ledger, *, wait: bool, shared: bool) -> int:
    holder = lock.holder_of(path)
    if holder and holder.number and _has_ended(holder.number, holder.since, ledger):
        if process := RunFolder(state.run_folder(holder.number), "").process():
            process.wake()  # a finisher that was stopped has nothing left to do but to let go of the lock
        another = None if shared else _another(path.stem, ledger)
        until = time.monotonic() + _LETTING_GO_SECONDS
        while not another and time.monotonic() < until:
            if (held := lock.take(path, shared=shared)) is not None:
                return held
            time.sleep(_PAUSE)
        holder = another or holder
    error = lock_held_error(command, holder)
    if not wait:
        raise error
    notify(f"{error.problem}; waiting (Ctrl-C to give up).")
    return lock.wait_for(path, shared=shared)


def _has_ended(number: int, since: float, ledger: Ledger) -> bool:
    """Return whether the holder is the last process of a run whose record is complete, about to go."""
    record = ledger.get(number)
    return record is not None and record.state != "running" and record.started == since


def _another(key: str, ledger: Ledger) -> lock.Holder | None:
    """Return a run that still shares the lock of a command, when the holder recorded last has ended."""
    for record in ledger.running():
        if record.lock_key and record.lock_key.startswith(key):
            return lock.Holder(record.number, record.command, record.user, record.host, record.started)
    return None


def lock_held_error(command: str, holder: lock.Holder | None) -> HeldError:
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
