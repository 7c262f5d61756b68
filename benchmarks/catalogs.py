"""What many specs in the server's folder cost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.hosts import WITHOUT, environment
from benchmarks.measure import ROOT, Bench, Program, minima, observe, python_module
from benchmarks.table import Table, milliseconds, ratio

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = ROOT / "corpus_backfill_plugin" / "builtin"
CALLS = ("`--help`", "complete a name", "complete an option", "`duration --show-command`")


def by_count(bench: Bench) -> Table:
    """Measure help, completion and one command with few and with many specs active."""
    sizes = (4, 100) if bench.quick else (4, 100, 1000)
    programs = {(call, size): _program(bench, call, size) for call in CALLS for size in sizes}
    host = python_module("click_host", "--help", environ=environment(bench, WITHOUT))
    times = minima(
        {"host": host.processor_seconds}
        | {f"{call} {size}": program.processor_seconds for (call, size), program in programs.items()},
        bench.size(10, 2),
    )
    rows = []
    for (call, size), program in programs.items():
        took = times[f"{call} {size}"]
        rows.append(
            (
                call,
                f"{size:,}",
                str(len(observe(program).specs)),
                ratio(took, times[f"{call} {sizes[0]}"]),
                ratio(took, times["host"]),
                milliseconds(took),
            )
        )
    return Table(
        "Four specs and a thousand",
        "`corpus-backfill` with so many specs active, the shipped four among them. Processor time, the"
        f" least of {bench.size(10, 2)} runs each, in turns. The bare host is a Click group without any"
        " plugin, asked for its `--help`. The command needs every spec: the server app has to hold the script"
        " of each.",
        ("call", "specs", "opened", "to the fewest", "to a bare host", "ms"),
        tuple(rows),
    )


def _program(bench: Bench, call: str, size: int) -> Program:
    environ = {
        **bench.environ,
        "CORPUS_SERVER_APP_PATH": str(_server(bench, size)),
        "CORPUS_BACKFILL_PYTHON": sys.executable,
        "DATABASE_URL": "sqlite:///none.db",
    }
    words = {CALLS[1]: "corpus-backfill du", CALLS[2]: "corpus-backfill duration --wor"}
    if call in words:
        environ |= {
            # What click makes of the program's name, `python -m corpus_backfill_plugin`.
            "_PYTHON _M CORPUS_BACKFILL_PLUGIN_COMPLETE": "bash_complete",
            "COMP_WORDS": words[call],
            "COMP_CWORD": str(words[call].count(" ")),
        }
        return python_module("corpus_backfill_plugin", environ=environ)
    asked = ("--help",) if call == CALLS[0] else ("duration", "--show-command")
    return python_module("corpus_backfill_plugin", *asked, environ=environ)


def _server(bench: Bench, size: int) -> Path:
    """Return a server app with so many specs active; those of its own are as long as a shipped one."""
    folder = bench.folder / f"server-{size}"
    scripts = folder / "backfill"
    if scripts.exists():
        return folder
    scripts.mkdir(parents=True)
    shipped = sorted(SHIPPED.glob("*.toml"))
    for script in ("media_duration", "file_hashing", "snr_frequency", "backfill_version_0"):
        (scripts / f"{script}.py").touch()
    text = (SHIPPED / "duration.toml").read_text(encoding="utf-8")
    for number in range(size - len(shipped)):
        (scripts / f"team-{number:04}.toml").write_text(text, encoding="utf-8")
    return folder
