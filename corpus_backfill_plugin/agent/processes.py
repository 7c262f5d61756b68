"""Facts about processes that outlast their number: who is who, and who of a run is left."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from corpus_backfill_plugin.agent.supervisor import (
    descendants,
    namespace_id,
    pids,
    send,
    start_time,
    stat_fields,
)

if TYPE_CHECKING:
    from subprocess import Popen  # nosec B404 - named, not used

__all__ = [
    "boot_id", "is_same", "is_stopped", "machine_id", "namespace_id", "pids", "send", "start_time",
    "survivors",
]  # fmt: skip

MARK = "CORPUS_BACKFILL_RUN"
"""Variable in the environment of every process of a run; its value is the run's token."""

_PROC = Path("/proc")


class Survivor(NamedTuple):
    """A process of a run that still lives."""

    pid: int
    started: int
    command: str
    adopted: bool = False
    """Whether it descends from the supervisor, which can end it."""


def signal_name(number: int) -> str:
    """Return `SIGKILL` for 9, and the number itself where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def boot_id() -> str:
    """Return what distinguishes this boot of the machine from others; empty where there is no such name."""
    return _text(_PROC / "sys/kernel/random/boot_id")


def machine_id() -> str:
    """Return what distinguishes this machine, whatever its name and boot; empty where there is none."""
    return _text(Path("/etc/machine-id"))


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text().strip()
    return ""


def is_stopped(pid: int) -> bool:
    """Return whether `pid` was stopped by a signal, so that it does nothing until SIGCONT."""
    return stat_fields(pid)[:1] == ["T"]


def has_ended(process: Popen[bytes]) -> bool:
    """Return whether our child has ended, without reaping it: its number can't be given to another yet.

    So its group can still be signalled safely. macOS has no such question before Python 3.13.
    """
    if sys.platform == "darwin" or process.returncode is not None:
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True  # reaped by a host that reaps every child


def is_same(pid: int, started: int, booted: str, session: int) -> bool:
    """Return whether `pid` is still the process that was recorded, so that a signal may be sent to it.

    A process of another container has a number of another kind; runs of former versions don't tell. Where the
    system has no start times, 0, the session decides: its number is not given away again while one
    process of it lives.
    """
    if started:
        return booted in (boot_id(), namespace_id(boot_id())) and start_time(pid) == started
    try:
        return os.getsid(pid) == session
    except OSError:
        return False


def survivors(token: str, alive: Path, supervisor: int = 0) -> list[Survivor]:
    """Return the processes of a run that live, oldest number first; empty where there is no /proc.

    A process is the run's when it holds the run's lock, carries the run's mark in its environment, or
    descends from the supervisor: a child that Python starts closes inherited descriptors, one with a fresh
    environment may keep them, and a daemon may drop both. Processes of other users can't be looked into.

    The supervisor's number is 0 when it does not live.
    """
    try:
        lock = alive.stat()
    except OSError:
        lock = None
    needle = f"{MARK}={token}".encode()
    adopted = {pid for pid, *_ in descendants(supervisor)} if supervisor else set()
    return [
        Survivor(pid, started, _command(pid), pid in adopted)
        for pid in pids()
        if pid not in {supervisor, os.getpid()}
        and (started := start_time(pid))
        and (pid in adopted or _marked(pid, needle) or (lock and _holds(pid, lock)))
    ]


def _marked(pid: int, needle: bytes) -> bool:
    with suppress(OSError):
        return needle in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    return False


def _holds(pid: int, lock: os.stat_result) -> bool:
    """Return whether `pid` carries the exclusive lock on file `lock`; whoever only looks has a shared one."""
    with suppress(OSError):
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                if not os.path.samestat(descriptor.stat(), lock):
                    continue
                info = (_PROC / str(pid) / "fdinfo" / descriptor.name).read_text()
                if any("FLOCK" in line and "WRITE" in line for line in info.splitlines()):
                    return True
    return False


def _command(pid: int) -> str:
    with suppress(OSError):
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        return b" ".join(words).decode(errors="replace").strip() or "?"
    return "?"
