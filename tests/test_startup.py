"""What the plugin costs at start-up, in counts: modules, files and specs, each in a fresh interpreter."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Server
from tools import install

import corpus_backfill_plugin

PACKAGE = Path(corpus_backfill_plugin.__file__).parent
OURS = {"corpus_backfill_plugin", "corpus_backfill_plugin.cli", "corpus_backfill_plugin.bridge"}
HEAVY = {
    "asyncio", "importlib_metadata", "msgspec", "platformdirs", "rich", "sqlite3", "subprocess", "tomllib",
}  # fmt: skip
UNUSED = {
    "asyncio", "argparse", "email", "http", "importlib.metadata", "importlib_metadata", "platformdirs",
    "rich", "tomlkit", "xml",
}  # fmt: skip

RUN_OURS, RUN_OTHERS = 67, 155
"""Modules of ours and of others that a plain run may import, at most."""

# Notes each file that is opened and each database, process and socket that is asked for.
LISTEN = """\
import json, os, sys
report = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
events = []
def listen(event, args):
    if event in ("open", "sqlite3.connect", "subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork",
                 "socket.connect"):
        events.append((event, os.fspath(args[0]) if args and isinstance(args[0], (str, os.PathLike)) else ""))
def note(before=()):
    heard = list(events)
    os.write(report, json.dumps({"events": heard, "modules": sorted({*sys.modules} - {*before})}).encode())
"""
IMPORT = """
import click
before = set(sys.modules)
sys.addaudithook(listen)
import corpus_backfill_plugin.cli
note(before)
"""
CALL = """
sys.addaudithook(listen)
from corpus_backfill_plugin.cli import backfill
code = 0
try:
    backfill(prog_name="corpus-backfill")
except SystemExit as error:
    code = error.code or 0
note()
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
        [sys.executable, "-c", source, *words], env=os.environ | environ, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


def heard(folder: Path, source: str, *words: str, **environ: str) -> Heard:
    report = folder / "report.json"
    done = python(LISTEN + source, str(report), *words, **environ)
    noted = json.loads(report.read_text())
    events = [(event, path) for event, path in noted["events"]]
    return Heard(events, set(noted["modules"]), done.returncode, done.stdout, done.stderr)


def loaded(folder: Path) -> Heard:
    """Load the entry point's module as a host does, click being there already."""
    found = heard(folder, IMPORT)
    assert found.code == 0, found.stderr
    return found


def called(folder: Path, server: Server, *words: str, **environ: str) -> Heard:
    """Call the group with `words`, the server app being `server`."""
    settings = {"CORPUS_SERVER_APP_PATH": str(server.folder), "CORPUS_BACKFILL_PYTHON": sys.executable}
    return heard(folder, CALL, *words, **settings, **environ)


def completed(folder: Path, server: Server, *words: str) -> Heard:
    """Ask for completions of the last word, as bash does."""
    asked = {"COMP_WORDS": " ".join(["corpus-backfill", *words]), "COMP_CWORD": str(len(words))}
    return called(folder, server, _CORPUS_BACKFILL_COMPLETE="bash_complete", **asked)


@pytest.fixture(params=[4, 50], ids=["4 specs", "50 specs"])
def names(request: pytest.FixtureRequest, server: Server) -> set[str]:
    """As many specs active, by file name: the four shipped, one of them replaced, the rest the server's."""
    server.spec("snr", 'script = "snr_frequency.py"\n')
    shipped = {path.name for path in (PACKAGE / "builtin").glob("*.toml")}
    added = [f"extra-{number}" for number in range(request.param - len(shipped))]
    for name in added:
        server.spec(name, f'script = "media_duration.py"\n[[option]]\nname = "{name}-only"\n')
    return shipped | {f"{name}.toml" for name in added}


def test_loading_the_plugin_adds_no_module_but_its_own(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert "corpus_backfill_plugin.cli" in found.modules
    assert found.modules <= OURS
    assert not found.modules & HEAVY


def test_loading_the_plugin_opens_nothing_but_its_own_modules(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert found.events
    assert found.others == []
    assert not found.specs
    for _, path in found.events:
        assert Path(path).is_relative_to(PACKAGE)
        assert path.endswith((".py", ".pyc"))


def test_help_opens_each_spec_once(server: Server, names: set[str], tmp_path: Path) -> None:
    found = called(tmp_path, server, "--help")
    assert found.code == 0
    assert found.specs == Counter(names)
    assert found.others == []
    assert not found.modules & {"rich", "sqlite3", "asyncio", "tomlkit"}


def test_the_help_of_one_command_opens_one_spec(server: Server, names: set[str], tmp_path: Path) -> None:
    assert "duration.toml" in names
    found = called(tmp_path, server, "duration", "--help")
    assert found.code == 0
    assert found.specs == Counter(["duration.toml"])
    assert found.others == []


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("command", "opened"),
    [("duration", ["duration", "file-hash", "snr", "version-0"]), ("snr", ["snr"])],
    ids=["shipped, whose scripts come together", "the server's own"],
)
def test_a_command_opens_only_what_the_server_check_needs(
    server: Server, tmp_path: Path, command: str, opened: list[str]
) -> None:
    found = called(tmp_path, server, command, "--show-command", DATABASE_URL="sqlite:///x.db")
    assert found.code == 0, found.stderr
    assert found.specs == Counter(f"{name}.toml" for name in opened)
    assert found.others == []
    assert "sqlite3" not in found.modules


def test_a_run_imports_no_more_than_it_needs(server: Server, tmp_path: Path) -> None:
    server.spec("plain", 'script = "media_duration.py"\n')
    called(tmp_path, server, "plain")  # the first run makes the zip of our code
    found = called(tmp_path, server, "plain")
    assert found.code == 0, found.stderr
    ours = {name for name in found.modules if name.startswith("corpus_backfill_plugin")}
    assert len(ours) <= RUN_OURS
    assert len(found.modules - ours) <= RUN_OTHERS
    assert not found.modules & UNUSED


def test_a_package_that_adds_specs_is_asked_for_by_importlib(server: Server, tmp_path: Path) -> None:
    site = install(tmp_path / "site", "pack", "corpus_backfill_plugin.specs", {"pack": "json"})
    found = called(tmp_path, server, "duration", "--help", PYTHONPATH=str(site))
    assert found.code == 0, found.stderr
    assert "importlib.metadata" in found.modules


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("words", "offered", "opened"),
    [
        pytest.param(("du",), "plain,duration", ["duration.toml"], id="a name"),
        pytest.param(("duration", "--wor"), "plain,--workers", ["duration.toml"], id="an option"),
        pytest.param(("duration", "--media-type", "vi"), "plain,video", ["duration.toml"], id="a value"),
        pytest.param(("docto",), "plain,doctor", [], id="a command of ours"),
    ],
)
def test_a_completion_opens_one_spec_and_no_ledger(
    server: Server, tmp_path: Path, words: tuple[str, ...], offered: str, opened: list[str]
) -> None:
    found = completed(tmp_path, server, *words)
    assert (found.code, found.stdout.split(), found.stderr) == (0, [offered], "")
    assert found.specs == Counter(opened)
    assert found.others == []
    assert not (tmp_path / "state").exists()


def test_the_completion_of_all_names_opens_each_spec_once(
    server: Server, names: set[str], tmp_path: Path
) -> None:
    found = completed(tmp_path, server, "")
    assert (found.code, found.stderr) == (0, "")
    offered = {line.partition(",")[2] for line in found.stdout.splitlines()}
    assert {name.removesuffix(".toml") for name in names} <= offered
    assert found.specs == Counter(names)
    assert found.others == []
    assert not (tmp_path / "state").exists()


def test_each_module_can_be_imported_alone() -> None:
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py")]
    modules = sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)
    assert set(modules) > OURS
    done = python(EACH_ALONE, *modules, PYTHONPATH=str(PACKAGE.parent))
    assert done.returncode == 0, done.stderr
