"""What tests of several folders do in the same way."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from corpus_backfill_plugin.agent.folder import Process, RunFolder
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.records import RunRecord
from corpus_backfill_plugin.agent.state import State


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until `condition` holds.

    Raises:
        TimeoutError: it did not.
    """
    late = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > late:
            raise TimeoutError
        time.sleep(0.01)


class Kept:
    """The runs in a test's state folder, as they are written there."""

    def __init__(self) -> None:
        self.state = State(Path(os.environ["CORPUS_BACKFILL_STATE"]))

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Execute a statement on the ledger, and return its rows."""
        with closing(sqlite3.connect(self.state.ledger, isolation_level=None)) as db:
            return db.execute(statement, values).fetchall()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other writer out of the ledger."""
        with closing(sqlite3.connect(self.state.ledger, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("ROLLBACK")

    def found(self, number: int = 1) -> RunRecord | None:
        if not self.state.ledger.exists():
            return None
        with Ledger(self.state.ledger) as ledger:
            return ledger.get(number)

    def record(self, number: int = 1) -> RunRecord:
        """Return a record as it is written, without bringing it up to date."""
        found = self.found(number)
        assert found is not None
        return found

    def files(self, number: int = 1) -> RunFolder:
        return RunFolder(self.state.run_folder(number), self.record(number).token)

    def log(self, stream: str = "stdout", number: int = 1) -> bytes:
        return (self.state.run_folder(number) / f"{stream}.log").read_bytes()

    def process(self, number: int = 1) -> Process:
        """Wait until a run has begun, and return its processes."""
        wait_until(lambda: self.found(number) and self.files(number).process())
        found = self.files(number).process()
        assert found is not None
        return found

    def wait_for_end(self, number: int = 1) -> RunRecord:
        wait_until(lambda: self.record(number).state != "running")
        return self.record(number)

    def end_all(self) -> None:
        """End what a failed test left behind."""
        query = "SELECT number FROM runs WHERE state = 'running'"
        for (number,) in self.sql(query) if self.state.ledger.exists() else ():
            for survivor in self.files(number).survivors():
                with suppress(ProcessLookupError):  # it has just ended
                    os.kill(survivor.pid, signal.SIGKILL)


def cases(text: str) -> list[Any]:
    """Return the parameters of tests from a table: a case a line, its id first, columns between bars.

    A line that begins with a bar goes on with the one before it. Digits are a number.
    """
    lines = re.sub(r"\n\s*\|", "|", text.strip()).splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [
        pytest.param(*(int(cell) if cell.isdigit() else cell for cell in cells), id=name)
        for name, *cells in rows
    ]


@dataclass(frozen=True)
class Outcome:
    """How a process ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def told(self) -> Any:  # noqa: ANN401  of JSON
        """What was printed as JSON, as by the tests' own script."""
        return json.loads(self.stdout)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table."""
        return [line.split("\t") for line in self.stdout.splitlines()]

    def refused(self, *said: str, code: int = 1) -> None:
        """Check that it ended with an error that says all this."""
        assert (self.code, "Traceback" in self.stderr) == (code, False), self.stderr
        assert [text for text in said if text not in self.stderr] == [], self.stderr


def ended(command: Sequence[str | Path], *, stdin: str = "", **more: Any) -> Outcome:  # noqa: ANN401  of run()
    """Run a program to its end, which is no accident of ours."""
    settings: dict[str, Any] = {"timeout": 120} | more
    done = subprocess.run(command, input=stdin.encode(), capture_output=True, check=False, **settings)
    outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "unexpected " not in outcome.stderr, outcome.stderr
    return outcome


def install(
    site: Path,
    name: str,
    group: str,
    points: dict[str, str],
    files: dict[str, str] | None = None,
    *,
    number: str = "1.0",
) -> Path:
    """Install a package into a folder for PYTHONPATH: by its metadata alone, and files by their paths."""
    info = site / f"{name.replace('-', '_')}-{number}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    lines = [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for path, text in (files or {}).items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    return site
