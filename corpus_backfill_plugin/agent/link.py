"""The link to a supervisor, which is started first and gets its run later.

An interpreter takes as long to start as a run takes to be prepared, so both happen at the same time. This
module is imported before that, and imports little.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess  # nosec B404 - starting scripts is what this package is for
import sys
from contextlib import suppress
from socket import MSG_DONTWAIT, send_fds, socketpair
from typing import Self

from corpus_backfill_plugin.agent.errors import AgentError

_LEAVING_SECONDS = 3.0
SUPERVISOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "supervisor.py")  # noqa: PTH100, PTH118, PTH120


class Link:
    """One end of the socket to a new supervisor, which waits for its run and ends when it gets none.

    Whoever watches the run hears here how it goes, and answers when its record is finished.

    Attributes:
        pid: of the script, 0 until it has started.
        failure: `ERRNO STEP` when it could not be started.
        broken: whether the supervisor died before it reported the end.

    Raises:
        AgentError: no process can be started.
    """

    def __init__(self) -> None:
        self._control, theirs = socketpair()
        # The supervisor begins with all signals blocked, so that none can end it before it knows what to do.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._process = subprocess.Popen(  # noqa: S603  # nosec B603 - our own program
                [sys.executable, "-I", "-S", SUPERVISOR, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            self._control.close()
            raise AgentError(
                f"nothing can be started: {error.strerror}", "Is the number of processes or memory used up?"
            ) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        self._text = b""
        self._poller = select.poll()
        self._poller.register(self._control, select.POLLIN)
        self.pid, self.failure = 0, ""
        self.script_ended = self.gone = self.broken = False

    def __enter__(self) -> Self:
        """Return the link itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the supervisor to itself: it sees to the run that it got, or ends."""
        self._process.returncode = self._process.returncode or 0  # it outlives this process
        self._control.close()

    def start(self, descriptors: list[int]) -> None:
        """Hand a run over, as `Supervisor` takes it."""
        with suppress(OSError):  # the supervisor was killed: that is noticed next
            send_fds(self._control, [b"r"], descriptors)

    def wait_for_start(self) -> None:
        """Wait until the script runs, or is known not to."""
        while not (self.pid or self.failure or self.broken):
            self.wait(60)

    def wait(self, seconds: float) -> bool:
        """Wait for news, `seconds` at most; return whether the run has ended or nobody knows."""
        if not (self.gone or self.broken) and self._poller.poll(seconds * 1000):
            self._hear()
        return self.gone or self.broken

    def _hear(self) -> None:
        try:
            news = self._control.recv(4096)
        except ConnectionError:
            news = b""
        self.broken = not news
        *lines, self._text = (self._text + news).split(b"\n")
        for line in lines:
            word, _, rest = line.decode().partition(" ")
            if word == "started":
                self.pid = int(rest)
            elif word == "failed":
                self.failure = rest
            self.script_ended |= word in {"left", "gone"}
            self.gone |= word == "gone"

    def close(self, *, finished: bool) -> None:
        """Leave the run to itself, or, when its record is `finished`, wait for the supervisor to go as well.

        Only then are all its locks free, and the next run of the kind can start. One that does not go within
        seconds is not waited for: it was stopped, or took over from this process when that was.
        """
        if finished:
            with suppress(OSError):
                self._control.send(b"f")
            try:
                self._process.wait(_LEAVING_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGCONT)  # stopped, or a finisher that is still at work
        self.__exit__()

    def beat(self) -> None:
        """Give a sign of life, so that the supervisor goes on leaving the record to this process."""
        with suppress(OSError):  # full, or it became the finisher
            self._control.send(b"w", MSG_DONTWAIT)
