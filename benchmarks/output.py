"""What showing a script's output costs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING

from benchmarks.measure import TESTS, Bench, Program, minima
from benchmarks.table import Table, ratio

if TYPE_CHECKING:
    from pathlib import Path

TALKING = """
import sys
total = {lines}
for done in range(1, total + 1):
    print(f"[{{done}}/{{total}}] a record of the corpus, measured: {{done / 7:.3f}} s " + "x" * 20)
    if done % 50 == 0:
        print(f"::progress done={{done}} total={{total}}")
"""
SPEC = """spec-version = 1
script = "talking.py"
lock = false
[output]
progress = '^[{done}/{total}]'
"""


def flood(bench: Bench) -> Table:
    """Measure a script that prints as fast as it can: into a file, through tee, and as a run."""
    lines, rounds = bench.size(1_000_000, 100_000), bench.size(5, 2)
    words = ("flood.py", "--lines", str(lines), "--rounds", str(rounds))
    done = subprocess.run(  # noqa: S603  a program of ours
        [sys.executable, *words],
        env=bench.environ,
        cwd=TESTS / "run",
        stdout=subprocess.PIPE,
        check=True,
    )
    return Table(
        "A script that floods its output",
        f"{lines:,} lines of 80 bytes; our own stdout is a file too. Medians of {rounds}, in turns. Our"
        " scripts write each line at once, as PYTHONUNBUFFERED=1 makes them, so that they are seen live."
        " Where a pipe's write is cheaper than a file's, tee is ahead then; but a pipe breaks the script when"
        " its reader goes away.",
        (
            "how the script writes",
            "to `script > file`",
            "to `script \\| tee file`",
            "s by hand",
            "s tee",
            "s ours",
        ),
        tuple(
            (
                how,
                f"{found['ours_to_by_hand']:.2f}",
                f"{found['ours_to_tee']:.2f}",
                *(f"{found[name]:.2f}" for name in ("by_hand", "tee", "ours")),
            )
            for how, found in json.loads(done.stdout).items()
        ),
    )


def progress(bench: Bench) -> Table:
    """Measure a talkative run in a terminal with a progress bar, in one without, and into a file."""
    lines, rounds = bench.size(200_000, 20_000), bench.size(5, 2)
    program = _talking(bench, lines)
    frames: dict[str, int] = {}

    def terminal(term: str) -> float:
        took, shown = _in_terminal(program, term)
        frames[term] = shown.count(b"\x1b[")
        return took

    times = minima(
        {
            "file": program.seconds,
            "dumb": lambda: terminal("dumb"),
            "xterm-256color": lambda: terminal("xterm-256color"),
        },
        rounds,
    )
    titles = {
        "file": "into a file, no bar",
        "dumb": "a terminal, no bar (`TERM=dumb`)",
        "xterm-256color": "a terminal with a bar",
    }
    return Table(
        "The progress bar",
        f"A script that prints {lines:,} lines, each of them matched by the spec's template. Shortest of"
        f" {rounds}, in turns. The escape sequences are those that reached the terminal: they tell whether"
        " there was a bar.",
        ("where to", "to no bar", "lines a second", "escape sequences"),
        tuple(
            (
                title,
                ratio(times[name], times["dumb"]),
                f"{lines / times[name]:,.0f}",
                f"{frames.get(name, 0):,}",
            )
            for name, title in titles.items()
        ),
    )


def _talking(bench: Bench, lines: int) -> Program:
    server: Path = bench.folder / "talking-server"
    scripts = server / "backfill"
    scripts.mkdir(parents=True)
    for name in ("media_duration", "file_hashing", "snr_frequency", "backfill_version_0"):
        (scripts / f"{name}.py").touch()
    (scripts / "talking.py").write_text(TALKING.format(lines=lines))
    (scripts / "talking.toml").write_text(SPEC)
    environ = {
        **bench.environ,
        "CORPUS_SERVER_APP_PATH": str(server),
        "CORPUS_BACKFILL_PYTHON": sys.executable,
        "DATABASE_URL": "sqlite:///none.db",
    }
    return Program((sys.executable, "-m", "corpus_backfill_plugin", "talking"), environ)


def _in_terminal(program: Program, term: str) -> tuple[float, bytes]:
    """Run a program in a terminal of its own; return how long it took and what it showed.

    Raises:
        RuntimeError: it failed.
    """
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, 100))
    pieces: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(ours, pieces))
    begun = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603  an argument list of ours
        program.words,
        env={**program.environ, "TERM": term},
        cwd=program.folder,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    reader.start()
    code = process.wait()
    took = time.perf_counter() - begun
    reader.join()
    os.close(ours)
    if code:
        raise RuntimeError(f"{' '.join(program.words)} ended with {code}: {b''.join(pieces)[-500:]!r}")
    return took, b"".join(pieces)


def _drain(terminal: int, pieces: list[bytes]) -> None:
    while True:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:
            return  # Linux says EIO when nobody has the other end any more
        if not piece:
            return
        pieces.append(piece)
