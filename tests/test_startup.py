"""What the plugin costs at start-up, in counts: modules, files and specs, each in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import corpus_backfill_plugin

if TYPE_CHECKING:
    from conftest import Server

PACKAGE = Path(corpus_backfill_plugin.__file__).parent
OURS = {"corpus_backfill_plugin", "corpus_backfill_plugin.cli", "corpus_backfill_plugin.bridge"}
HEAVY = (
    "asyncio",
    "importlib_metadata",
    "msgspec",
    "platformdirs",
    "rich",
    "sqlite3",
    "subprocess",
    "tomllib",
)

RUN_OURS, RUN_OTHERS = 67, 165
"""Modules of ours and of others that a plain run may import, at most."""

# `LISTEN` notes each file that is opened and each database, process and socket that is asked for.
LISTEN = """\
import json, os, sys
events = []
def listen(event, args):
    if event in ("open", "sqlite3.connect", "subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork",
                 "socket.connect"):
        events.append((event, os.fspath(args[0]) if args and isinstance(args[0], (str, os.PathLike)) else ""))
"""

IMPORT = """
import click
before = set(sys.modules)
sys.addaudithook(listen)
import corpus_backfill_plugin.cli
heard = list(events)
print(json.dumps({"events": heard, "modules": sorted(set(sys.modules) - before)}))
"""

CALL = """
report = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
sys.addaudithook(listen)
from corpus_backfill_plugin.cli import backfill
code = 0
try:
    backfill(prog_name="corpus-backfill")
except SystemExit as error:
    code = error.code or 0
heard = list(events)
os.write(report, json.dumps({"events": heard, "modules": sorted(sys.modules)}).encode())
sys.exit(code)
"""

# Forked before anything of ours is imported, each child is as good as a fresh interpreter.
EACH_ALONE = """
import importlib, os, sys, traceback
broken = []
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            importlib.import_module(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        broken.append(name)
sys.exit(", ".join(broken) or 0)
"""


@dataclass(frozen=True)
class Heard:
    """What an interpreter did, and how it ended."""

    events: list[tuple[str, str]]
    modules: set[str]
    code: int
    stdout: str
    stderr: str

    @property
    def specs(self) -> Counter[str]:
        """How often each spec was opened, by file name."""
        return Counter(Path(path).name for event, path in self.events if path.endswith(".toml"))

    @property
    def others(self) -> list[tuple[str, str]]:
        """Everything but opened files: databases, processes, sockets."""
        return [event for event in self.events if event[0] != "open"]


def python(source: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", source, *words],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def loaded() -> Heard:
    """Load the entry point's module as a host does, click being there already."""
    done = python(LISTEN + IMPORT)
    assert done.returncode == 0, done.stderr
    return _heard(json.loads(done.stdout), done)


def called(folder: Path, server: Server, *words: str, **environ: str) -> Heard:
    """Call the group with `words`, the server app being `server`."""
    report = folder / "report.json"
    settings = {"CORPUS_SERVER_APP_PATH": str(server.folder), "CORPUS_BACKFILL_PYTHON": sys.executable}
    done = python(LISTEN + CALL, str(report), *words, **settings, **environ)
    return _heard(json.loads(report.read_text()), done)


def _heard(said: dict[str, Any], done: subprocess.CompletedProcess[str]) -> Heard:
    events = [(event, path) for event, path in said["events"]]
    return Heard(events, set(said["modules"]), done.returncode, done.stdout, done.stderr)


def completed(folder: Path, server: Server, *words: str) -> Heard:
    """Ask for completions of the last word, as bash does."""
    line = ["corpus-backfill", *words]
    return called(
        folder,
        server,
        _CORPUS_BACKFILL_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(line),
        COMP_CWORD=str(len(line) - 1),
    )


@pytest.fixture(params=[4, 50], ids=["4 specs", "50 specs"])
def names(request: pytest.FixtureRequest, server: Server) -> set[str]:
    """As many specs active, by file name: the four shipped, one of them replaced, the rest the server's."""
    server.spec("snr", 'script = "snr_frequency.py"\n')
    shipped = {path.name for path in (PACKAGE / "builtin").glob("*.toml")}
    added = [f"extra-{number}" for number in range(request.param - len(shipped))]
    for name in added:
        server.spec(name, f'script = "media_duration.py"\n[[option]]\nname = "{name}-only"\n')
    return shipped | {f"{name}.toml" for name in added}


def test_loading_the_plugin_adds_no_module_but_its_own() -> None:
    heard = loaded()
    assert "corpus_backfill_plugin.cli" in heard.modules
    assert heard.modules <= OURS
    assert not [name for name in HEAVY if name in heard.modules]


def test_loading_the_plugin_opens_nothing_but_its_own_modules() -> None:
    heard = loaded()
    assert heard.events
    assert heard.others == []
    assert not heard.specs
    for _, path in heard.events:
        assert Path(path).is_relative_to(PACKAGE)
        assert path.endswith((".py", ".pyc"))


def test_help_opens_each_spec_once(server: Server, names: set[str], tmp_path: Path) -> None:
    heard = called(tmp_path, server, "--help")
    assert heard.code == 0
    assert heard.specs == Counter(names)
    assert heard.others == []
    assert not heard.modules & {"rich", "sqlite3", "asyncio", "tomlkit"}


def test_the_help_of_one_command_opens_one_spec(server: Server, names: set[str], tmp_path: Path) -> None:
    assert "duration.toml" in names
    heard = called(tmp_path, server, "duration", "--help")
    assert heard.code == 0
    assert heard.specs == Counter(["duration.toml"])
    assert heard.others == []


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("command", "opened"),
    [("duration", ["duration", "file-hash", "snr", "version-0"]), ("snr", ["snr"])],
    ids=["shipped, whose scripts come together", "the server's own"],
)
def test_a_command_opens_only_what_the_server_check_needs(
    server: Server, tmp_path: Path, command: str, opened: list[str]
) -> None:
    heard = called(tmp_path, server, command, "--show-command", DATABASE_URL="sqlite:///x.db")
    assert heard.code == 0, heard.stderr
    assert heard.specs == Counter(f"{name}.toml" for name in opened)
    assert heard.others == []
    assert "sqlite3" not in heard.modules


def test_a_run_imports_no_more_than_it_needs(server: Server, tmp_path: Path) -> None:
    server.spec("plain", 'script = "media_duration.py"\n')
    called(tmp_path, server, "plain")  # the first run makes the zip of our code
    heard = called(tmp_path, server, "plain")
    assert heard.code == 0, heard.stderr
    ours = {name for name in heard.modules if name.startswith("corpus_backfill_plugin")}
    assert len(ours) <= RUN_OURS
    assert len(heard.modules - ours) <= RUN_OTHERS
    unused = {
        "asyncio",
        "argparse",
        "email",
        "importlib.metadata",
        "importlib_metadata",
        "platformdirs",
        "rich",
    }
    assert not heard.modules & (unused | {"http", "tomlkit", "xml"})


def test_a_package_that_adds_specs_is_asked_for_by_importlib(server: Server, tmp_path: Path) -> None:
    info = tmp_path / "site" / "pack-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pack\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[corpus_backfill_plugin.specs]\npack = json\n")
    heard = called(tmp_path, server, "duration", "--help", PYTHONPATH=str(info.parent))
    assert heard.code == 0, heard.stderr
    assert "importlib.metadata" in heard.modules


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("words", "found", "opened"),
    [
        pytest.param(("du",), "plain,duration", ["duration.toml"], id="a name"),
        pytest.param(("duration", "--wor"), "plain,--workers", ["duration.toml"], id="an option"),
        pytest.param(("duration", "--media-type", "vi"), "plain,video", ["duration.toml"], id="a value"),
        pytest.param(("docto",), "plain,doctor", [], id="a command of ours"),
    ],
)
def test_a_completion_opens_one_spec_and_no_ledger(
    server: Server, tmp_path: Path, words: tuple[str, ...], found: str, opened: list[str]
) -> None:
    heard = completed(tmp_path, server, *words)
    assert (heard.code, heard.stdout.split(), heard.stderr) == (0, [found], "")
    assert heard.specs == Counter(opened)
    assert heard.others == []
    assert not (tmp_path / "state").exists()


def test_the_completion_of_all_names_opens_each_spec_once(
    server: Server, names: set[str], tmp_path: Path
) -> None:
    heard = completed(tmp_path, server, "")
    assert (heard.code, heard.stderr) == (0, "")
    offered = {line.partition(",")[2] for line in heard.stdout.splitlines()}
    assert {name.removesuffix(".toml") for name in names} <= offered
    assert heard.specs == Counter(names)
    assert heard.others == []
    assert not (tmp_path / "state").exists()


def test_each_module_can_be_imported_alone() -> None:
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py")]
    modules = sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)
    assert set(modules) > OURS
    done = python(EACH_ALONE, *modules, PYTHONPATH=str(PACKAGE.parent))
    assert done.returncode == 0, done.stderr
