"""What a run costs over the same script by hand, and a list of many runs over one of few."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from benchmarks.measure import PLAIN, SERVER, Bench, Program, medians, minima, python_module
from benchmarks.table import Table, milliseconds, ratio

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ("backfill/media_duration.py", "--media-type", "both", "--workers", "3", "--batch-size", "10")
IDLE = """spec-version = 1
script = "idle.py"
[[option]]
name = "seconds"
type = "float"
"""
CALLER = """import subprocess
import sys

import click

@click.command()
@click.option("--seconds", type=float)
def idle(seconds):
    done = subprocess.run([sys.executable, "backfill/idle.py", "--seconds", str(seconds)])
    sys.exit(done.returncode)

idle()
"""


def by_hand(bench: Bench) -> Table:
    """Compare `duration --dry-run` with the line that an operator would type without the plugin."""
    rounds = bench.size(15, 2)
    ours = ("duration", "--dry-run")
    rows: list[tuple[str, ...]] = []
    plain = shutil.copytree(PLAIN, bench.folder / "plain-server")  # here uv would take it for this project's
    for name, server, environ in (
        ("the example's server app", SERVER, _corpus(bench)),
        ("the standard library alone", plain, _plain_corpus(bench, plain)),
    ):
        programs = {
            "by hand": Program(("uv", "run", "python", *SCRIPT, "--dry-run"), environ, server),
            "`corpus-backfill`": python_module("corpus_backfill_plugin", *ours, environ=environ),
            "the same with `--no-record`": python_module(
                "corpus_backfill_plugin", *ours, "--no-record", environ=environ
            ),
        }
        times = minima({how: program.seconds for how, program in programs.items()}, rounds)
        rows += _compared((name,), times)
    return Table(
        "A run and the same script by hand",
        f"`corpus-backfill duration --dry-run`, and by hand `uv run python backfill/media_duration.py ..."
        f" --dry-run`. Shortest of {rounds} runs each, in turns. 12 records: nearly all of it is the start of"
        " the script, so this is the most that the plugin can weigh.",
        ("script", "how", "ratio", "ms more", "ms"),
        tuple(rows),
    )


def _compared(names: tuple[str, ...], times: dict[str, float]) -> list[tuple[str, ...]]:
    """Return a row for each time, compared with the first of them."""
    base = next(iter(times.values()))
    return [
        (*names, how, ratio(took, base), milliseconds(took - base), milliseconds(took))
        for how, took in times.items()
    ]


def recorded(bench: Bench) -> Table:
    """Compare a recorded run with the same by hand, and with the least program that could call the script."""
    server = bench.folder / "idle-server"
    (server / "backfill").mkdir(parents=True)
    (server / "backfill" / "idle.py").write_text("import sys, time\ntime.sleep(float(sys.argv[2]))\n")
    (server / "backfill" / "idle.toml").write_text(IDLE)
    caller = bench.folder / "caller.py"
    caller.write_text(CALLER)
    environ = {
        **bench.environ,
        "CORPUS_SERVER_APP_PATH": str(server),
        "CORPUS_BACKFILL_PYTHON": sys.executable,
    }
    rows: list[tuple[str, ...]] = []
    many, few = bench.size(25, 2), bench.size(9, 1)
    for what, seconds, rounds in (("a script that does nothing", "0", many), ("one of 2 s", "2", few)):
        words = ("--seconds", seconds)
        programs = {
            "by hand": Program((sys.executable, "backfill/idle.py", *words), environ, server),
            "ten lines of Click": Program((sys.executable, str(caller), *words), environ, server),
            "`corpus-backfill`": python_module("corpus_backfill_plugin", "idle", *words, environ=environ),
        }
        times = medians({how: program.seconds for how, program in programs.items()}, rounds)
        rows += _compared((what,), times)
    return Table(
        "A recorded run and the least that could start it",
        f"Medians of {many} runs of a script that does nothing and of {few} of one that takes 2 s, in turns,"
        " ours each with a record, logs, a lock and a supervisor. The ten lines parse one option and call the"
        " script by `subprocess.run`.",
        ("script", "how", "ratio", "ms more", "ms"),
        tuple(rows),
    )


def _plain_corpus(bench: Bench, server: Path) -> dict[str, str]:
    folder = bench.folder / "plain-media"
    words = (sys.executable, "make_corpus.py", str(folder), "--records", "12")
    Program(words, bench.environ, server).seconds()
    return {
        **bench.environ,
        "CORPUS_SERVER_APP_PATH": str(server),
        "DATABASE_URL": f"sqlite:///{folder}/corpus.db",
    }


def _corpus(bench: Bench) -> dict[str, str]:
    environ = {
        **bench.environ,
        "CORPUS_SERVER_APP_PATH": str(SERVER),
        "DATABASE_URL": f"sqlite:///{bench.folder}/corpus.db",
    }
    words = ("uv", "run", "--quiet", "python", "make_corpus.py", "--records", "12")
    Program((*words, "--media", str(bench.folder / "media")), environ, SERVER).seconds()
    return environ


def listing(bench: Bench) -> Table:
    """Compare the list of runs of a young ledger with that of an old one."""
    rounds = bench.size(20, 3)
    sizes = (10, 10_000)
    programs = {}
    for size in sizes:
        environ = {**bench.environ, "CORPUS_BACKFILL_STATE": str(_state(bench, size))}
        for title, words in (("`runs`", ()), ("`runs --state failed`", ("--state", "failed"))):
            programs[title, size] = python_module("corpus_backfill_plugin", "runs", *words, environ=environ)
    times = minima({f"{t} {s}": program.processor_seconds for (t, s), program in programs.items()}, rounds)
    return Table(
        "A list of runs, of few and of many",
        f"The last 20 of so many runs in the ledger. Processor time, the least of {rounds} runs each, in"
        " turns.",
        ("call", "runs", "to the fewest", "ms"),
        tuple(
            (
                title,
                f"{size:,}",
                ratio(times[f"{title} {size}"], times[f"{title} {sizes[0]}"]),
                milliseconds(times[f"{title} {size}"]),
            )
            for title, size in programs
        ),
    )


def _state(bench: Bench, size: int) -> Path:
    """Return a state folder with so many runs: one real run, and rows that repeat it."""
    state = bench.folder / f"state-{size}"
    server = bench.folder / "failing-server"
    (server / "backfill").mkdir(parents=True, exist_ok=True)
    for script in ("media_duration", "file_hashing", "snr_frequency", "backfill_version_0"):
        (server / "backfill" / f"{script}.py").write_text("raise SystemExit(3)\n")
    environ = {
        **bench.environ,
        "CORPUS_BACKFILL_STATE": str(state),
        "CORPUS_SERVER_APP_PATH": str(server),
        "CORPUS_BACKFILL_PYTHON": sys.executable,
        "DATABASE_URL": "sqlite:///none.db",
    }
    words = (sys.executable, "-m", "corpus_backfill_plugin", "version-0")
    Program(words, environ, codes=(3,)).seconds()
    (ledger,) = (path for path in state.iterdir() if _is_database(path))
    with closing(sqlite3.connect(ledger)) as database:
        _repeat(database, size - 1)
        database.commit()
    return state


def _is_database(path: Path) -> bool:
    return path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"


def _repeat(database: sqlite3.Connection, times: int) -> None:
    columns = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
    kept = ", ".join(name for name in columns if name not in {"number", "token", "state"})
    database.execute(
        # Every third one failed, as in a ledger of a bad year.
        f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
            INSERT INTO runs (token, state, {kept})
            SELECT token || '-' || i, CASE i % 3 WHEN 0 THEN 'failed' ELSE 'succeeded' END, {kept}
            FROM runs, n WHERE number = 1""",  # noqa: S608  names of the table's own columns
        (times,),
    )
