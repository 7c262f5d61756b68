"""A run stopped: interrupted, terminated, killed, a step when the one before is not enough."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.processes import Survivor, send

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.folder import RunFolder

TERMINATE_SECONDS = 3.0
_KILL_SECONDS = 10.0
_PAUSE = 0.02


def signal_script(folder: RunFolder, number: int) -> None:
    """Send signal `number` to the one direct child, which hands it on to the script exactly once.

    Once that is gone, to what it left behind.
    """
    process = folder.process()
    if process:
        process.wake()  # a supervisor that was stopped would not see the end
    for target in [process] if process and process.is_child() else folder.survivors():
        send(target.pid, target.started, number)


def signal_all(folder: RunFolder, number: int) -> None:
    """Send signal `number` to all processes of a run, by its supervisor as far as that can reach them."""
    supervised = folder.wish(number)
    for survivor in folder.survivors():
        if not (supervised and survivor.adopted):
            send(survivor.pid, survivor.started, number)


def stop(folder: RunFolder, after: float) -> list[Survivor] | None:
    """Stop a run: SIGINT, after `after` seconds SIGTERM, then SIGKILL, each with time to take effect.

    Returns:
        None when every process is proved to be gone, else those that are left (none where the system can't
        say which).
    """
    signal_script(folder, signal.SIGINT)
    if _gone_within(folder, after):
        return None
    signal_all(folder, signal.SIGTERM)
    if _gone_within(folder, min(after, TERMINATE_SECONDS)):
        return None
    until = time.monotonic() + _KILL_SECONDS
    while time.monotonic() < until:
        signal_all(folder, signal.SIGKILL)  # again and again: a process may have forked in between
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
