"""What showing a script's output costs."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import TESTS, Bench, Program, medians, minima
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


FLOOD = """
import sys
line = "x" * 79 + "\\n"
for _ in range(int(sys.argv[1])):
    sys.stdout.write(line)
"""
# `execute` from its call to its return, in a process that has imported it: lock, record, supervisor, end.
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


def flood(bench: Bench) -> Table:
    """Measure a script that prints as fast as it can: into a file, through tee, and as a run."""
    lines, rounds = bench.size(1_000_000, 100_000), bench.size(5, 2)
    script = bench.folder / "flood.py"
    script.write_text(FLOOD)
    rows = []
    for how, options, more in (
        ("buffered", ["--buffered"], {}),
        ("a write for each line", [], {"PYTHONUNBUFFERED": "1"}),
    ):
        by_hand = [sys.executable, str(script), str(lines)]
        tee = ["sh", "-c", f'"$@" | tee {bench.folder}/log', "sh", *by_hand]
        ours = [sys.executable, "-c", OURS, str(TESTS / "run"), *options, *by_hand[1:]]
        took = medians(
            {
                "by hand": partial(_flooded, bench, by_hand, more),
                "tee": partial(_flooded, bench, tee, more),
                "ours": partial(_flooded, bench, ours, {}),
            },
            rounds,
        )
        ratios = (ratio(took["ours"], took[name]) for name in ("by hand", "tee"))
        rows.append((how, *ratios, *(f"{seconds:.2f}" for seconds in took.values())))
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
        tuple(rows),
    )


def _flooded(bench: Bench, words: list[str], more: dict[str, str]) -> float:
    """Run a program into a file; return how long it took, or what it says that it took."""
    with (bench.folder / "out").open("wb") as out:
        begun = time.perf_counter()
        done = subprocess.run(  # noqa: S603  an argument list of ours
            words, env={**bench.environ, **more}, stdout=out, stderr=subprocess.PIPE, check=True
        )
        took = time.perf_counter() - begun
    for log in bench.folder.glob("state/runs/*/stdout.log"):
        log.unlink()
    return float(done.stderr or took)


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
