"""A run asked to stop, and ended for certain when asking is not enough."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpus_backfill_plugin.run.folder import RunFolder
    from corpus_backfill_plugin.run.processes import Survivor

INSIST_SECONDS = 3.0
_KILL_SECONDS = 10.0
_PAUSE = 0.02


def ask(folder: RunFolder, number: int) -> None:
    """Send signal `number` to the one direct child, which hands it on to the script exactly once.

    Once that is gone, to what it left behind.
    """
    process = folder.process()
    if process and process.is_child():
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
        return
    for survivor in folder.survivors():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(survivor.pid, number)


def press(folder: RunFolder, number: int) -> None:
    """Send signal `number` to the script's process group, and to all that is left of the run outside it."""
    process = folder.process()
    group = process.pid if process and process.is_child() else 0
    if group:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
    for survivor in folder.survivors():
        with suppress(ProcessLookupError, PermissionError):
            if not group or os.getpgid(survivor.pid) != group:
                os.kill(survivor.pid, number)


def stop(folder: RunFolder, after: float) -> list[Survivor] | None:
    """Stop a run: SIGINT, after `after` seconds SIGTERM, then SIGKILL, each with time to take effect.

    Returns:
        None when every process is proved to be gone, else those that are left (none where the system does
        not tell which).
    """
    ask(folder, signal.SIGINT)
    if _gone_within(folder, after):
        return None
    press(folder, signal.SIGTERM)
    if _gone_within(folder, min(after, INSIST_SECONDS)):
        return None
    until = time.monotonic() + _KILL_SECONDS
    while time.monotonic() < until:
        press(folder, signal.SIGKILL)  # again and again: a process may have forked in between
        if _gone_within(folder, 0.3):
            return None
    return folder.survivors()


def _gone_within(folder: RunFolder, seconds: float) -> bool:
    """Return whether the run's processes are gone, as soon as they are."""
    until = time.monotonic() + seconds
    while not folder.is_gone():
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True
