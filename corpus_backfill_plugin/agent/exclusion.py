"""One run of a kind at a time: the lock taken, waited for, or refused by the name of its holder."""

from __future__ import annotations

import os
import time
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
    request: RunRequest, state: State | None, ledger: Ledger | None, *, wait: bool
) -> tuple[tuple[int, ...], bool]:
    """Take the locks that keep a second run of the kind out.

    A run whose database is known has the lock of its database for itself, and shares the lock of its command
    with runs on others. One whose database is not known has the lock of its command for itself.

    Args:
        request: the run; it may need no lock.
        state: where locks are; None takes none.
        ledger: knows which runs have ended.
        wait: wait for a lock however long that lasts.

    Returns:
        The descriptors that carry the locks, and whether they were taken at once.

    Raises:
        HeldError: another run has it.
    """
    if request.lock_key is None or state is None:
        return (), True
    command = request.lock_key.partition(".")[0]
    held: list[int] = []
    at_once = True
    try:
        for key in dict.fromkeys((command, request.lock_key)):
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
            held.append(taken)
    except BaseException:
        for descriptor in held:
            os.close(descriptor)
        raise
    for descriptor in held:
        lock.record_holder(descriptor, None)
    return tuple(held), at_once


def _wait(path: Path, command: str, state: State, ledger: Ledger | None, *, wait: bool, shared: bool) -> int:
    holder = lock.holder_of(path)
    if ledger and holder and holder.number and _has_ended(holder, ledger):
        process = RunFolder(state.run_folder(holder.number), "").process()
        if process and process.is_supervised():
            process.wake()  # a finisher that was stopped has nothing left to do but to let go of the lock
        another = None if shared else _another(path.stem, ledger)
        if not another and (held := _take_within(path, _LETTING_GO_SECONDS, shared=shared)) is not None:
            return held
        holder = another or holder
    error = lock_held_error(command, holder)
    if not wait:
        raise error
    notify(f"{error.problem}; waiting (Ctrl-C to give up).")
    return lock.wait_for(path, shared=shared)


def _has_ended(holder: lock.Holder, ledger: Ledger) -> bool:
    """Return whether the holder is the last process of a run whose record is complete, about to go."""
    record = None if holder.number is None else ledger.get(holder.number)
    return record is not None and record.state != "running" and record.started == holder.since


def _another(key: str, ledger: Ledger) -> lock.Holder | None:
    """Return a run that still shares the lock of a command, when the holder recorded last has ended."""
    names = ("number", "command", "user", "host")
    for record in ledger.running():
        if record.lock_key and record.lock_key.startswith(key):
            return lock.Holder(**{n: getattr(record, n) for n in names}, since=record.started)
    return None


def _take_within(path: Path, seconds: float, *, shared: bool) -> int | None:
    until = time.monotonic() + seconds
    while (held := lock.take(path, shared=shared)) is None and time.monotonic() < until:
        time.sleep(_PAUSE)
    return held


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
