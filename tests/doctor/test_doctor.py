"""`doctor`: every part that a run rests on, each fault with its hint, each said once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from conftest import Cli, Outcome, Server
from tools import install as install_package

import corpus_backfill_plugin

PACKAGE = Path(corpus_backfill_plugin.__file__).parent
HOST = "corpus_client_cli.plugins"
Findings = list[dict[str, Any]]
Examine: TypeAlias = "Callable[..., tuple[int, Findings]]"
Install: TypeAlias = "Callable[..., Path]"


@pytest.fixture
def env(server: Server) -> dict[str, str | None]:
    """The environment of a doctor who finds all well."""
    return {"CORPUS_SERVER_APP_PATH": str(server.folder), "DATABASE_URL": "sqlite:///x"}


@pytest.fixture
def examine(cli: Cli, env: dict[str, str | None]) -> Examine:
    """Return the exit code of `doctor --json` and its findings; well but for what a test spoils."""

    def call(**spoilt: str | None) -> tuple[int, Findings]:
        outcome = cli("doctor", "--json", uv=True, env=env | spoilt)
        assert outcome.stderr == ""
        found: Findings = json.loads(outcome.stdout)
        for each in found:
            assert set(each) == {"area", "state", "text", "hint"}
            assert each["state"] != "error" or each["hint"] or "; " in each["text"], "an error has a hint"
        return outcome.code, found

    return call


def texts(found: Findings, state: str, area: str = "") -> list[str]:
    """Return what was found in this state, in one area or all."""
    return [each["text"] for each in found if each["state"] == state and area in ("", each["area"])]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Write a package's metadata, and modules, into a folder for PYTHONPATH."""

    def make(
        name: str, points: dict[str, str], modules: dict[str, str] | None = None, number: str = "1.0"
    ) -> Path:
        files = {f"{module}.py": text for module, text in (modules or {}).items()}
        return install_package(tmp_path / "site", name, HOST, points, files, number=number)

    return make


AREAS = "host installation plugins server interpreter database specs config state ledger disk".split()  # noqa: SIM905  shorter


def test_when_all_is_well_every_part_is_named(examine: Examine, server: Server) -> None:
    code, found = examine()
    assert (code, texts(found, "error")) == (0, [])
    assert list(dict.fromkeys(each["area"] for each in found)) == AREAS
    said = {area: texts(found, "ok", area) for area in AREAS}
    (host,) = said["host"]
    assert f"click {version('click')}" in host
    assert f"Python {sys.version.split()[0]}" in host
    assert "bridge not needed" in host
    assert said["installation"] == [f"{version('corpus-backfill-plugin')} in {_site_packages()}"]
    assert said["plugins"] == ["'backfill' is corpus_backfill_plugin.cli:backfill of corpus-backfill-plugin"]
    assert said["server"] == [f"{server.folder} (from CORPUS_SERVER_APP_PATH)"]
    assert said["interpreter"][0].startswith("uv run python (uv at ")
    assert said["database"] == ["DATABASE_URL is set"]
    assert said["specs"] == ["4 commands from: shipped"]
    assert said["state"][0].endswith("/state, mode 700")


def _site_packages() -> str:
    return str(distribution("corpus-backfill-plugin").locate_file(""))


def test_people_get_a_line_a_part_and_the_hint_below(cli: Cli, server: Server) -> None:
    server.spec("broken", "script = 5\n")
    outcome: Outcome = cli("doctor", env={"CORPUS_SERVER_APP_PATH": str(server.folder)}, uv=True)
    assert outcome.code == 1
    lines = outcome.stdout.splitlines()
    (error,) = (line for line in lines if line.startswith("error"))
    assert error.startswith(f"error    specs: {server.scripts}/broken.toml:2: script: expected text, got a")
    at = lines.index("warning  database: DATABASE_URL is not set; the scripts use their own default")
    assert lines[at + 1] == "         Set it, or give --database-url with each command."
    assert "\x1b" not in outcome.stdout


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("raise RuntimeError('the moon')", "fails to load: RuntimeError: the moon"),
        ("raise SystemExit(3)", "fails to load: SystemExit: 3"),
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("x = 1", "has no attribute 'other'"),
    ],
    ids=["an exception", "an exit", "a missing dependency", "a name that is gone"],
)
def test_another_plugin_that_is_broken_is_reported_once(
    module: str, words: str, examine: Examine, install: Install
) -> None:
    site = install("neighbour", {"other": "neighbour:other"}, {"neighbour": module})
    code, found = examine(PYTHONPATH=str(site))
    (error,) = texts(found, "error")
    assert (code, words in error) == (1, True)
    assert error.startswith("'other' (neighbour:other of neighbour) ")
    assert texts(found, "ok", "plugins"), "ours is looked at all the same"


OURS = "corpus_backfill_plugin.cli:backfill"


@pytest.mark.parametrize(
    ("name", "module", "number", "phrases"),
    [
        ("rival", "rival:group", "1.0", [
            "two packages register 'backfill': ", "rival:group of rival", f"{OURS} of corpus-backfill-plugin",
        ]),
        ("corpus-backfill-plugin", OURS, "9.9", ["installed more than once: 9.9 in {site}, "]),
    ],
    ids=["another plugin of our name", "two versions of our metadata"],
)  # fmt: skip
def test_what_is_there_twice_is_reported_once(
    examine: Examine, install: Install, *, name: str, module: str, number: str, phrases: list[str]
) -> None:
    site = install(name, {"backfill": module}, {"rival": "group = 1"}, number=number)
    code, found = examine(PYTHONPATH=str(site))
    (error,) = texts(found, "error")
    assert code == 1
    assert error.startswith(phrases[0].format(site=site))
    assert all(phrase in error for phrase in phrases[1:])


@pytest.mark.parametrize("left", ["nothing", "entry points"])
def test_an_install_that_is_half_removed_is_reported_once(
    left: str, examine: Examine, tmp_path: Path, cli: Cli, env: dict[str, str | None]
) -> None:
    info = tmp_path / "site/corpus_backfill_plugin-0.0.9.dist-info"
    info.mkdir(parents=True)
    if left == "entry points":
        (info / "entry_points.txt").write_text(f"[{HOST}]\nbackfill = {OURS}\n")
    code, found = examine(PYTHONPATH=str(info.parent))
    (error,) = texts(found, "error")
    assert code == 1
    assert error.startswith("half removed, its metadata is gone: no version in ")
    env = env | {"PYTHONPATH": str(info.parent)}
    assert cli("version-0", "--no-verify", env=env).code == 0, "a run needs no metadata"
    assert cli("--version", env=env).code == 0


def _findings(*words: str | Path, **env: str) -> Findings:
    """Return what a doctor of another program finds."""
    done = subprocess.run(
        [sys.executable, *map(str, words), "doctor", "--json"],
        env=os.environ | env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: Findings = json.loads(done.stdout)
    return found


def test_a_copy_that_is_not_installed_says_so(tmp_path: Path, server: Server) -> None:
    site = tmp_path / "packages"
    site.mkdir()
    for entry in Path(_site_packages()).iterdir():
        if "corpus_backfill_plugin" not in entry.name:
            (site / entry.name).symlink_to(entry)
    (site / "corpus_backfill_plugin").symlink_to(PACKAGE)
    env = {"PYTHONPATH": str(site), "CORPUS_SERVER_APP_PATH": str(server.folder)}
    notes = texts(_findings("-S", "-m", "corpus_backfill_plugin", **env), "warning")
    assert "runs from a folder, not from an installed package" in notes
    assert f"'backfill' is not registered in {HOST}; only corpus-backfill runs it" in notes


TYPER_HOST = """
import typer
from corpus_backfill_plugin.cli import backfill
app = typer.Typer()
@app.callback()
def main() -> None: ...
group = typer.main.get_command(app)
group.add_command(backfill, "backfill")
group(prog_name="typed")
"""


def test_the_bridge_is_named_where_it_is_in_use(tmp_path: Path, server: Server) -> None:
    (tmp_path / "typed.py").write_text(TYPER_HOST)
    found = _findings(tmp_path / "typed.py", "backfill", CORPUS_SERVER_APP_PATH=str(server.folder))
    bridged = tuple(map(int, version("typer").split(".")[:2])) >= (0, 26)
    assert f"typer {version('typer')}" in found[0]["text"]
    assert ("bridge in use, the host's contexts are not click's" in found[0]["text"]) is bridged


def test_no_server_is_an_error_that_names_what_was_tried(examine: Examine) -> None:
    code, found = examine(CORPUS_SERVER_APP_PATH=None)
    (error,) = texts(found, "error", "server")
    assert code == 1
    assert error.startswith("no server app found; tried in this order: --server-path (not given)")
    assert texts(found, "ok", "interpreter")[0].startswith("uv at ")
    assert texts(found, "ok", "specs") == ["4 commands from: shipped"]


def test_missing_scripts_are_reported_each(examine: Examine, server: Server) -> None:
    (server.scripts / "file_hashing.py").unlink()
    (server.scripts / "snr_frequency.py").unlink()
    code, found = examine()
    assert (code, texts(found, "error")) == (1, ["file_hashing.py: missing", "snr_frequency.py: missing"])
    # Commands that are hidden ask for none, but shipped ones do until all are replaced.
    server.script("file_hashing.py")
    server.spec("gone", 'script = "gone.py"\n')
    server.spec("old", 'script = "older.py"\nhidden = true\n')
    server.spec("snr", 'script = "media_duration.py"\nhidden = true\n')
    assert texts(examine()[1], "error", "server") == ["gone.py: missing", "snr_frequency.py: missing"]


@pytest.mark.parametrize(
    ("variable", "value", "state", "text"),
    [
        ("CORPUS_BACKFILL_PYTHON", "/no/such/python", "error",
         "/no/such/python (from CORPUS_BACKFILL_PYTHON) does not exist"),
        ("PATH", "/no/such/folder", "warning", "python: uv is not on PATH and the server has no"),
    ],
    ids=["one that cannot run is an error", "the fallback is a warning"],
)  # fmt: skip
def test_an_interpreter_is_judged(examine: Examine, variable: str, value: str, state: str, text: str) -> None:
    code, found = examine(**{variable: value})
    (only,) = texts(found, state, "interpreter")
    assert code == (state == "error")
    assert only.startswith(text)


def test_no_database_is_a_warning_and_its_url_is_never_shown(examine: Examine) -> None:
    code, found = examine(DATABASE_URL=None)
    assert (code, len(texts(found, "warning", "database"))) == (0, 1)
    _, found = examine(DATABASE_URL="postgresql://u:geheim@hidden-host/d")
    assert "geheim" not in str(found)
    assert "hidden-host" not in str(found)


def test_specs_are_named_with_their_errors_and_what_they_replace(
    examine: Examine, server: Server, tmp_path: Path
) -> None:
    server.spec("snr", 'script = "snr_frequency.py"\n')
    server.spec("broken", "scirpt = 5\n")
    assert texts(examine()[1], "warning", "specs") == ["'snr' of shipped is replaced by server"]
    server.spec("duration", 'script = "media_duration.py"\n')
    code, found = examine(CORPUS_BACKFILL_SPECS=str(tmp_path / "none"))
    assert (code, texts(found, "ok", "specs")) == (1, ["5 commands from: server, shipped"])
    assert texts(found, "warning", "specs") == ["'duration', 'snr' of shipped are replaced by server"]
    assert texts(found, "error", "specs") == [
        f"CORPUS_BACKFILL_SPECS: {tmp_path}/none is not a folder",
        f"{server.scripts}/broken.toml:1: script: missing, and required; add script = 'name.py'",
        f"{server.scripts}/broken.toml:2: scirpt: unknown key; did you mean 'script'?",
    ]


def test_what_a_script_does_not_have_of_its_spec_is_an_error(examine: Examine, server: Server) -> None:
    server.script("work.py", "import argparse\np = argparse.ArgumentParser()\np.parse_args()\n")
    server.script("broken.py", "import argparse\np = argparse.ArgumentParser(\n")
    spec = """script = "work.py"
common = []
[[option]]
name = "ids-file"
type = "path"
role = "retry-items"
[output]
result = ['^pending={pending}']
[postcondition]
run = ["--remaining"]
expect = { pending = 0 }
"""
    place = server.spec("work", spec)
    server.spec("old", f"hidden = true\n{spec}")
    server.spec("unread", 'script = "broken.py"\n')
    code, found = examine()
    assert code == 1
    assert texts(found, "error", "specs") == [
        f"{place}:4: option.ids-file: the spec sends --ids-file, the script does not have it; remove it",
        f"{place}:11: postcondition.run: the spec counts by --remaining, the script does not have it",
    ]
    assert "not Python that can be read" in texts(found, "warning", "specs")[0]


def test_a_state_folder_that_cannot_be_used_is_an_error(examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    code, found = examine()
    assert code == 1
    (error,) = texts(found, "error", "state")
    assert error.startswith(f"The state folder {tmp_path}/state can't be used")
    areas = list(dict.fromkeys(each["area"] for each in found))
    assert areas == AREAS[:9], "trouble in one part hides no other"


def test_a_state_folder_that_was_open_to_others_is_a_warning_or_an_error(
    examine: Examine, tmp_path: Path
) -> None:
    root = tmp_path / "state"
    root.mkdir()
    root.chmod(0o755)
    (root / "theirs").write_text("")
    code, found = examine()
    assert "holds files that are not ours" in texts(found, "error", "state")[0]
    assert (code, root.stat().st_mode & 0o777) == (1, 0o755), "it is left open"
    (root / "theirs").unlink()
    code, found = examine()
    warning = f"{root} was open to others, mode 755, and is closed now, mode 700"
    assert (code, texts(found, "warning", "state")) == (0, [warning])
    assert texts(examine()[1], "ok", "state") == [f"{root}, mode 700"]
