"""Locks that a run's processes inherit, so that the lock's being free proves that they are gone.

A lock belongs to an open file description. Every process started with the descriptor shares it, through
any number of programs in between, and the kernel frees it when the last of them has ended or closed it.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from corpus_backfill_plugin.agent.plain import dump, load

if TYPE_CHECKING:
    from pathlib import Path

_SETTLE_TRIES = 40
_SETTLE_PAUSE = 0.025


class Holder(NamedTuple):
    """Who holds the one-at-a-time lock, written into the lock file for those who find it taken.

    Attributes:
        number: the run; None when it is not recorded.
        since: start, in seconds since the epoch.
    """

    number: int | None
    command: str
    user: str
    host: str
    since: float


def take(path: Path, *, shared: bool = False) -> int | None:
    """Take the lock at `path` and return the descriptor that carries it; None when another holds it."""
    with suppress(BlockingIOError):
        return _lock(path, fcntl.LOCK_NB, shared=shared)
    return None


def wait_for(path: Path, *, shared: bool = False) -> int:
    """Take the lock at `path` however long that lasts; Ctrl-C leaves the wait."""
    return _lock(path, 0, shared=shared)


def _lock(path: Path, how: int, *, shared: bool) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_free(path: Path) -> bool:
    """Return whether no process holds the lock at `path`; a missing file is nobody's.

    The look takes a shared lock for an instant, so that two who look don't take each other for a holder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def key_path(locks: Path, key: str) -> Path:
    """Return the lock file of a one-at-a-time `key`."""
    return locks / f"{key}.lock"


def record_holder(descriptor: int, holder: Holder | None) -> None:
    """Write `holder` into the lock file just taken; None wipes the one before."""
    os.ftruncate(descriptor, 0)
    if holder:
        os.pwrite(descriptor, dump(holder), 0)


def holder_of(path: Path) -> Holder | None:
    """Return who holds the lock at `path`, as they wrote it; None when they have not within a second."""
    for _ in range(_SETTLE_TRIES):
        try:
            return load(Holder, path.read_bytes())
        except (ValueError, OSError):
            time.sleep(_SETTLE_PAUSE)  # taken a moment ago, its holder not yet recorded
    return None
