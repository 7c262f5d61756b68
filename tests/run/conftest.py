"""Runs as real processes: the driver in the place of a command, and the `runs` commands themselves."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tools import Kept, wait_until

from corpus_backfill_plugin.agent.records import RunRecord

GATE = """
import os, time
def gate(path={path!r}):
    until = time.monotonic() + 120
    while not os.path.exists(path) and time.monotonic() < until:
        time.sleep(0.01)
"""
COUNTS = """
    import signal, sys, time
    got = []
    signal.signal(signal.SIGINT, lambda *_: got.append("INT"))
    signal.signal(signal.SIGTERM, lambda *_: got.append("TERM"))
    print("ready", flush=True)
    while not got:
        time.sleep(0.02)
    time.sleep(0.5)
    print("got", *got, flush=True)
    sys.exit(9)
"""
IGNORES = """
    import signal, time
    for number in (signal.SIGINT, signal.SIGTERM)[:{}]:
        signal.signal(number, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)
"""
RUNS = [sys.executable, "-m", "corpus_backfill_plugin", "runs"]
DRIVE = [sys.executable, str(Path(__file__).with_name("drive.py"))]


class Ended(NamedTuple):
    """How a process ended, and what it wrote, byte for byte."""

    code: int
    out: bytes
    err: bytes

    def refused(self, *said: bytes, code: int = 1) -> None:
        """Check that it ended with an error that says all this."""
        assert (self.code, b"Traceback" in self.err, b"unexpected" in self.err) == (code, False, False), (
            self.err
        )
        assert [text for text in said if text not in self.err] == [], self.err


def ended(process: subprocess.Popen[bytes], timeout: float = 60) -> Ended:
    out, err = process.communicate(timeout=timeout)
    return Ended(process.returncode, out, err)


class Runs(Kept):
    """The runs of one test, started and looked at as an operator does."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.gate = folder / "gate"
        self._started: list[subprocess.Popen[bytes]] = []

    def script(self, text: str, name: str = "script.py") -> str:
        """Write a script and return its path; its calls of `gate()` last until the test opens the gate."""
        path = self.folder / name
        gate = GATE.format(path=str(self.gate)) if "gate()" in text else ""
        path.write_text(gate + textwrap.dedent(text), encoding="utf-8")
        return str(path)

    def words(self, *words: str) -> list[str]:
        return [*DRIVE, "--folder", str(self.folder), *words]

    def spawn(self, *words: str, until: bytes = b"", **more: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401
        """Start the driver, or RUNS, and wait until the log has what is waited for."""
        command = words if words[0] == RUNS[0] else self.words(*words)
        streams: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        process = subprocess.Popen(command, **(streams | more))
        self._started.append(process)
        if until:
            self.wait_for_log(until)
        return process

    def watch(self, *words: str) -> subprocess.Popen[bytes]:
        return self.spawn(*RUNS, *words)

    def run(self, *words: str, timeout: float = 60, **more: Any) -> Ended:  # noqa: ANN401  Popen's own
        return ended(self.spawn(*words, **more), timeout)

    def command(self, *words: str) -> Ended:
        return ended(self.watch(*words))

    @staticmethod
    def first_line(process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout
        return process.stdout.readline()

    @staticmethod
    def first_error(process: subprocess.Popen[bytes]) -> bytes:
        assert process.stderr
        return process.stderr.readline()

    def detach(self, *words: str, until: bytes = b"") -> int:
        done = self.run("--detach", *words)
        assert done.code == 0, done.err
        if until:
            self.wait_for_log(until)
        return int(done.out)

    def wait_for_log(self, text: bytes, number: int = 1) -> None:
        path = self.state.run_folder(number) / "stdout.log"
        wait_until(lambda: path.exists() and text in path.read_bytes())

    def let_end(self, number: int = 1) -> RunRecord:
        """Open the gate, and wait for the end."""
        self.gate.touch()
        return self.wait_for_end(number)

    def close(self) -> None:
        self.gate.touch()
        self.end_all()
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.close()
