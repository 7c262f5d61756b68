"""Host programs as processes of their own, with plugins registered by metadata alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = {"probe": "hosts.programs.probe:probe", "backfill": "corpus_backfill_plugin.cli:backfill"}


class Outcome(NamedTuple):
    """How a program ended and what it said."""

    code: int
    out: str
    err: str


class Start(Protocol):
    """Start a host program, or an example host by its package; the caller ends it."""

    def __call__(self, host: str, *words: str, **environ: str) -> subprocess.Popen[str]: ...


class Launch(Protocol):
    """Run a host program to its end."""

    def __call__(self, host: str, *words: str, stdin: str = "", **environ: str) -> Outcome: ...


class Register(Protocol):
    """Write the metadata of an installed distribution into a folder, and nothing else of it."""

    def __call__(self, folder: Path, name: str, group: str, points: Mapping[str, str]) -> None: ...


@pytest.fixture(scope="session")
def register() -> Register:
    def write(folder: Path, name: str, group: str, points: Mapping[str, str]) -> None:
        info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines))

    return write


@pytest.fixture(scope="session")
def environment(register: Register, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The whole environment of a host program: nothing of the machine's but PATH."""
    folder = tmp_path_factory.mktemp("installed")
    for name, value in PLUGINS.items():
        register(folder, f"hosts-{name}", f"hosts.{name}", {name: value})
    home = tmp_path_factory.mktemp("home")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        # Wide enough for Rich to break no path of a temporary folder.
        "COLUMNS": "400",
        "TERMINAL_WIDTH": "400",
        "PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT, ROOT / "tests"))),
        "HOST_GROUP": "hosts.probe",
    }


def _let_ctrl_c_through() -> None:
    """A shell that started the tests in the background has its children ignore it, and theirs."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def start(environment: Mapping[str, str]) -> Start:
    def popen(host: str, *words: str, **environ: str) -> subprocess.Popen[str]:
        module = host if host.startswith("corpus_") else f"hosts.programs.{host}"
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env={**environment, **environ},
            cwd=environment["HOME"],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_let_ctrl_c_through,  # noqa: PLW1509  no threads in the tests
        )

    return popen


@pytest.fixture(scope="session")
def launch(start: Start) -> Launch:
    def run(host: str, *words: str, stdin: str = "", **environ: str) -> Outcome:
        with start(host, *words, **environ) as process:
            out, err = process.communicate(stdin, timeout=60)
        return Outcome(process.returncode, out, err)

    return run
