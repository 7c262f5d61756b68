"""Ctrl-C in a real terminal, through the real uv."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Protocol

import pexpect
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Cli, Server

    from e2e.corpus import Corpus

# The wakeup file gets a byte from each signal that reaches the process, even when two come at once.
COUNTING = """\
import os, signal
noted = os.open({noted!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK)
signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
"""

# The server app's own script, as it is, with the signals that reach it noted.
REAL = COUNTING + "import runpy\nrunpy.run_path({script!r}, run_name='__main__')\n"

STUBBORN = (
    COUNTING
    + """\
import time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: print("not me", flush=True))
print("ready", flush=True)
while True:
    time.sleep(0.1)
"""
)


class Terminal(Protocol):
    """Run the CLI in a terminal of its own; returns pexpect's child, which has no type."""

    def __call__(self, *words: str, url: str) -> Any: ...  # noqa: ANN401  see above


@pytest.fixture
def terminal(tools: Path, environ: dict[str, str], server: Server, server_app: Path) -> Iterator[Terminal]:
    """A terminal in which the scripts of `server` run in the environment of the example server app."""
    # Outside a project uv takes the environment that lies there.
    (server.folder / ".venv").symlink_to(server_app / ".venv")
    started: list[Any] = []

    def spawn(*words: str, url: str) -> Any:  # noqa: ANN401  pexpect ships no types
        settings = {"PATH": str(tools), "CORPUS_SERVER_APP_PATH": str(server.folder), "DATABASE_URL": url}
        child = pexpect.spawn(
            sys.executable,
            ["-m", "corpus_backfill_plugin", *words],
            env={**os.environ, **environ, **settings, "TERM": "xterm"},
            encoding="utf-8",
            timeout=60,
            dimensions=(40, 100),
        )
        started.append(child)
        return child

    yield spawn
    for child in started:
        child.close(force=True)


def ended(child: Any) -> int:  # noqa: ANN401  pexpect ships no types
    """Wait for the end of the program and return its exit code."""
    child.expect(pexpect.EOF)
    child.close()
    assert child.signalstatus is None
    code: int = child.exitstatus
    return code


def test_ctrl_c_reaches_the_script_once_and_keeps_what_was_done(
    terminal: Terminal, server: Server, server_app: Path, long_corpus: Corpus, cli: Cli
) -> None:
    real = server_app / "backfill" / "media_duration.py"
    noted = server.folder / "signals"
    server.script("media_duration.py", REAL.format(noted=str(noted), script=str(real)))
    child = terminal("duration", "--workers", "1", "--batch-size", "7", url=long_corpus.url)
    child.expect(r"\[2\d/\d{4}\] ")
    child.send("\x03")
    child.expect("Asked duration")
    assert ended(child) == 130
    assert noted.read_bytes() == b"\x02"

    record = json.loads(cli("runs", "show", "--json").stdout)
    assert (record["state"], record["exit_code"]) == ("stopped", 130)
    counts = re.search(r"^updated=(\d+) skipped=0 failed=0$", cli("runs", "logs").stdout, re.MULTILINE)
    assert counts
    assert 20 <= int(counts[1]) < 2000
    assert long_corpus.filled("duration") == int(counts[1])


def test_a_second_ctrl_c_ends_a_script_that_ignores_the_first(
    terminal: Terminal, server: Server, tmp_path: Path, cli: Cli
) -> None:
    noted = tmp_path / "signals"
    server.script("media_duration.py", STUBBORN.format(noted=str(noted)))
    child = terminal("duration", url=f"sqlite:///{tmp_path}/none.db")
    child.expect("ready")
    child.send("\x03")
    child.expect("not me")
    assert noted.read_bytes() == b"\x02"
    child.send("\x03")
    child.expect("Ending duration")
    assert ended(child) == 137
    assert noted.read_bytes()[1:].strip(b"\x0f") == b""  # asked to terminate, never interrupted again
    record = json.loads(cli("runs", "show", "--json").stdout)
    assert (record["state"], record["signal"]) == ("stopped", 9)
