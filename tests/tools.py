"""What tests of several folders do in the same way."""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


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
    site: Path, name: str, group: str, points: dict[str, str], files: dict[str, str] | None = None
) -> Path:
    """Install a package into a folder for PYTHONPATH: by its metadata alone, and files by their paths."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for path, text in (files or {}).items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    return site
