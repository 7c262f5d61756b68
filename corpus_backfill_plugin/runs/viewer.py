"""A run watched by a person: its output shown, their signals passed on."""

from __future__ import annotations

import errno
import signal
import threading
import time
from typing import TYPE_CHECKING, Protocol, Self

from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.state import current_user
from corpus_backfill_plugin.agent.stop import TERMINATE_SECONDS, signal_all, signal_script
from corpus_backfill_plugin.runs.tail import Closed, Follower

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from corpus_backfill_plugin.agent.folder import RunFolder
    from corpus_backfill_plugin.agent.link import Link
    from corpus_backfill_plugin.terminal.sink import TerminalSink

_NOTICE_SECONDS = 1.0
_PROBE_SECONDS = 0.5
_KILL_AGAIN_SECONDS = 0.5


class Detached(Exception):  # noqa: N818  not an error: the run goes on without us
    """The watcher leaves a run that goes on.

    Args:
        code: exit code for the CLI.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Signals:
    """The signals that reach this process while it watches, kept for the watcher to act on.

    Outside the main thread, where Python allows no handlers, signals keep their meaning.
    """

    _WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

    def __init__(self) -> None:
        self._before: dict[int, object] = {}
        self.pending: list[int] = []

    def __enter__(self) -> Self:
        """Take the signals over. One that the caller ignores, as nohup does SIGHUP, stays ignored."""
        if threading.current_thread() is threading.main_thread():
            for number in self._WATCHED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.pending.append(number)


class End(Protocol):
    """Where the watcher learns that a run has ended."""

    @property
    def script_ended(self) -> bool:
        """Whether the script itself has ended; what it started may still run."""

    def wait(self, seconds: float) -> bool:
        """Wait `seconds` at most, less when something happens; return whether the run has ended."""


class FolderEnd:
    """Learns it from the run's folder, as anybody can who is not the supervisor's parent."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._next_search = 0.0
        self.script_ended = False

    def wait(self, seconds: float) -> bool:
        """Wait, then look at the lock; processes are searched for only now and then, as that takes longer."""
        time.sleep(seconds)
        self.script_ended = self._folder.exit.exists()
        if not self._folder.is_unlocked():
            return False
        if self.script_ended:
            return True
        if time.monotonic() < self._next_search:
            return False
        self._next_search = time.monotonic() + _PROBE_SECONDS
        return self._folder.is_gone()


class LinkEnd:
    """Learns it from the supervisor, and should that be killed from the folder.

    Args:
        link: to the supervisor.
        folder: the run's.
        name: how to call the run.
    """

    def __init__(self, link: Link, folder: RunFolder, name: str) -> None:
        self._link, self._name = link, name
        self._otherwise = FolderEnd(folder)
        self._told = False

    @property
    def script_ended(self) -> bool:
        """Whether the script itself has ended."""
        return self._link.script_ended or self._otherwise.script_ended

    def wait(self, seconds: float) -> bool:
        """Wait for the supervisor's word, or without it for the lock."""
        if not self._link.broken:
            self._link.wait(seconds)
            return self._link.gone
        if not self._told:
            self._told = True
            notify(f"The supervisor of {self._name} was killed; waiting for the processes of the run.")
        return self._otherwise.wait(seconds)


class Watcher:
    """Shows one run until it ends or the person leaves.

    Args:
        folder: the run's.
        name: how to call it, `duration (run 12)`.
        signals: taken over already, so that none is lost between the start and the watching.

    Attributes:
        saw_all: whether the sink got all that was to be had of what the run printed, to its end.
        cut: whether a log was truncated meanwhile.
    """

    def __init__(self, folder: RunFolder, name: str, signals: Signals) -> None:
        self._folder, self._name, self._signals = folder, name, signals
        self.saw_all, self.cut = False, False
        self._asked = 0
        self._kill_at = 0.0
        self._left_at = 0.0

    def watch(self, end: End, sink: TerminalSink) -> None:
        """Show the run to its end.

        Raises:
            Detached: the person left, or the terminal did; the run goes on.
        """
        with Follower(self._folder, sink) as follower:
            try:
                follower.follow(self._ended(end))
            except Closed as closed:
                raise Detached(
                    128 + (signal.SIGHUP if closed.error.errno == errno.EIO else signal.SIGPIPE)
                ) from None
            finally:
                sink.close()
            self.saw_all, self.cut = follower.saw_all, follower.cut

    def _ended(self, end: End) -> Callable[[float], bool]:
        def ended(seconds: float) -> bool:
            while self._signals.pending:
                self._obey(self._signals.pending.pop(0))
            if self._kill_at and time.monotonic() >= self._kill_at:
                signal_all(self._folder, signal.SIGKILL)
                self._kill_at = time.monotonic() + _KILL_AGAIN_SECONDS
            over = end.wait(seconds)
            if end.script_ended and not over:
                self._tell_of_the_rest()
            return over

        return ended

    def _obey(self, number: int) -> None:
        if number == signal.SIGHUP:
            raise Detached(128 + number)
        if number == signal.SIGQUIT:
            notify(f"Left {self._name}; it goes on.")
            raise Detached(128 + number)
        self._asked += 1
        how = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        self._folder.note_stop(current_user(), how)
        if self._asked == 1:
            signal_script(self._folder, number)
            notify(f"Asked {self._name} to stop; press Ctrl-C again to end it.")
        else:
            notify(f"Ending {self._name}.")
            signal_all(self._folder, signal.SIGTERM)
            self._kill_at = time.monotonic() + (TERMINATE_SECONDS if self._asked == 2 else 0)  # noqa: PLR2004  a third time is in a hurry

    def _tell_of_the_rest(self) -> None:
        """Say once why the run has not ended although the script has."""
        now = time.monotonic()
        self._left_at = self._left_at or now + _NOTICE_SECONDS
        if now < self._left_at:
            return
        self._left_at = float("inf")
        names = ", ".join(f"{s.pid} {s.command}" for s in self._folder.survivors()[:3])
        notify(f"The script has ended; what it started still runs: {names or 'not known which'}. Waiting.")


class Patience:
    """Whether the person has had enough of it while a run's record is finished.

    Args:
        folder: the run's.
        signals: taken over already.
    """

    def __init__(self, folder: RunFolder, signals: Signals) -> None:
        self._folder, self._signals = folder, signals
        self._told_at = time.monotonic() + _NOTICE_SECONDS

    def should_cancel(self) -> bool:
        """Return whether to stop counting what is left: Ctrl-C or SIGTERM here, `runs stop` elsewhere.

        Raises:
            Detached: the person or the terminal left; the supervisor does it in our place.
        """
        for number in (signal.SIGHUP, signal.SIGQUIT):
            if number in self._signals.pending:
                raise Detached(128 + number)
        if time.monotonic() >= self._told_at:
            self._told_at = float("inf")
            notify("Counting what is left; Ctrl-C gives up on that.")
        return bool(self._signals.pending) or self._folder.stop_request() is not None
