"""Runs as real processes: the driver in the place of a command, and the `runs` commands themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tools import wait_until

from corpus_backfill_plugin.agent.folder import Process, RunFolder
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.agent.records import RunRecord

GATE = """
import os, time
def gate(path={path!r}):
    until = time.monotonic() + 120
    while not os.path.exists(path) and time.monotonic() < until:
        time.sleep(0.01)
"""
RUNS = [sys.executable, "-m", "corpus_backfill_plugin", "runs"]
DRIVE = [sys.executable, str(Path(__file__).with_name("drive.py"))]


class Ended(NamedTuple):
    """How a process ended, and what it wrote, byte for byte."""

    code: int
    out: bytes
    err: bytes


def ended(process: subprocess.Popen[bytes], timeout: float = 60) -> Ended:
    out, err = process.communicate(timeout=timeout)
    return Ended(process.returncode, out, err)


class Runs:
    """The runs of one test, started and looked at as an operator does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = State(Path(os.environ["CORPUS_BACKFILL_STATE"]))
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

    def start(self, words: list[str], **more: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401  Popen's own
        pipes: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        process: subprocess.Popen[bytes] = subprocess.Popen(words, **(pipes | more))
        self._started.append(process)
        return process

    def spawn(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401  Popen's own
        return self.start(self.words(*words), **more)

    def watch(self, *words: str) -> subprocess.Popen[bytes]:
        return self.start([*RUNS, *words])

    def run(self, *words: str, timeout: float = 60, **more: Any) -> Ended:  # noqa: ANN401  Popen's own
        return ended(self.spawn(*words, **more), timeout)

    def command(self, *words: str, timeout: float = 60) -> Ended:
        return ended(self.watch(*words), timeout)

    @staticmethod
    def first_error(process: subprocess.Popen[bytes]) -> bytes:
        """Return the first line that a process writes to its stderr."""
        assert process.stderr
        return process.stderr.readline()

    def detach(self, *words: str) -> int:
        done = self.run("--detach", *words)
        assert done.code == 0, done.err
        return int(done.out)

    def record(self, number: int = 1) -> RunRecord:
        """Return a record as it is written, without bringing it up to date."""
        with Ledger(self.state.ledger) as ledger:
            found = ledger.get(number)
        assert found is not None
        return found

    def place(self, number: int = 1) -> RunFolder:
        return RunFolder(self.state.run_folder(number), self.record(number).token)

    def process(self, number: int = 1) -> Process:
        found = self.place(number).process()
        assert found is not None
        return found

    def log(self, stream: str = "stdout", number: int = 1) -> bytes:
        return (self.state.run_folder(number) / f"{stream}.log").read_bytes()

    def wait_for_log(self, text: bytes, number: int = 1) -> None:
        path = self.state.run_folder(number) / "stdout.log"
        wait_until(lambda: path.exists() and text in path.read_bytes())

    def wait_for_end(self, number: int = 1) -> RunRecord:
        wait_until(lambda: self.record(number).state != "running")
        return self.record(number)

    def close(self) -> None:
        self.gate.touch()
        if self.state.ledger.exists():
            with Ledger(self.state.ledger) as ledger:
                left = ledger.running()
            for record in left:
                for survivor in self.place(record.number).survivors():
                    with suppress(ProcessLookupError):  # it has just ended
                        os.kill(survivor.pid, 9)
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """Runs of scripts in the test's own folder."""
    made = Runs(tmp_path)
    yield made
    made.close()
