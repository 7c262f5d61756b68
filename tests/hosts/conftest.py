"""Host programs as processes of their own, with plugins registered by metadata alone."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tools import Outcome, install

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = {"probe": "hosts.probe:probe", "backfill": "corpus_backfill_plugin.cli:backfill"}
REFERENCE, LAZY = "click_host", "typer_lazy_host"
HOSTS = ("rich_click_host", "cloup_host", "typer_added_host", LAZY)
WHOLE = os.environ.get("HOSTS_MATRIX") == "whole"
"""Try everything in every host, as `nox -s hosts` does, and not a slice."""

# What Rich draws around the text of an error.
BOXES = str.maketrans(dict.fromkeys("╭╮╰╯│─", " "))


def plain(text: str) -> str:
    """Return the words alone: no frames, line ends or full stops, which are the host's way of putting it.

    Of two names of the help option newer clicks name the longer in "Try ...", rich-click the first.
    """
    words = " ".join(text.translate(BOXES).split())
    return words.replace("Aborted!", "Aborted").replace(" -h' for help", " --help' for help").replace(".", "")


def assert_same(found: Outcome, expected: Outcome, *, framed: bool = False) -> None:
    """Check that code and output are equal, and that each line of an error is said.

    Args:
        found: what the host answered.
        expected: what the reference answered.
        framed: stdout may hold an error too, as a test runner mixes the two.
    """
    assert "Traceback" not in found.stderr
    assert found.code == expected.code
    if not framed:
        assert found.stdout == expected.stdout
    for said, heard in ((expected.stdout, found.stdout), (expected.stderr, found.stderr)):
        for line in said.splitlines():
            # The frame around an error is the host's, what it says is click's.
            assert plain(line.removeprefix("Error: ")) in plain(heard)


class Launch:
    """Host programs: those of the guide by their names, the examples' by their packages."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ

    def command(self, host: str, *words: str) -> list[str]:
        """Return the argument list of a host."""
        module = (host,) if host.startswith("corpus_") else ("hosts.host", host)
        return [sys.executable, "-m", *module, *words]

    def start(self, host: str, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Start one, which the caller ends."""
        return subprocess.Popen(
            self.command(host, *words),
            env={**self.environ, **environ},
            cwd=self.environ["HOME"],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def __call__(self, host: str, *words: str, stdin: str = "", **environ: str) -> Outcome:
        """Run one to its end."""
        with self.start(host, *words, **environ) as process:
            out, err = process.communicate(stdin, timeout=60)
        return Outcome(process.returncode, out, err)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The whole environment of a host program: nothing of the machine's but PATH."""
    folder = tmp_path_factory.mktemp("installed")
    for name, value in PLUGINS.items():
        install(folder, f"hosts-{name}", f"hosts.{name}", {name: value})
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "LANG": "C.UTF-8",
        # Wide enough for Rich to break no path of a temporary folder.
        "COLUMNS": "400",
        "TERMINAL_WIDTH": "400",
        "PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT, ROOT / "tests"))),
        "HOST_GROUP": "hosts.probe",
    }


@pytest.fixture(scope="session")
def launch(environment: dict[str, str]) -> Launch:
    return Launch(environment)
