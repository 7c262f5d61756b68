"""What all tests stand on: no path of this machine, a server app with scripts that tell what they got."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tools import wait_until

from corpus_backfill_plugin.cli import backfill as group

SCRIPTS = ("media_duration.py", "file_hashing.py", "snr_frequency.py", "backfill_version_0.py")

for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    # Started in the background or under nohup, the tests' programs would inherit that these are ignored.
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

UV_CACHE = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache/uv")
"""Where uv keeps what it fetched, seen before a test moves HOME: an empty cache would fetch it all anew."""

TELLING = '''\
"""A script that tells how it was called, and ends as EXIT in its environment says."""
import json, os, sys
names = ("DATABASE_URL", "PYTHONUNBUFFERED", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "TOKEN", "REGION")
told = {name: os.environ[name] for name in names if name in os.environ}
print(json.dumps({"argv": sys.argv[1:], "folder": os.getcwd(), "environ": told,
                  "stdin": sys.stdin.read(), "script": sys.argv[0], "prefix": sys.prefix}))
print("a line on stderr", file=sys.stderr)
sys.exit(int(os.environ.get("EXIT", "0")))
'''


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep each test in its own folders: no state, configuration or variable of the machine is seen."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [n for n in os.environ if n.startswith(("CORPUS_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in ("DATABASE_URL", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CORPUS_BACKFILL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("UV_CACHE_DIR", UV_CACHE)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "100")


@dataclass(frozen=True)
class Server:
    """A server app made for a test."""

    folder: Path

    @property
    def scripts(self) -> Path:
        """Its backfill folder."""
        return self.folder / "backfill"

    def script(self, name: str, text: str = TELLING) -> Path:
        """Write a script and return its path."""
        path = self.scripts / name
        path.write_text(text, encoding="utf-8")
        return path

    def spec(self, name: str, text: str) -> Path:
        """Write a spec beside the scripts and return its path; the version line is put in front."""
        path = self.scripts / f"{name}.toml"
        path.write_text(f"spec-version = 1\n{text}", encoding="utf-8")
        return path


@pytest.fixture
def make_server(tmp_path: Path) -> Callable[[str], Server]:
    """Make a server app with the four scripts, under a name below the test's folder."""

    def make(name: str) -> Server:
        server = Server(tmp_path / name)
        server.scripts.mkdir(parents=True)
        for script in SCRIPTS:
            server.script(script)
        return server

    return make


@pytest.fixture
def server(make_server: Callable[[str], Server]) -> Server:
    """A server app with the four scripts, none of which does anything but tell."""
    return make_server("srv/corpus-server-app")


@dataclass(frozen=True)
class Outcome:
    """How a process ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def told(self) -> dict[str, Any]:
        """What a telling script said."""
        value: dict[str, Any] = json.loads(self.stdout)
        return value


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH with uv, python and git in it, and nothing else."""
    folder = tmp_path_factory.mktemp("tools")
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    assert uv, "uv is not in the test environment; `make test` installs it there"
    git = shutil.which("git")
    assert git, "git is needed"
    for name, target in (("uv", uv), ("python", sys.executable), ("git", git)):
        (folder / name).symlink_to(target)
    return folder


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(tools: Path, tmp_path: Path) -> Cli:
    """Run `corpus-backfill` as a real process: `cli("duration", "--limit", "1", env={...})`.

    Scripts run with the tests' own interpreter unless the call names another way; `uv=True` leaves the
    choice to the CLI.
    """

    def call(
        *words: str, env: Mapping[str, str | None] | None = None, uv: bool = False, cwd: Path = tmp_path
    ) -> Outcome:
        environ = dict(os.environ) | {"PATH": str(tools)}
        if not uv:
            environ["CORPUS_BACKFILL_PYTHON"] = sys.executable
        for name, value in (env or {}).items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value
        done = subprocess.run(
            [sys.executable, "-m", "corpus_backfill_plugin", *words],
            env=environ,
            capture_output=True,
            check=False,
            timeout=120,
            cwd=cwd,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


Program = Callable[..., Outcome]
"""Runs the group in the test's process."""


@pytest.fixture
def backfill(capfd: pytest.CaptureFixture[str]) -> Program:
    """Run the group in this process, which saves half a second a call; scripts are real processes."""

    def call(*words: str) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            group.main(list(words), prog_name="corpus-backfill")
        stdout, stderr = capfd.readouterr()
        return Outcome(int(ended.value.code or 0), stdout, stderr)

    return call


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait until a condition holds."""
    return wait_until
