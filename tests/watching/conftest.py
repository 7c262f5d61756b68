"""The server app of these tests, and the real program in process, as a process, and on a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from watching.places import PROVED, SPEC, WORDS, WORK, Place, Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Program, Server


@pytest.fixture(autouse=True)
def place(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A server app with the command `work` on six items."""
    server.script("work.py", WORK)
    server.spec("work", SPEC)
    monkeypatch.setenv("CORPUS_SERVER_APP_PATH", str(server.folder))
    monkeypatch.setenv("CORPUS_BACKFILL_PYTHON", sys.executable)
    monkeypatch.setenv("PENDING", str(tmp_path / "pending"))
    made = Place(server, tmp_path)
    yield made
    made.end_all()


@pytest.fixture
def proved(place: Place) -> Place:
    """The same, with a postcondition."""
    place.server.spec("work", PROVED % "20s")
    return place


@pytest.fixture
def shown(backfill: Program) -> Callable[..., dict[str, Any]]:
    """Return what `runs show --json` says."""

    def show(*number: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(backfill("runs", "show", "--json", *number).stdout)
        return told

    return show


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the program as a process of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(*words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*WORDS, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        started.append(process)
        return process

    yield spawn
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Run the program on a terminal."""
    opened: list[Terminal] = []

    def run(*words: str, **more: Any) -> Terminal:  # noqa: ANN401  the size, and variables
        opened.append(Terminal(*words, **more))
        return opened[-1]

    yield run
    for made in opened:
        made.process.close(force=True)
