"""A script started under its supervisor."""

from __future__ import annotations

import hashlib
import os
import select
import signal
import subprocess  # nosec B404 - starting scripts is what this package is for
import sys
from contextlib import suppress
from pathlib import Path
from socket import MSG_DONTWAIT, socketpair
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import memory_file
from corpus_backfill_plugin.agent.outcome import explain_failure
from corpus_backfill_plugin.agent.plain import dump

if TYPE_CHECKING:
    from socket import socket

    from corpus_backfill_plugin.agent.folder import RunFolder
    from corpus_backfill_plugin.agent.records import RunRequest

_LEAVING_SECONDS = 3.0
_ROOT = Path(__file__).parent
_PACKAGE = _ROOT.parent
SUPERVISOR = str(_ROOT / "supervisor.py")


class Link:
    """The watcher's end of a supervisor: hears how the run goes, and answers when its record is finished.

    Attributes:
        broken: whether the supervisor died before it reported the end.
    """

    def __init__(self, process: subprocess.Popen[bytes], control: socket) -> None:
        self._process = process
        self._control = control
        self._text = b""
        self._poller = select.poll()
        self._poller.register(control, select.POLLIN)
        self.pid = 0
        self.failure = ""
        self.script_ended = self.gone = self.broken = False

    def wait(self, seconds: float) -> bool:
        """Wait for news, `seconds` at most; return whether the run has ended or nobody knows."""
        if not (self.gone or self.broken) and self._poller.poll(seconds * 1000):
            self._hear(self._control.recv(4096))
        return self.gone or self.broken

    def wait_for_start(self) -> None:
        """Wait until the script runs, or is known not to."""
        while not (self.pid or self.failure or self.broken):
            self.wait(60)

    def _hear(self, news: bytes) -> None:
        if not news:
            self.broken = True
        *lines, self._text = (self._text + news).split(b"\n")
        for line in lines:
            word, _, rest = line.decode().partition(" ")
            if word == "started":
                self.pid = int(rest)
            elif word == "failed":
                self.failure = explain_failure(rest)
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
        # It is not ours to wait for longer: it outlives this process.
        self._process.returncode = self._process.returncode or 0
        self._control.close()

    def beat(self) -> None:
        """Give a sign of life, so that the supervisor goes on leaving the record to this process."""
        with suppress(OSError):  # full, or it became the finisher
            self._control.send(b"w", MSG_DONTWAIT)


def start(
    folder: RunFolder,
    request: RunRequest,
    descriptors: tuple[int, ...],
    environ: dict[str, str],
    kept: Path | None = None,
) -> Link:
    """Start the script of `request` under a supervisor, and return when it runs.

    Secrets go to the supervisor in a nameless file, never by argument. `descriptors` are the run's lock and
    its one-at-a-time locks; `kept` is the folder for a copy of the agent, which the finisher runs from.
    """
    ours, theirs = socketpair()
    job = request.invocation
    opened = [memory_file(job.input), *folder.open_logs(), memory_file(dump(request))]
    stdin, out, err, complete = opened
    folders, code = [str(_PACKAGE.parent)], bundle(kept) if kept else None
    if code is not None:
        folders.insert(0, f"/dev/fd/{code}")
        opened.append(code)
    numbers = (theirs.fileno(), descriptors[0], complete, -1 if code is None else code)
    # The supervisor begins with all signals blocked, so that none can end it before it knows what to do.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        process = subprocess.Popen(  # noqa: S603  # nosec B603 - an argument list made from checked values
            [
                sys.executable, "-I", "-S", SUPERVISOR,
                str(folder.path), job.folder, folder.token,
                *map(str, numbers), "\n".join(folders), f"{request.timeout or 0:g}",
                "--", *job.argv,
            ],
            stdin=stdin,
            stdout=out,
            stderr=err,
            cwd="/",
            env=environ,
            pass_fds=(*(number for number in numbers if number >= 0), *descriptors),
            start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        ours.close()
        number = getattr(error, "errno", None)
        why = explain_failure(f"{number} program") if number else str(error)
        raise not_started(request, why) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        for descriptor in opened:
            os.close(descriptor)
    link = Link(process, ours)
    link.wait_for_start()
    if link.broken and folder.process() is None:
        link.close(finished=True)
        raise not_started(request, f"its supervisor failed; see {folder.log('stderr')}")
    return link  # also if its supervisor was killed and the script may run: it is watched by its lock


def not_started(request: RunRequest, why: str) -> AgentError:
    """Return the error for a script that could not be started."""
    return AgentError(
        f"{request.command} was not started: {why}",
        f"Tried `{' '.join(request.invocation.argv[:2])} ...` in {request.invocation.folder}.",
    )


def bundle(folder: Path) -> int | None:
    """Return a descriptor of a zip of the agent's modules, to import from through /dev/fd.

    So an upgrade during a run changes nothing for its finisher. The zip is kept in `folder`, one for all
    runs, and made anew when a module has changed. None, and the installed agent, where it can't be made.
    """
    state = _modules()
    path = folder / f"code-{hashlib.sha256(state.encode()).hexdigest()[:16]}.zip"
    try:
        if not path.exists():
            _make_bundle(path)
            if _modules() != state:
                path.unlink()
                return None
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _modules() -> str:
    """Return what differs when a module does, or Python."""
    seen = [sys.version, str(_ROOT)]
    for module in sorted(os.listdir(_ROOT)):  # noqa: PTH208  a third of the time of pathlib
        if module.endswith(".py"):
            status = os.stat(f"{_ROOT}/{module}")  # noqa: PTH116  same
            seen.append(f"{module} {status.st_mtime_ns} {status.st_size}")
    return "\n".join(seen)


def _make_bundle(path: Path) -> None:
    """Write the zip, compiled modules in it, and remove those of former states."""
    from zipfile import PyZipFile

    temporary = path.with_suffix(f".{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w+b") as stream, PyZipFile(stream, "w") as archive:
            archive.writestr(f"{_PACKAGE.name}/__init__.py", "")
            archive.writepy(str(_ROOT), _PACKAGE.name)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    for other in path.parent.glob("code-*.zip"):
        if other != path:
            other.unlink(missing_ok=True)
