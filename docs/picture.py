"""Make the pictures of the README from a real run: `make demo` first, then this with `.venv/bin/python`.

A shell in a pseudo-terminal runs `corpus-client backfill duration` on a fresh corpus. What stands on its
screen, once in the middle of the run and once at the end, is drawn as SVG. Nothing is typed in by hand.
"""  # noqa: INP001 - a program, not a module of a package

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).resolve().parent
EXAMPLES = DOCS.parent / "examples"
BIN = EXAMPLES / "corpus-client" / ".venv" / "bin"
SERVER = EXAMPLES / "corpus-server-app"
COLUMNS, LINES = 92, 22
TITLE = "corpus-client backfill duration"
COMMAND = "corpus-client backfill duration --workers 2"
MORE_RECORDS = 700
MIDDLE = 0.6
"""Share of the records that are done when the first picture is taken."""

COLORS = {"brown": "yellow"}
"""Names of pyte's that rich calls by another."""

OWN_FONTS = re.compile(r"@font-face \{\{.*?\}\}", re.DOTALL)
"""Fonts that rich's picture would fetch from elsewhere."""


def main() -> None:
    """Record a run and write both pictures."""
    with tempfile.TemporaryDirectory(prefix="corpus-backfill-picture-") as folder:
        environ = environment(Path(folder))
        make_corpus(Path(folder), environ)
        middle, end = record(environ)
    draw(middle, DOCS / "run.svg")
    draw(end, DOCS / "run-end.svg")


def environment(folder: Path) -> dict[str, str]:
    """Return what an operator has in the environment; database and record of runs are in `folder`."""
    return {
        "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": os.environ.get("HOME", str(folder)),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "PS1": "$ ",
        "DATABASE_URL": f"sqlite:///{folder}/corpus.db",
        "CORPUS_BACKFILL_STATE": f"{folder}/state",
    } | {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_CERT_"))}


def make_corpus(folder: Path, environ: dict[str, str]) -> None:
    """Write media files and a database in which nothing is measured yet."""
    words = ["uv", "run", "--quiet", "python", "make_corpus.py", "--media", str(folder / "media")]
    counts = ["--clean", "--records", "60", "--bulk", str(MORE_RECORDS)]
    subprocess.run(  # noqa: S603 - fixed words
        [str(BIN / "uv"), *words[1:], *counts], cwd=SERVER, env=environ, check=True, stdout=subprocess.DEVNULL
    )


def record(environ: dict[str, str]) -> tuple[list[Text], list[Text]]:
    """Run the command in a terminal; return its screen in the middle and at the end."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    shell = pexpect.spawn(
        "/bin/bash", ["--norc", "--noprofile"], env=environ, dimensions=(LINES, COLUMNS), timeout=10
    )
    read_until(shell, stream, lambda: "$" in screen.display[0])
    shell.sendline(COMMAND)
    read_until(shell, stream, lambda: share_done(screen) > MIDDLE)
    middle = texts(screen)
    read_until(shell, stream, lambda: "".join(screen.display).rstrip().endswith("$"))
    shell.close()
    return middle, texts(screen)


def read_until(
    shell: pexpect.spawn, stream: pyte.ByteStream, seen: Callable[[], bool], seconds: float = 120
) -> None:
    """Feed the screen until `seen()` says so.

    Raises:
        TimeoutError: it never did.
    """
    until = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > until:
            raise TimeoutError("the run did not come so far")
        try:
            stream.feed(shell.read_nonblocking(4096, timeout=0.2))
        except pexpect.TIMEOUT:
            continue


def share_done(screen: pyte.Screen) -> float:
    """Return how far the run is by the script's own lines, `[120/340] ...`; 0 before the first."""
    found = re.findall(r"^\[(\d+)/(\d+)\]", "\n".join(screen.display), re.MULTILINE)
    return int(found[-1][0]) / int(found[-1][1]) if found else 0.0


def texts(screen: pyte.Screen) -> list[Text]:
    """Return the lines of the screen with their styles, without the empty ones below."""
    lines = []
    for row in range(screen.lines):
        line = Text()
        cells = (screen.buffer[row][column] for column in range(screen.columns))
        for look, chars in groupby(cells, style):
            line.append("".join(char.data for char in chars), look)
        line.rstrip()
        lines.append(line)
    while lines and not lines[-1].plain:
        lines.pop()
    return lines


def style(char: pyte.screens.Char) -> Style:
    """Return rich's style for a cell of pyte's."""
    return Style(
        color=color(char.fg),
        bgcolor=color(char.bg),
        bold=char.bold,
        reverse=char.reverse,
        underline=char.underscore,
    )


def color(name: str) -> str | None:
    """Return rich's name for a colour of pyte's."""
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    bright = name.startswith("bright")
    plain = COLORS.get(name.removeprefix("bright"), name.removeprefix("bright"))
    return f"bright_{plain}" if bright else plain


def draw(lines: list[Text], path: Path) -> None:
    """Write an SVG that shows `lines` in a terminal's window."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(
            record=True, width=COLUMNS, file=nowhere, color_system="truecolor", force_terminal=True
        )
        for line in lines:
            console.print(line, no_wrap=True, crop=True)
        svg = console.export_svg(
            title=TITLE, code_format=OWN_FONTS.sub("", CONSOLE_SVG_FORMAT), unique_id=path.stem
        )
    path.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
