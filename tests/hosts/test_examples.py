"""The two hosts in examples/: their own commands, their plugins, and what a broken plugin cannot do."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hosts.answers import plain
from hosts.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hosts.conftest import Launch, Register

CLIENTS = ("corpus_client_cli", "corpus_client_click")
EXAMPLES = [ROOT / "examples" / name for name in ("corpus-client", "corpus-client-click")]
GROUP = "corpus_client_cli.plugins"
UID = "5f3a1c2e4b6d4f8a9c0e1d2f3a4b5c6d"
# Broken neighbours: what stands in their modules, and what must be said of each.
BROKEN = {
    "raising": ("raise RuntimeError('not today')", "RuntimeError: not today"),
    "exiting": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "lacking": ("import no_such_dependency", "No module named 'no_such_dependency'"),
    "mistaken": ("command = 5", "is a int, not a command"),
}


@pytest.fixture
def client(environment: Mapping[str, str], register: Register, tmp_path: Path) -> dict[str, str]:
    """The environment of an example host that has the real plugin beside it."""
    register(
        tmp_path / "plugin",
        "corpus-backfill-plugin",
        GROUP,
        {"backfill": "corpus_backfill_plugin.cli:backfill"},
    )
    folders = [tmp_path / "plugin", *EXAMPLES, environment["PYTHONPATH"]]
    return {"PYTHONPATH": os.pathsep.join(map(str, folders)), "COLUMNS": "200"}


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
    assert [line.split() for line in stats.out.splitlines()] == [
        ["records", "2"],
        ["with", "without"],
        *([name, "1", "1"] for name in ("duration", "hash", "snr", "version")),
    ]
    films = launch(host, "records", "list", "--media-type", "video", **corpus)
    assert "A film" in films.out
    assert "A tone" not in films.out
    assert "A film" not in launch(host, "records", "list", "--limit", "1", **corpus).out
    shown = launch(host, "records", "show", "5f3a-1c", **corpus)
    assert "snr_db" in shown.out
    assert "40.250" in shown.out
    assert "version 0" in shown.out


@pytest.mark.parametrize("host", CLIENTS)
@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("", "DATABASE_URL is not set", id="no database named"),
        pytest.param("sqlite:////nowhere.db", "/nowhere.db", id="no database"),
        pytest.param("mysql://u:geheim@h/d", "must begin with", id="unknown kind"),
    ],
)
def test_a_database_that_cannot_be_read_is_said_in_one_line(
    launch: Launch, client: dict[str, str], host: str, url: str, says: str
) -> None:
    found = launch(host, "stats", **client, DATABASE_URL=url)
    assert found.code == 1
    assert says in found.err
    assert len(found.err.splitlines()) == 1
    assert "geheim" not in found.err


@pytest.mark.parametrize("host", CLIENTS)
@pytest.mark.parametrize(
    ("uid", "says"),
    [("7", "no records have a uid that begins with 7"), ("xyz", "not a record's uid")],
    ids=["unknown", "not a uid"],
)
def test_a_record_that_is_not_there_is_said_in_one_line(
    launch: Launch, corpus: dict[str, str], host: str, uid: str, says: str
) -> None:
    found = launch(host, "records", "show", uid, **corpus)
    assert found.code == 1
    assert says in found.err
    assert len(found.err.splitlines()) == 1


@pytest.mark.parametrize("host", CLIENTS)
def test_the_plugin_is_mounted(launch: Launch, client: dict[str, str], host: str) -> None:
    assert "Fill in data for records" in plain(launch(host, "--help", **client).out)
    found = launch(host, "backfill", "duration", "--help", **client)
    assert found.code == 0
    assert "--media-type [audio|video|both]" in found.out


def test_broken_neighbours_never_take_the_lazy_host_down(
    launch: Launch, register: Register, corpus: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "neighbours"
    register(folder, "neighbours", GROUP, {name: f"{name}_plugin:command" for name in BROKEN})
    for name, (source, _) in BROKEN.items():
        (folder / f"{name}_plugin.py").write_text(source)
    environ = {**corpus, "PYTHONPATH": f"{folder}{os.pathsep}{corpus['PYTHONPATH']}"}

    listed = launch("corpus_client_cli", "--help", **environ)
    assert listed.code == 0
    assert "Traceback" not in listed.err
    assert "Fill in data for records" in plain(listed.out)
    for name, (_, reason) in BROKEN.items():
        assert plain(f"{name} (broken)") in plain(listed.out)
        called = launch("corpus_client_cli", name, "--any", "words", **environ)
        assert called.code == 1
        assert reason in called.err
        assert f"the plugin {name!r} of neighbours cannot be loaded" in called.err
    assert launch("corpus_client_cli", "stats", **environ).code == 0
    assert launch("corpus_client_cli", "backfill", "--help", **environ).code == 0


def test_a_broken_neighbour_never_takes_the_click_host_down(
    launch: Launch, register: Register, corpus: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "neighbours"
    register(folder, "neighbours", GROUP, {name: f"{name}_plugin:command" for name in ("raising", "lacking")})
    for name in ("raising", "lacking"):
        (folder / f"{name}_plugin.py").write_text(BROKEN[name][0])
    environ = {**corpus, "PYTHONPATH": f"{folder}{os.pathsep}{corpus['PYTHONPATH']}"}
    listed = launch("corpus_client_click", "--help", **environ)
    assert listed.code == 0
    assert "could not load plugin" in listed.out
    assert launch("corpus_client_click", "backfill", "--help", **environ).code == 0


def test_two_plugins_of_one_name_are_listed_once(
    launch: Launch, register: Register, client: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "rival"
    register(folder, "rival", GROUP, {"backfill": "rival_plugin:command"})
    (folder / "rival_plugin.py").write_text(
        "import click; command = click.Group('backfill', help='A rival.')"
    )
    rival = launch(
        "corpus_client_cli",
        "--help",
        **{**client, "PYTHONPATH": f"{folder}{os.pathsep}{client['PYTHONPATH']}"},
    )
    assert rival.code == 0
    assert rival.out.count("backfill") == 1


def test_the_lazy_hosts_own_commands_look_for_no_plugin(launch: Launch, corpus: dict[str, str]) -> None:
    found = launch("corpus_client_cli", "stats", **corpus, PYTHONPROFILEIMPORTTIME="1")
    assert found.code == 0
    imported = {line.rpartition("|")[2].strip() for line in found.err.splitlines()}
    assert "corpus_client_cli.plugins" in imported
    assert not {name for name in imported if name.startswith("corpus_backfill_plugin")}


def test_a_host_imports_nothing_from_its_plugin() -> None:
    sources = [path for folder in EXAMPLES for path in folder.rglob("*.py")]
    assert sources
    assert not [path for path in sources if "corpus_backfill_plugin" in path.read_text()]
