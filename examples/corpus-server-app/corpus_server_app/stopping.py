"""Ending early on SIGINT or SIGTERM without losing what is done."""

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Self

_HANDLED = (signal.SIGINT, signal.SIGTERM)
# One Ctrl-C can reach the script more than once, through the terminal and through what started it.
_SAME_KEYPRESS = 1.0


class Stopped(Exception):  # noqa: N818 - a request, not an error
    """Raised inside a measurement that is given up because the script was asked to stop."""


class Stop:
    """Remembers the first signal; another one, a second or more later, ends the script at once."""

    def __init__(self) -> None:
        """Nothing is caught before the ``with`` block is entered."""
        self.signal: int | None = None
        self._asked = threading.Event()
        self._first = 0.0
        self._before: dict[int, signal.Handlers | object] = {}

    def __enter__(self) -> Self:
        """Take over the two signals."""
        for number in _HANDLED:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, before in self._before.items():
            signal.signal(number, before if callable(before) else signal.SIG_DFL)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
            self._first = time.monotonic()
            self._asked.set()
        elif time.monotonic() - self._first >= _SAME_KEYPRESS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._asked.is_set()

    def check(self) -> None:
        """Called in long loops of a measurement, from any thread.

        Raises:
            Stopped: a signal has come.
        """
        if self._asked.is_set():
            raise Stopped
