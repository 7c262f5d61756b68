"""The folder of one run: its logs, its lock, and the small files in which its processes leave facts."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from corpus_backfill_plugin.agent import lock, processes
from corpus_backfill_plugin.agent.child import last_line
from corpus_backfill_plugin.agent.files import open_regular, write_whole
from corpus_backfill_plugin.agent.plain import dump, load
from corpus_backfill_plugin.agent.records import RunRequest
from corpus_backfill_plugin.agent.value import Value

if TYPE_CHECKING:
    from io import FileIO

T = TypeVar("T")
STREAMS = ("stdout", "stderr")
_ROOM = 512  # bytes that are enough for `process`, `exit` and `stop`
_VERDICT_ROOM = 4096  # bytes that are enough for a `verdict` but for one of very many counts


class Process(NamedTuple):
    """Who runs, as the supervisor wrote it down before the script began.

    Attributes:
        started: its start time in the kernel's ticks, 0 where there is none.
        boot: the boot it runs in.
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
        """Return the seconds since the start, asked in the boot that it runs in."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) - self.clock

    def is_child(self) -> bool:
        """Return whether the direct child still lives and is the one that was started."""
        return processes.is_same(self.pid, self.started, self.boot, self.supervisor)

    def is_supervised(self) -> bool:
        """Return whether the supervisor, or the finisher that it became, still lives."""
        return processes.is_same(self.supervisor, self.supervisor_started, self.boot, self.supervisor)

    def wake(self) -> None:
        """Continue a supervisor that was stopped, and have it look for a wish."""
        if self.is_supervised():
            processes.send(self.supervisor, self.supervisor_started, signal.SIGCONT)


class Ending(NamedTuple):
    """How the script ended, as the supervisor saw it.

    Attributes:
        status: as waitpid reports it; None when the script was never started.
        failure: then why: `ERRNO STEP`.
        printed: bytes that its logs had by then, in the order of STREAMS.
    """

    at: float
    took: float
    status: int | None = None
    failure: str = ""
    printed: tuple[int, int] = (0, 0)


class StopRequest(NamedTuple):
    """Who asked a run to stop; the first who did is remembered."""

    by: str
    reason: str
    at: float


class Metadata(Value):
    """What a run folder says of its run; nothing in it is secret.

    Attributes:
        secret: whether there were secrets, without which its logs can't be searched for them.
        machine: the id of the machine that it runs on; empty where that has none.
    """

    number: int | None
    ledger: str | None
    token: str
    secret: bool
    request: RunRequest
    machine: str = ""


class RunFolder:
    """Paths and small files in the folder of a run."""

    def __init__(self, path: Path, token: str) -> None:
        self.path, self.token = path, token
        self.alive = path / "alive"
        self.exit = path / "exit"
        self.verdict = path / "verdict"
        self.masked = path / "masked"
        self.items = path / "items"

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
        """
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            self.path.rename(self.path.with_name(f"{self.path.name}.found-{time.time_ns()}"))
            self.path.mkdir(mode=0o700)
        for name in ("process.new", "exit.new", "stop"):
            write_whole(self.path / name, b" " * _ROOM)
        write_whole(self.path / "verdict.new", b" " * _VERDICT_ROOM)
        return lock.wait_for(self.alive)

    def open_logs(self) -> list[int]:
        """Return descriptors to append to the two logs (0600), made here."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return [os.open(self.log(stream), flags, 0o600) for stream in STREAMS]

    def new_logs(self) -> dict[str, FileIO]:
        """Make the logs before the start, and open them to read: the script may take them away at once."""
        for descriptor in self.open_logs():
            os.close(descriptor)
        return {stream: self.log(stream).open("rb", buffering=0) for stream in STREAMS}

    def process(self) -> Process | None:
        """Return who runs; None before the start."""
        return _read(self.path / "process", Process)

    def supervisor(self) -> Process | None:
        """Return who runs while the supervisor, or the finisher that it became, lives."""
        process = self.process()
        return process if process and process.is_supervised() else None

    def ending(self) -> Ending | None:
        """Return how the script ended; None while it runs, or when nobody saw its end."""
        return _read(self.exit, Ending)

    def stop_request(self) -> StopRequest | None:
        """Return who asked the run to stop first; None when nobody did."""
        return _read(self.path / "stop", StopRequest)

    def metadata(self) -> Metadata | None:
        """Return what is known of the run; None when the folder is gone or no run's."""
        return _read(self.path / "run.json", Metadata)

    def bare_request(self) -> RunRequest | None:
        """Return what was asked for, secrets masked."""
        metadata = self.metadata()
        return metadata.request if metadata else None

    def had_secrets(self) -> bool:
        """Return whether the run is known to have had secrets."""
        metadata = self.metadata()
        return metadata is not None and metadata.secret

    def request(self) -> RunRequest | None:
        """Return what was asked for, with its secrets while the supervisor can still be asked for them."""
        process = self.supervisor()
        held = process and _read(Path(f"/proc/{process.supervisor}/fd/{process.request}"), RunRequest)
        return held or self.bare_request()

    def finisher_failure(self) -> str:
        """Return why the finisher that a supervisor became did not finish; empty when that is not known."""
        try:
            last = last_line((self.path / "finisher.log").read_bytes())
        except OSError:
            return ""
        return f"its finisher failed: {last}" if last else ""

    def is_unlocked(self) -> bool:
        """Return whether no process holds the run's lock any more."""
        return lock.is_free(self.alive)

    def is_gone(self) -> bool:
        """Return whether every process of the script is proved to be gone.

        The lock's being free proves it for those that kept the descriptor, and while the supervisor lives for
        all; should it have died, processes are looked for by the run's mark as well.
        """
        return self.is_unlocked() and (self.exit.exists() or not self.survivors())

    def survivors(self) -> list[processes.Survivor]:
        """Return the processes of the script that still live, the supervisor left out."""
        process = self.supervisor()
        found = processes.survivors(self.token, self.alive, process.supervisor if process else 0)
        if self.is_unlocked():  # then what a supervisor has below it is the finisher's own work
            found = [survivor for survivor in found if not survivor.adopted]
        return found

    def write_metadata(self, metadata: Metadata) -> None:
        """Keep `metadata`, whose request must be free of secrets."""
        write_whole(self.path / "run.json", dump(metadata))

    def wish(self, number: int) -> bool:
        """Have the supervisor send signal `number` to all processes of the run; return whether it can.

        A supervisor that was stopped is continued.
        """
        if (process := self.supervisor()) is None:
            return False
        try:
            write_whole(self.path / "wish", str(number).encode())
        except OSError:
            return False
        process.wake()
        return True

    def keep_verdict(self, verdict: object) -> bool:
        """Write what the run came to, unless another did before; return False then, for theirs to be read.

        Where there is neither space nor a folder nothing is kept.
        """
        temporary = self.path / f"verdict.{os.getpid()}.new"
        try:
            with suppress(FileNotFoundError):  # another took the space, and then was killed or stopped
                (self.path / "verdict.new").rename(temporary)
            _fill(temporary, dump(verdict).ljust(_VERDICT_ROOM), os.O_CREAT)
            os.link(temporary, self.verdict)
        except FileExistsError:
            return False
        except OSError:
            return True
        finally:
            with suppress(OSError):
                temporary.unlink()
        return True

    def note_stop(self, by: str, reason: str) -> None:
        """Note that `by` asks the run to stop, unless somebody did before: into the space kept for it."""
        with suppress(OSError):  # the folder was taken away
            if self.stop_request() is None:
                _fill(self.path / "stop", dump(StopRequest(by, reason, time.time())).ljust(_ROOM))


def _fill(path: Path, content: bytes, flags: int = 0) -> None:
    """Write over a file in place, in the space that it has."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as stream:
        stream.write(content)


def _read(path: Path, kind: type[T]) -> T | None:
    """Return what a file says, None when it is missing or was never finished."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return load(kind, file.read())
    except (OSError, ValueError):
        return None
