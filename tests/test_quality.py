"""The package keeps its own rules: lint, types, and scans for unsafe calls and dead code."""

from __future__ import annotations

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
