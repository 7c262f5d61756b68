"""One child process within bounds: a count, the on-end program, a script run up to its parsing."""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404 - argument lists alone, no shell
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

from corpus_backfill_plugin.agent.escape import duration, one_line
from corpus_backfill_plugin.agent.files import memory_file
from corpus_backfill_plugin.agent.processes import has_ended, signal_name
from corpus_backfill_plugin.agent.redact import Secret, mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

MAX_BYTES = 8 << 20
"""Output, both streams together. Who prints more does its work instead of the little it was started for."""

MAX_SHOWN = 200  # characters of a line that are quoted
TERM_SECONDS = 2.0  # how long a child that is ended may take to end by itself
_TICK = 0.02


class Ended(NamedTuple):
    """How a child ended.

    Attributes:
        code: as subprocess has it; None for a child that was not run to its end.
        not_started: then why it was not started, or `ended_early` why it was ended.
    """

    code: int | None
    out: bytes = b""
    err: bytes = b""
    not_started: str = ""
    ended_early: str = ""

    def problem(self, secrets: Iterable[Secret] = ()) -> str:
        """Return what was wrong, to follow the child's name, without `secrets`; empty for exit code 0."""
        if self.not_started:
            return f"was not started: {self.not_started}"
        if self.code is None or self.code == 0:
            return self.ended_early
        end = f"died of {signal_name(-self.code)}" if self.code < 0 else f"ended with exit code {self.code}"
        last = last_line(self.err, secrets)
        return f"{end}: {last}" if last else end


def run_child(
    argv: Sequence[str],
    *,
    folder: str,
    environ: Mapping[str, str],
    seconds: float,
    stdin: bytes | None = None,
    should_cancel: Callable[[], bool] = lambda: False,
) -> Ended:
    """Run a program in a session of its own; whatever it started in its process group is ended with it.

    It writes into nameless files: a process that it leaves behind keeps nobody waiting.

    Without `stdin` it reads the null device. Once `should_cancel` returns true, the child is ended.
    """
    with ExitStack() as files:
        given, out, err = (
            files.enter_context(os.fdopen(memory_file(content), "rb")) for content in (stdin, b"", b"")
        )
        try:
            process = subprocess.Popen(  # noqa: S603  # nosec B603 - an argument list
                argv, stdin=given, stdout=out, stderr=err, cwd=folder, env=environ, start_new_session=True
            )
        except (OSError, ValueError) as error:
            return Ended(None, not_started=getattr(error, "strerror", None) or str(error))
        streams = (out.fileno(), err.fileno())
        try:
            early = _wait(process, seconds, should_cancel, streams)
        finally:
            _end(process)
        printed = [os.pread(stream, MAX_BYTES, 0) for stream in streams]
        return Ended(None if early else process.returncode, printed[0], printed[1], ended_early=early)


def _wait(
    process: subprocess.Popen[bytes],
    seconds: float,
    should_cancel: Callable[[], bool],
    streams: tuple[int, ...],
) -> str:
    """Wait for the end of a child; return why it is not waited for any longer, or nothing."""
    until, pause = time.monotonic() + seconds, 0.001
    while True:
        over = has_ended(process)
        if sum(os.fstat(stream).st_size for stream in streams) > MAX_BYTES:
            return f"printed more than {MAX_BYTES >> 20} MB and was ended"
        if over:
            return ""
        if should_cancel():
            return "was stopped"
        if time.monotonic() >= until:
            return f"took longer than {duration(seconds)} and was ended"
        time.sleep(pause)
        pause = min(pause * 2, _TICK)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child and its group: terminated first if it still runs, then killed."""
    if not has_ended(process):
        _signal(process, signal.SIGTERM)
        until = time.monotonic() + TERM_SECONDS
        while not has_ended(process) and time.monotonic() < until:
            time.sleep(_TICK)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # the group is gone, or (macOS) nothing but a zombie
        os.killpg(process.pid, number)


def last_line(output: bytes, secrets: Iterable[Secret] = ()) -> str:
    """Return the last line that is not blank, without `secrets`, cut to what may be quoted."""
    lines = mask(output.decode(errors="replace"), secrets).strip().splitlines()
    return one_line(lines[-1].strip())[:MAX_SHOWN] if lines else ""
