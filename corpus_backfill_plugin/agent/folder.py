"""The folder of one run: its logs, its lock, and the small files in which its processes leave facts."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from corpus_backfill_plugin.agent import lock, processes
from corpus_backfill_plugin.agent.escape import one_line
from corpus_backfill_plugin.agent.files import open_regular, write_whole
from corpus_backfill_plugin.agent.plain import dump, load
from corpus_backfill_plugin.agent.records import RunRequest

T = TypeVar("T")
STREAMS = ("stdout", "stderr")
_ROOM = 512
"""Bytes that are enough for `process`, `exit` and `stop`."""
_SHOWN = 200
_VERDICT_ROOM = 4096
"""Bytes that are enough for a `verdict` but for one of very many counts."""


@dataclass(frozen=True, slots=True)
class Process:
    """Who runs, as the supervisor wrote it down before the script began.

    Attributes:
        pid: the direct child, leader of its process group.
        started: its start time in the kernel's ticks, 0 where there is none.
        boot: the boot it runs in.
        supervisor: the process above it, leader of the session.
        supervisor_started: as `started`.
        request: the supervisor's descriptor that holds the request with its secrets.
        clock: start by the clock that nobody sets, in seconds.
    """

    pid: int
    started: int
    boot: str
    supervisor: int
    supervisor_started: int
    request: int
    clock: float

    def took(self) -> float:
        """Return the seconds since the start, on the machine and in the boot that it runs in."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) - self.clock

    def is_child(self) -> bool:
        """Return whether the direct child still lives and is the one that was started."""
        return processes.is_same(self.pid, self.started, self.boot, self.supervisor)

    def wake(self) -> None:
        """Continue a supervisor that was stopped, and have it look for a wish."""
        if self.is_supervised():
            processes.send(self.supervisor, self.supervisor_started, signal.SIGCONT)

    def is_supervised(self) -> bool:
        """Return whether the supervisor, or the finisher that it became, still lives."""
        return processes.is_same(self.supervisor, self.supervisor_started, self.boot, self.supervisor)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the script ended, as the supervisor saw it.

    Attributes:
        at: seconds since the epoch.
        took: seconds since the start.
        status: as waitpid tells it; None when the script was never started.
        failure: then why: `ERRNO STEP`.
        printed: bytes that its logs had by then, in the order of STREAMS.
    """

    at: float
    took: float
    status: int | None = None
    failure: str = ""
    printed: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class StopRequest:
    """Who asked a run to stop; the first who did is remembered."""

    by: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a run folder says of its run; nothing in it is secret.

    Attributes:
        number: the run's, None when it is not recorded.
        ledger: the ledger's path, None when it is not recorded.
        token: marks the run's processes.
        secret: whether there were secrets, without which its logs can't be searched for them.
        request: the request, secrets masked.
        machine: the id of the machine that it runs on; empty where that has none.
    """

    number: int | None
    ledger: str | None
    token: str
    secret: bool
    request: RunRequest
    machine: str = ""


class RunFolder:
    """Paths and small files in the folder of a run.

    Args:
        path: the folder.
        token: marks the run's processes.
    """

    def __init__(self, path: Path, token: str) -> None:
        self.path = path
        self.token = token
        self.alive = path / "alive"
        self.exit = path / "exit"
        self.verdict = path / "verdict"
        self.masked = path / "masked"
        self.items = path / "items"
        self._stop = path / "stop"
        self._metadata = path / "run.json"

    def log(self, stream: str) -> Path:
        """Return the file that the script's `stream` (stdout, stderr) goes into."""
        return self.path / f"{stream}.log"

    def size(self, stream: str) -> int:
        """Return the bytes in a log, 0 when it is not there."""
        try:
            return self.log(stream).stat().st_size
        except OSError:
            return 0

    def is_cut(self) -> bool:
        """Return whether a log has less in it than the script printed: truncated, removed or moved away."""
        if self.masked.exists():  # which changed the lengths
            return self.masked.read_bytes() == b"cut"
        ending = self.ending()
        printed = ending.printed if ending else (0, 0)
        return any(self.size(name) < size for name, size in zip(STREAMS, printed, strict=True))

    def make(self) -> int:
        """Make the folder (0700) and return the descriptor of its lock, taken.

        A folder in the way is one whose record was never written, or was lost: it is set aside. What the run
        must be able to note later has its space taken now, so that a disk full by then can't lose it.

        Raises:
            OSError: it can't be made, for want of space or of inodes as well.
        """
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            self.path.rename(self.path.with_name(f"{self.path.name}.found-{time.time_ns()}"))
            self.path.mkdir(mode=0o700)
        for reserved in (self.path / "process.new", self.path / "exit.new", self._stop):
            write_whole(reserved, b" " * _ROOM)
        write_whole(self.path / "verdict.new", b" " * _VERDICT_ROOM)
        descriptor = lock.take(self.alive)
        if descriptor is None:
            raise AssertionError(self.alive)  # the folder is this process's own, made a moment ago
        return descriptor

    def open_logs(self) -> tuple[int, int]:
        """Return descriptors to append to the two logs (0600), made here."""
        out, err = (
            os.open(self.log(s), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            for s in STREAMS
        )
        return out, err

    def request(self) -> RunRequest | None:
        """Return what was asked for, with its secrets while the supervisor can still be asked for them."""
        process, metadata = self.process(), self.metadata()
        if process and process.is_supervised():
            held = Path(f"/proc/{process.supervisor}/fd/{process.request}")
            if (whole := _read(held, RunRequest)) is not None:
                return whole
        return metadata.request if metadata else None

    def is_unlocked(self) -> bool:
        """Return whether no process holds the run's lock any more."""
        return lock.is_free(self.alive)

    def is_gone(self) -> bool:
        """Return whether every process of the script is proved to be gone.

        The lock's being free proves it for those that kept the descriptor, and while the supervisor lives for
        all; should it have died, processes are looked for by the run's mark as well.
        """
        if not self.is_unlocked():
            return False
        return self.exit.exists() or not self.survivors()

    def survivors(self) -> list[processes.Survivor]:
        """Return the processes of the script that still live, the supervisor left out."""
        process = self.process()
        supervisor = process.supervisor if process and process.is_supervised() else 0
        found = processes.survivors(self.token, self.alive, supervisor)
        if self.is_unlocked():  # then what a supervisor has below it is the finisher's own work
            found = [survivor for survivor in found if not survivor.adopted]
        return found

    def wish(self, number: int) -> bool:
        """Have the supervisor send signal `number` to all processes of the run; return whether it can.

        A supervisor that was stopped is continued.
        """
        process = self.process()
        if process is None or not process.is_supervised():
            return False
        try:
            write_whole(self.path / "wish", str(number).encode())
        except OSError:
            return False
        process.wake()
        return True

    def process(self) -> Process | None:
        """Return who runs; None before the start."""
        return _read(self.path / "process", Process)

    def ending(self) -> Ending | None:
        """Return how the script ended; None while it runs, or when nobody saw its end."""
        return _read(self.exit, Ending)

    def metadata(self) -> Metadata | None:
        """Return what is known of the run; None when the folder is gone or no run's."""
        return _read(self._metadata, Metadata)

    def write_metadata(self, metadata: Metadata) -> None:
        """Keep `metadata`, whose request must be free of secrets."""
        write_whole(self._metadata, dump(metadata))

    def finisher_failure(self) -> str:
        """Return why the finisher that a supervisor became did not finish; empty when that is not known."""
        try:
            said = (self.path / "finisher.log").read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return f"its finisher failed: {one_line(said[-1])[:_SHOWN]}" if said else ""

    def keep_verdict(self, verdict: object) -> bool:
        """Write what the run came to, unless another did before; return False then, for theirs to be read.

        Where there is neither space nor a folder nothing is kept.
        """
        temporary = self.path / f"verdict.{os.getpid()}.new"
        try:
            with suppress(FileNotFoundError):  # another took the space, and then was killed or stopped
                (self.path / "verdict.new").rename(temporary)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as stream:
                stream.write(dump(verdict).ljust(_VERDICT_ROOM))
            os.link(temporary, self.verdict)
        except FileExistsError:
            return False
        except OSError:
            return True
        finally:
            with suppress(OSError):
                temporary.unlink()
        return True

    def stop_request(self) -> StopRequest | None:
        """Return who asked the run to stop first; None when nobody did."""
        return _read(self._stop, StopRequest)

    def note_stop(self, by: str, reason: str) -> None:
        """Note that `by` asks the run to stop, unless somebody did before: into the space kept for it."""
        note = dump(StopRequest(by, reason, time.time()))
        with suppress(OSError):  # the folder was taken away
            if self.stop_request() is None:
                descriptor = os.open(self._stop, os.O_WRONLY | os.O_CLOEXEC)
                with os.fdopen(descriptor, "wb", buffering=0) as stream:
                    stream.write(note.ljust(_ROOM))


def signal_name(number: int) -> str:
    """Return `SIGKILL` for 9, and the number itself where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _read(path: Path, kind: type[T]) -> T | None:
    """Return what a file says, None when it is missing or was never finished."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return load(kind, file.read())
    except (OSError, ValueError):
        return None
