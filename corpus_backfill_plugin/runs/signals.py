"""The signals that reach the CLI while it has a run."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType

STOPPING, LEAVING = {signal.SIGINT, signal.SIGTERM}, {signal.SIGHUP, signal.SIGQUIT}


class Signals:
    """The signals that reach this process while it watches, kept for the watcher to act on.

    Outside the main thread, where Python allows no handlers, signals keep their meaning.
    """

    def __init__(self) -> None:
        self._before: dict[int, object] = {}
        self.pending: list[int] = []

    def __enter__(self) -> Self:
        """Take the signals over. One that the caller ignores, as nohup does SIGHUP, stays ignored."""
        if threading.current_thread() is threading.main_thread():
            for number in (*STOPPING, *LEAVING):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.pending.append(number)
