"""A run stopped: interrupted, terminated, killed, a step when the one before is not enough."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.processes import Survivor, send

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.folder import RunFolder

TERMINATE_SECONDS = 3.0
_KILL_SECONDS, _KILL_AGAIN_SECONDS, _SEARCH_SECONDS = 10.0, 0.5, 0.5
_PAUSE = 0.02


class Asked:
    """What whoever watches a run asks of it: first a signal to its script, then an end to all of it."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._kill_at = 0.0

    def ask(self, times: int, number: int, *, again: bool = False) -> None:
        """Ask for the first, second, third time, by signal `number`; `again` is of one that was obeyed."""
        if times == 1 and not again:
            signal_script(self._folder, number)
        elif not again:
            signal_all(self._folder, signal.SIGTERM)
        if times > 1:  # a third time is in a hurry
            self._kill_at = time.monotonic() + (TERMINATE_SECONDS if times == 2 else 0)  # noqa: PLR2004

    def insist(self) -> None:
        """Kill what was asked to end and has not; to be called some times a second."""
        if self._kill_at and time.monotonic() >= self._kill_at:
            signal_all(self._folder, signal.SIGKILL)
            self._kill_at = time.monotonic() + _KILL_AGAIN_SECONDS


class FolderEnd:
    """Learns from its folder that a run has ended, and its script, whose children may run on."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._next_search = 0.0
        self.script_ended = False

    def wait(self, seconds: float) -> bool:
        """Wait for so long, and return whether the run has ended."""
        time.sleep(seconds)
        self.script_ended = self.script_ended or self._folder.exit.exists()
        if not self._folder.is_unlocked():
            return False
        if self.script_ended:
            return True
        # Processes are searched for only now and then, as that takes longer.
        if time.monotonic() < self._next_search:
            return False
        self._next_search = time.monotonic() + _SEARCH_SECONDS
        return self._folder.is_gone()


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
