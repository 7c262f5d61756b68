"""The hosts in examples/ and in the guide: their plugins, and what a broken plugin cannot do."""

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tools import cases, ended, install

from hosts.conftest import PLUGINS, ROOT, Launch, plain
from hosts.host import GROUP, GUIDE, PROGRAMS

CLIENTS = ("corpus_client_cli", "corpus_client_click")
EXAMPLES = [ROOT / "examples" / name for name in ("corpus-client", "corpus-client-click")]
PLUGIN = {"backfill": PLUGINS["backfill"]}
UID = "5f3a1c2e4b6d4f8a9c0e1d2f3a4b5c6d"
# Broken neighbours: what stands in their modules, and what must be said of each.
BROKEN = {
    "raising": ("raise RuntimeError('not today')", "RuntimeError: not today"),
    "exiting": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "lacking": ("import no_such_dependency", "No module named 'no_such_dependency'"),
    "mistaken": ("command = 5", "is a int, not a command"),
}


@pytest.fixture
def client(launch: Launch, tmp_path: Path) -> dict[str, str]:
    """The environment of an example host that has the real plugin beside it."""
    plugin = install(tmp_path / "plugin", "corpus-backfill-plugin", GROUP, PLUGIN)
    folders = [plugin, *EXAMPLES, launch.environ["PYTHONPATH"]]
    return {"PYTHONPATH": os.pathsep.join(map(str, folders)), "COLUMNS": "200"}


def beside(corpus: dict[str, str], folder: Path, *broken: str) -> dict[str, str]:
    """Return the environment of a host with broken plugins beside the real one."""
    points = {name: f"{name}_plugin:command" for name in broken}
    install(folder, "neighbours", GROUP, points, {f"{name}_plugin.py": BROKEN[name][0] for name in broken})
    return {**corpus, "PYTHONPATH": f"{folder}{os.pathsep}{corpus['PYTHONPATH']}"}


@pytest.fixture
def corpus(client: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The same with a database of two records, one of them filled in."""
    path = tmp_path / "corpus ä.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript("""
            CREATE TABLE record (uid CHAR(32), title TEXT, media_type TEXT, duration FLOAT, file_hash TEXT,
                                 snr_db FLOAT, created_at TEXT);
            CREATE TABLE record_version (record_uid CHAR(32), version INTEGER, created_at TEXT,
                                         snapshot JSON);
        """)
        database.executemany(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (UID, "A tone", "audio", 1.5, "abc", 40.25, "2024-01-01"),
                (f"60{UID[2:]}", "A film", "video", None, None, None, "2024-01-02"),
            ],
        )
        database.execute("INSERT INTO record_version VALUES (?, 0, '2024-01-03', '{}')", (UID,))
        database.commit()
    return {**client, "DATABASE_URL": f"sqlite:///{path}"}


@pytest.mark.parametrize("host", CLIENTS)
def test_the_own_commands_read_the_corpus(launch: Launch, corpus: dict[str, str], host: str) -> None:
    stats = launch(host, "stats", **corpus)
    assert stats.code == 0
    assert [line.split() for line in stats.stdout.splitlines()] == [
        ["records", "2"],
        ["with", "without"],
        *([name, "1", "1"] for name in ("duration", "hash", "snr", "version")),
    ]
    films = launch(host, "records", "list", "--media-type", "video", **corpus)
    assert "A film" in films.stdout
    assert "A tone" not in films.stdout
    assert "A film" not in launch(host, "records", "list", "--limit", "1", **corpus).stdout
    shown = launch(host, "records", "show", "5f3a-1c", **corpus)
    assert "snr_db" in shown.stdout
    assert "40.250" in shown.stdout
    assert "version 0" in shown.stdout


@pytest.mark.parametrize("host", CLIENTS)
@pytest.mark.parametrize(
    ("words", "url", "says"),
    cases("""
        no database named | stats            |                       | DATABASE_URL is not set
        no database       | stats            | sqlite:////nowhere.db | /nowhere.db
        unknown kind      | stats            | mysql://u:geheim@h/d  | must begin with
        unknown record   | records show 7   | ITS                   | no records have a uid that begins with 7
        not a uid         | records show xyz | ITS                   | not a record's uid
    """),
)
def test_what_cannot_be_read_is_said_in_one_line(
    launch: Launch, corpus: dict[str, str], *, host: str, words: str, url: str, says: str
) -> None:
    environ = corpus if url == "ITS" else corpus | {"DATABASE_URL": url}
    found = launch(host, *words.split(), **environ)
    assert (found.code, says in found.stderr) == (1, True)
    assert len(found.stderr.splitlines()) == 1
    assert "geheim" not in found.stderr


@pytest.mark.parametrize("host", CLIENTS)
def test_the_plugin_is_mounted(launch: Launch, client: dict[str, str], host: str) -> None:
    assert "Fill in data for records" in plain(launch(host, "--help", **client).stdout)
    found = launch(host, "backfill", "duration", "--help", **client)
    assert found.code == 0
    assert "--media-type [audio|video|both]" in found.stdout


def test_broken_neighbours_never_take_the_lazy_host_down(
    launch: Launch, corpus: dict[str, str], tmp_path: Path
) -> None:
    environ = beside(corpus, tmp_path / "neighbours", *BROKEN)
    listed = launch("corpus_client_cli", "--help", **environ)
    assert listed.code == 0
    assert "Traceback" not in listed.stderr
    assert "Fill in data for records" in plain(listed.stdout)
    for name, (_, reason) in BROKEN.items():
        assert plain(f"{name} (broken)") in plain(listed.stdout)
        called = launch("corpus_client_cli", name, "--any", "words", **environ)
        assert called.code == 1
        assert reason in called.stderr
        assert f"the plugin {name!r} of neighbours cannot be loaded" in called.stderr
    assert launch("corpus_client_cli", "stats", **environ).code == 0
    assert launch("corpus_client_cli", "backfill", "--help", **environ).code == 0


def test_a_broken_neighbour_never_takes_the_click_host_down(
    launch: Launch, corpus: dict[str, str], tmp_path: Path
) -> None:
    environ = beside(corpus, tmp_path / "neighbours", "raising", "lacking")
    listed = launch("corpus_client_click", "--help", **environ)
    assert listed.code == 0
    assert "could not load plugin" in listed.stdout
    assert launch("corpus_client_click", "backfill", "--help", **environ).code == 0


def test_two_plugins_of_one_name_are_listed_once(
    launch: Launch, client: dict[str, str], tmp_path: Path
) -> None:
    source = "import click; command = click.Group('backfill', help='A rival.')"
    point = {"backfill": "rival_plugin:command"}
    folder = install(tmp_path / "rival", "rival", GROUP, point, {"rival_plugin.py": source})
    environ = client | {"PYTHONPATH": f"{folder}{os.pathsep}{client['PYTHONPATH']}"}
    rival = launch("corpus_client_cli", "--help", **environ)
    assert rival.code == 0
    assert rival.stdout.count("backfill") == 1


def test_the_lazy_hosts_own_commands_look_for_no_plugin(launch: Launch, corpus: dict[str, str]) -> None:
    found = launch("corpus_client_cli", "stats", **corpus, PYTHONPROFILEIMPORTTIME="1")
    assert found.code == 0
    imported = {line.rpartition("|")[2].strip() for line in found.stderr.splitlines()}
    assert "corpus_client_cli.plugins" in imported
    assert not {name for name in imported if name.startswith("corpus_backfill_plugin")}


def test_a_host_imports_nothing_from_its_plugin() -> None:
    sources = [path for folder in EXAMPLES for path in folder.rglob("*.py")]
    assert sources
    assert not [path for path in sources if "corpus_backfill_plugin" in path.read_text()]


def test_every_program_of_the_guide_is_found() -> None:
    assert len(PROGRAMS) == GUIDE.count("```python") == 6


@pytest.mark.parametrize("name", PROGRAMS, ids=[f"{name}.py" for name in PROGRAMS])
def test_a_program_of_the_guide_mounts_the_plugin_as_it_stands(
    launch: Launch, tmp_path: Path, name: str
) -> None:
    site = install(tmp_path / "site", "corpus-backfill-plugin", GROUP, PLUGIN)
    program = tmp_path / f"{name}.py"
    program.write_text(PROGRAMS[name])
    path = f"{site}{os.pathsep}{launch.environ['PYTHONPATH']}"
    environ = {**launch.environ, "COLUMNS": "200", "PYTHONPATH": path}
    listed = ended([sys.executable, program, "--help"], env=environ)
    assert listed.code == 0, listed.stderr
    assert "Look after the server" in listed.stdout
    assert "Fill in data for records" in plain(listed.stdout)
    wrong = ended([sys.executable, program, *["backfill", "duration", "--media-type", "text"]], env=environ)
    assert wrong.code == 2
    assert "'text' is not one of 'audio', 'video', 'both'" in plain(wrong.stderr)
    assert "Traceback" not in wrong.stderr
