"""The estimator in use is the one that measures best: the comparison itself, at a small scale."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("eta_accuracy.py")


def test_ours_is_among_the_best_and_the_table_is_markdown() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "12"], capture_output=True, text=True, check=True, timeout=120
    )
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \|$", done.stdout, re.MULTILINE)
    scores = {name: int(median) + int(high) for name, median, high in rows}
    ours = next(name for name in scores if name.startswith("**ours**"))
    assert len(scores) >= 10
    assert sum(score < scores[ours] for score in scores.values()) <= 3
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {8, 4}
