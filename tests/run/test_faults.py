"""A slice of the faults of `faults.py`; all of them are run by hand, their table is in the documentation."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FEW = ["--json", "--each", "1", "--jobs", "3", "--tries", "6", "--many", "12"]
FAULTS = [sys.executable, str(Path(__file__).with_name("faults.py")), *FEW]


@pytest.mark.parametrize(
    "only",
    [
        "kill -9 of the CLI", "kill -9 of the supervisor", "kill -9 of the finisher", "kill -9 of the script",
        "kill -9 of all", "kill -9 of uv", "kill -9 of prune", "full disk", "no free inode", "log ",
        "run folder", "finisher stopped", "streams closed", "random", "no two alike", "all the same",
    ],
)  # fmt: skip
def test_no_run_is_lost_and_no_state_is_wrong(only: str) -> None:
    done = subprocess.run([*FAULTS, "--only", only], capture_output=True, text=True, check=False, timeout=250)
    tallies = json.loads(done.stdout)
    assert tallies
    assert all(tally["tries"] for tally in tallies)
    assert [t for t in tallies if t["lost"] or t["wrong"]] == [], done.stderr
    assert done.returncode == 0
