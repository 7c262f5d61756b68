"""What all tests stand on: no path of this machine, a server app with scripts that tell what they got."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from terminals import Terminal
from tools import Outcome, ended

from corpus_backfill_plugin.cli import backfill as group

__all__ = ["Backfill", "Cli", "Outcome", "Program", "Server"]

PROGRAM = (sys.executable, "-m", "corpus_backfill_plugin")
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
        return self.folder / "backfill"

    def script(self, name: str, text: str = TELLING) -> Path:
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
    return make_server("srv/corpus-server-app")


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


Environ = Mapping[str, str | None]
"""What changes in the environment; None takes a variable away."""


class Cli:
    """The program as a process: run to its end, left running, or on a terminal."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder, self.environ = folder, environ
        self._started: list[subprocess.Popen[bytes]] = []
        self._terminals: list[Terminal] = []

    def __call__(
        self, *words: str, env: Environ | None = None, uv: bool = False, cwd: Path | None = None
    ) -> Outcome:
        """Run it to its end; scripts get the tests' own interpreter, with `uv` what the program chooses."""
        environ: dict[str, str | None] = {**os.environ, **self.environ, **(env or {})}
        if uv and "CORPUS_BACKFILL_PYTHON" not in (env or {}):
            environ["CORPUS_BACKFILL_PYTHON"] = None
        given = {name: value for name, value in environ.items() if value is not None}
        return ended([*PROGRAM, *words], env=given, cwd=cwd or self.folder)

    def start(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401  Popen's own
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        settings: dict[str, Any] = {**streams, "env": os.environ | self.environ, **more}
        self._started.append(subprocess.Popen([*PROGRAM, *words], **settings))
        return self._started[-1]

    def terminal(self, *words: str, rows: int = 24, columns: int = 80, **environ: str) -> Terminal:
        from terminals import Terminal

        given = self.environ | {"LANG": "C.UTF-8", "PYTHONUTF8": "1"} | environ
        self._terminals.append(Terminal([*PROGRAM, *words], rows=rows, columns=columns, environ=given))
        return self._terminals[-1]

    def shown(self, *number: str) -> dict[str, Any]:
        """Return what `runs show --json` tells of a run, the latest if none is named."""
        outcome = self("runs", "show", "--json", *number)
        assert outcome.code == 0, outcome.stderr
        return dict(outcome.told)

    def listed(self, *words: str) -> list[dict[str, Any]]:
        return list(self("runs", *words, "--json").told)

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.drop()
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


class Backfill(Cli):
    """The program, which a call runs in the test's process: that saves half a second."""

    capfd: pytest.CaptureFixture[str]

    def __call__(self, *words: str, **_: Any) -> Outcome:  # noqa: ANN401  of a Cli
        """Run it to its end; scripts are real processes."""
        self.capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            group.main(list(words), prog_name="corpus-backfill")
        return Outcome(int(ended.value.code or 0), *self.capfd.readouterr())


@pytest.fixture
def cli(tools: Path, tmp_path: Path) -> Iterator[Cli]:
    """Run `corpus-backfill` as a real process: `cli("duration", "--limit", "1", env={...})`."""
    made = Cli(tmp_path, PATH=str(tools), CORPUS_BACKFILL_PYTHON=sys.executable)
    yield made
    made.close()


Program = Callable[..., Outcome]
"""What runs the group in the test's process."""


@pytest.fixture
def backfill(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Backfill]:
    """Run the group in this process: `backfill("duration", "--limit", "1")`."""
    made = Backfill(tmp_path)
    made.capfd = capfd
    yield made
    made.close()
