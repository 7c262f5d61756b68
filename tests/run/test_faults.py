"""A slice of the faults of `faults.py`; the whole is run by hand, its table stands in the documentation."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = [sys.executable, str(Path(__file__).with_name("faults.py")), "--json", "--each", "1", "--jobs", "3"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--only", "kill -9 of the CLI"), id="CLI"),
        pytest.param(("--only", "kill -9 of the supervisor"), id="supervisor"),
        pytest.param(("--only", "kill -9 of the finisher"), id="finisher"),
        pytest.param(("--only", "kill -9 of the script"), id="script"),
        pytest.param(("--only", "kill -9 of all"), id="all"),
        pytest.param(("--only", "kill -9 of uv"), id="uv"),
        pytest.param(("--only", "kill -9 of prune"), id="prune"),
        pytest.param(("--only", "full disk"), id="full disk"),
        pytest.param(("--only", "no free inode"), id="no free inode"),
        pytest.param(("--only", "log "), id="log"),
        pytest.param(("--only", "run folder"), id="run folder"),
        pytest.param(("--only", "finisher stopped"), id="finisher stopped"),
        pytest.param(("--only", "streams closed"), id="streams closed"),
        pytest.param(("--only", "random", "--tries", "6"), id="random"),
        pytest.param(("--only", "no two alike", "--many", "12"), id="many alike"),
        pytest.param(("--only", "all the same", "--many", "12"), id="many the same"),
    ],
)
def test_no_run_is_lost_and_no_state_is_wrong(words: tuple[str, ...]) -> None:
    done = subprocess.run([*FAULTS, *words], capture_output=True, text=True, check=False, timeout=250)
    tallies = json.loads(done.stdout)
    assert tallies
    assert all(tally["tries"] for tally in tallies)
    assert [t for t in tallies if t["lost"] or t["wrong"]] == [], done.stderr
    assert done.returncode == 0
