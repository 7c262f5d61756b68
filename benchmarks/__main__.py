"""`python -m benchmarks`: measure, print the tables, and with `--write` put them into the docs."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import catalogs, hosts, output, runs
from benchmarks.measure import ROOT, Bench
from benchmarks.table import write_between

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.table import Table

DOCUMENT = ROOT / "docs" / "benchmarks.md"
TABLES: dict[str, Callable[[Bench], Table]] = {
    "hosts": hosts.help_times,
    "startup": hosts.counts,
    "specs": catalogs.by_count,
    "by-hand": runs.by_hand,
    "recorded": runs.recorded,
    "flood": output.flood,
    "progress": output.progress,
    "runs": runs.listing,
}


def main() -> int:
    """Measure what was asked for and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute: few rounds, small sizes")
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{DOCUMENT.name}")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"only these of {', '.join(TABLES)}")
    chosen = parser.parse_args()
    unknown = set(chosen.tables) - TABLES.keys()
    if unknown or (chosen.write and chosen.tables):
        parser.error(f"no table is called {', '.join(unknown)}" if unknown else "--write takes all tables")
    made = [_machine()]
    sys.stdout.write(f"{made[0]}\n")
    with tempfile.TemporaryDirectory(prefix="backfill-bench-") as folder:
        bench = Bench(quick=chosen.quick, folder=Path(folder))
        for name in chosen.tables or TABLES:
            begun = time.monotonic()
            made.append(TABLES[name](bench).markdown())
            sys.stdout.write(f"{made[-1]}\n")
            sys.stdout.flush()
            sys.stderr.write(f"({name}: {time.monotonic() - begun:.0f} s)\n")
    if chosen.write:
        command = " ".join(["python -m benchmarks", *(["--quick"] if chosen.quick else []), "--write"])
        write_between(DOCUMENT, "\n".join(made), command)
    return 0


def _machine() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("click", "typer", "rich-click", "cloup"))
    return (
        f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors,"
        f" Python {platform.python_version()}; {libraries}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
