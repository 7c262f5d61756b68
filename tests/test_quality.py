"""The documentation keeps its word. Lint, types and scans of the code are `make lint`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


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
