"""What a run costs over the same script by hand, and a list of many runs over one of few."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from benchmarks.measure import SERVER, Bench, Program, minima, python_module
from benchmarks.table import Table, milliseconds, ratio

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ("backfill/media_duration.py", "--media-type", "both", "--workers", "3", "--batch-size", "10")


def by_hand(bench: Bench) -> Table:
    """Compare `duration --dry-run` with the line that an operator would type without the plugin."""
    environ = _corpus(bench)
    rounds = bench.size(15, 2)
    ours = ("duration", "--dry-run")
    hand = Program(("uv", "run", "python", *SCRIPT, "--dry-run"), environ, SERVER)
    programs = {
        "`uv run python backfill/media_duration.py ... --dry-run`": hand,
        "`corpus-backfill duration --dry-run`": python_module(
            "corpus_backfill_plugin", *ours, environ=environ
        ),
        "the same with `--no-record`": python_module(
            "corpus_backfill_plugin", *ours, "--no-record", environ=environ
        ),
    }
    times = minima({name: program.seconds for name, program in programs.items()}, rounds)
    base = next(iter(times.values()))
    return Table(
        "A run and the same script by hand",
        f"Shortest of {rounds} runs each, in turns. A dry run on 12 records: nearly all of it is the start of"
        " the script, so this is the most that the plugin can weigh.",
        ("call", "ratio", "ms more", "ms"),
        tuple(
            (name, ratio(took, base), milliseconds(took - base), milliseconds(took))
            for name, took in times.items()
        ),
    )


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
