"""How long a script that floods its stdout takes by hand, through tee, and as a recorded run.

`python tests/run/flood.py --lines 1000000` prints the medians and ratios as JSON. Ours is `execute` from
its call to its return, in a process that has imported it: lock, record, supervisor, following, end. Our
stdout is a file, as the script's own and tee's are, so that all three write the same bytes to the same place.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
SCRIPT = """
import sys
line = "x" * 79 + "\\n"
for _ in range(int(sys.argv[1])):
    sys.stdout.write(line)
"""
OURS = """
import sys, time
sys.path.insert(0, sys.argv.pop(1))
import drive
import corpus_backfill_plugin.runs.execute
begun = time.perf_counter()
code = drive.main(sys.argv[1:])
sys.stderr.write(str(time.perf_counter() - begun))
sys.exit(code)
"""


def measure(lines: int, rounds: int, *, buffered: bool) -> dict[str, float]:
    """Return median seconds `by_hand`, `tee`, `ours`, and the ratios of ours to both, measured in turns.

    The script collects its output if it is `buffered`, or writes each line as PYTHONUNBUFFERED makes it.
    """
    times: dict[str, list[float]] = {"by_hand": [], "tee": [], "ours": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "flood.py"
        script.write_text(SCRIPT)
        environ = os.environ | {"CORPUS_BACKFILL_STATE": f"{name}/state"}
        environ.pop("PYTHONUNBUFFERED", None)
        unbuffered = {} if buffered else {"PYTHONUNBUFFERED": "1"}
        for _ in range(rounds):
            words = [sys.executable, str(script), str(lines)]
            times["by_hand"].append(_timed(words, folder, environ | unbuffered))
            tee = ["sh", "-c", f'"$@" | tee {folder / "log"}', "sh", *words]
            times["tee"].append(_timed(tee, folder, environ | unbuffered))
            times["ours"].append(_ours(folder, script, lines, environ, buffered=buffered))
            for log in folder.glob("state/runs/*/stdout.log"):
                log.unlink()
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = {f"ours_to_{name}": medians["ours"] / medians[name] for name in ("by_hand", "tee")}
    return {name: round(value, 3) for name, value in (medians | ratios).items()}


def _timed(words: list[str], folder: Path, environ: dict[str, str]) -> float:
    with (folder / "out").open("wb") as out:
        begun = time.perf_counter()
        subprocess.run(words, env=environ, stdout=out, check=True)
        return time.perf_counter() - begun


def _ours(folder: Path, script: Path, lines: int, environ: dict[str, str], *, buffered: bool) -> float:
    how = ["--buffered"] if buffered else []
    words = [sys.executable, "-c", OURS, str(HERE), *how, str(script), str(lines)]
    with (folder / "out").open("wb") as out:
        done = subprocess.run(words, env=environ, stdout=out, stderr=subprocess.PIPE, check=True)
    return float(done.stderr)


def main() -> None:
    """Measure both ways of writing and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    found = {
        name: measure(chosen.lines, chosen.rounds, buffered=buffered)
        for name, buffered in (("buffered", True), ("a write for each line", False))
    }
    sys.stdout.write(f"{json.dumps(found, indent=2)}\n")


if __name__ == "__main__":
    main()
