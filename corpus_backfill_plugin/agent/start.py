"""A script started under its supervisor."""

from __future__ import annotations

import os
import select
import signal
import subprocess  # nosec B404 - starting scripts is what this package is for
import sys
from contextlib import suppress
from pathlib import Path
from socket import MSG_DONTWAIT, socketpair
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.bundle import PACKAGE, bundle
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import memory_file
from corpus_backfill_plugin.agent.outcome import explain_failure
from corpus_backfill_plugin.agent.plain import dump

if TYPE_CHECKING:
    from socket import socket

    from corpus_backfill_plugin.agent.folder import RunFolder
    from corpus_backfill_plugin.agent.records import RunRequest

_LEAVING_SECONDS = 3.0
SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))


class Link:
    """The watcher's end of a supervisor: hears how the run goes, and answers when its record is finished.

    Args:
        process: the supervisor.
        control: the socket to it.
    """

    def __init__(self, process: subprocess.Popen[bytes], control: socket) -> None:
        self._process = process
        self._control = control
        self._text = b""
        self._poller = select.poll()
        self._poller.register(control, select.POLLIN)
        self.pid = 0
        self.failure = ""
        self.script_ended = False
        self.gone = False
        self.broken = False
        """The supervisor died before it told the end."""

    def wait(self, seconds: float) -> bool:
        """Wait for news, `seconds` at most; return whether the run has ended or nobody can tell."""
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
    """Start the script of `request` under a supervisor, and return at once.

    Args:
        folder: the run's, made.
        request: what to run; its secrets go to the supervisor in a nameless file, never by argument.
        descriptors: the run's lock, and the one-at-a-time lock if it has one; all processes inherit them.
        environ: the script's environment.
        kept: folder for a copy of the agent, which the finisher runs from; None goes without.

    Raises:
        AgentError: it can't be started.
    """
    ours, theirs = socketpair()
    opened = [*folder.open_logs(), memory_file(dump(request))]
    out, err, whole = opened
    stdin = subprocess.DEVNULL
    if request.invocation.stdin is not None:
        stdin = memory_file(request.invocation.stdin.encode(errors="surrogateescape"))
        opened.append(stdin)
    code = bundle(kept) if kept else None
    folders = [str(PACKAGE.parent)]
    if code is not None:
        folders.insert(0, f"/dev/fd/{code}")
        opened.append(code)
    numbers = (theirs.fileno(), descriptors[0], whole, -1 if code is None else code)
    # The supervisor begins with all signals blocked, so that none can end it before it knows what to do.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        process = subprocess.Popen(  # noqa: S603  # nosec B603 - an argument list made from checked values
            [
                sys.executable, "-I", "-S", SUPERVISOR,
                str(folder.path), request.invocation.folder, folder.token,
                *map(str, numbers), "\n".join(folders), f"{request.timeout or 0:g}",
                "--", *request.invocation.argv,
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
        why = (
            explain_failure(f"{error.errno} program")
            if isinstance(error, OSError) and error.errno
            else str(error)
        )
        raise _not_started(request, why) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        for descriptor in opened:
            os.close(descriptor)
    return Link(process, ours)


def wait_for_start(link: Link, folder: RunFolder, request: RunRequest) -> None:
    """Wait until the script runs, or its failure to start is known. The caller holds no lock of the run.

    Raises:
        AgentError: the supervisor failed before the script was started.
    """
    link.wait_for_start()
    if link.broken and (process_facts := folder.process()):
        link.pid = (
            process_facts.pid
        )  # the supervisor was killed, the script may run: it is watched by its lock
    elif link.broken:
        link.close(finished=True)
        raise _not_started(request, f"its supervisor failed; see {folder.log('stderr')}")


def not_started(request: RunRequest, link: Link) -> AgentError:
    """Return the error for a script that the supervisor could not start."""
    return _not_started(request, explain_failure(link.failure))


def _not_started(request: RunRequest, why: str) -> AgentError:
    return AgentError(
        f"{request.command} was not started: {why}",
        f"Tried `{' '.join(request.invocation.argv[:2])} ...` in {request.invocation.folder}.",
    )
