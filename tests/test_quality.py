"""The package keeps its own rules: lint, types, and scans for unsafe calls and dead code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["ruff", "check", "corpus_backfill_plugin"], id="ruff"),
        pytest.param(["mypy", "corpus_backfill_plugin"], id="mypy"),
        pytest.param(["bandit", "-q", "-c", "pyproject.toml", "-r", "corpus_backfill_plugin"], id="bandit"),
        pytest.param(["vulture"], id="vulture"),
    ],
)
def test_the_package_is_clean(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_test_that_the_documentation_names_is_there() -> None:
    """Its promises rest on them: one that is renamed or removed takes a promise with it."""
    tests = {path: path.read_text() for path in ROOT.rglob("test_*.py") if ".venv" not in path.parts}
    known = {path.name for path in tests}
    known.update(
        name for text in tests.values() for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    )
    named: set[str] = set()
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = document.read_text()
        named.update(re.findall(r"(?<![\w/])test_\w+(?:\.py)?", text))
        for path in re.findall(r"`(tests/[\w/]+\.py)`", text):
            assert (ROOT / path).is_file(), f"{document.name}: {path}"
    assert len(named) > 20
    assert named <= known
