"""What the scripts print: one line a record, exact progress, and the counts at the end."""

import os
import sys
import time
from uuid import UUID

_PROGRESS_EVERY = 0.2


def prepare_output() -> None:
    """Let titles in any script through, whatever the terminal's encoding."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace", line_buffering=True)


def one_line(text: str) -> str:
    """The text without line breaks and control characters, so that a title cannot pass for another line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def say(line: str) -> None:
    """Print on standard output, at once. A reader that went away does not end the work."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(line: str) -> None:
    """Print on standard error, at once."""
    try:
        print(line, file=sys.stderr, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class Report:
    """Counts records against a total that is known from the start."""

    def __init__(self, total: int) -> None:
        """Prints the first progress line."""
        self.total = total
        self.done = 0
        self.failures = 0
        self._shown = -1
        self._shown_at = 0.0
        self._progress()

    def record(self, title: str, text: str) -> None:
        """One record is finished."""
        self.done += 1
        say(f"[{self.done}/{self.total}] {one_line(title)}: {text}")
        self._progress_now_and_then()

    def failed(self, uid: UUID, reason: str) -> None:
        """One record could not be finished."""
        self.done += 1
        self.failures += 1
        complain(f"FAILED {uid}: {one_line(reason)}")
        self._progress_now_and_then()

    def end(self) -> None:
        """Show the last count if it was not shown yet."""
        if self._shown != self.done:
            self._progress()

    def _progress_now_and_then(self) -> None:
        if time.monotonic() - self._shown_at >= _PROGRESS_EVERY:
            self._progress()

    def _progress(self) -> None:
        say(f"::progress done={self.done} total={self.total}")
        self._shown = self.done
        self._shown_at = time.monotonic()
