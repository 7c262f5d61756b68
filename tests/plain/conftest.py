"""A server app as an operator has it: scripts that know nothing of us, and a corpus of known truth."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Outcome

PLAIN = Path(__file__).parent / "server"
RECORDS = 6


class Plain(Server):
    """The plain server app of a test, with its corpus beside it."""

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder.parent / "corpus.db"

    @property
    def url(self) -> str:
        """What DATABASE_URL says."""
        return f"sqlite:///{self.database}"

    def query(self, sql: str) -> list[Any]:
        """Return the rows of a query."""
        with closing(sqlite3.connect(self.database)) as db, db:
            return db.execute(sql).fetchall()

    def grow(self, copies: int) -> None:
        """Add so many copies of each row, so that a run can be met in its middle."""
        for _ in range(copies):
            self.query(
                "INSERT INTO recordings (path, media_type)"
                " SELECT path, media_type FROM recordings GROUP BY path, media_type"
            )

    def filled(self, command: str) -> int:
        """Return in how many recordings `command` has filled in its values, which have to be right."""
        if command == "version-0":
            return len(self.query("SELECT recording_id FROM recording_versions WHERE version = 0"))
        rows = self.query(f"SELECT path, {_COLUMNS[command]} FROM recordings")  # noqa: S608
        done = [row for row in rows if row[1] is not None]
        for path, *values in done:
            _TRUTH[command](Path(path), *values)
        return len(done)


def _duration(path: Path, seconds: float) -> None:
    assert seconds == 0.5 + int(path.stem) / 4


def _hash(path: Path, digest: str, algorithm: str) -> None:
    assert digest == hashlib.new(algorithm, path.read_bytes()).hexdigest()


def _tone(path: Path, snr: float, hertz: float) -> None:
    assert hertz == 200 + 100 * int(path.stem)
    assert abs(snr - 23.0) < 1.0, "a sine of 8000 in noise of 400: 20 log10(20 / sqrt 2)"


_TRUTH: dict[str, Callable[..., None]] = {"duration": _duration, "file-hash": _hash, "snr": _tone}
_COLUMNS = {"duration": "duration", "file-hash": "file_hash, hash_algorithm", "snr": "snr_db, dominant_hz"}


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus in which nothing is filled in. Its database is copied, its files are shared."""
    folder = tmp_path_factory.mktemp("media")
    make = [sys.executable, str(PLAIN / "make_corpus.py"), str(folder), "--records", str(RECORDS)]
    subprocess.run(make, check=True, timeout=60)
    return folder


@pytest.fixture
def make_plain(media: Path, tmp_path: Path) -> Callable[[str], Plain]:
    """Make a plain server app under a name below the test's folder, and a corpus beside it."""

    def make(name: str) -> Plain:
        plain = Plain(tmp_path / name)
        shutil.copytree(PLAIN, plain.folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(media / "corpus.db", plain.database)
        return plain

    return make


@pytest.fixture
def plain(make_plain: Callable[[str], Plain], monkeypatch: pytest.MonkeyPatch) -> Plain:
    """The plain server app, named by the environment as its corpus is."""
    made = make_plain("srv/corpus-server-app")
    monkeypatch.setenv("CORPUS_SERVER_APP_PATH", str(made.folder))
    monkeypatch.setenv("DATABASE_URL", made.url)
    return made


@pytest.fixture
def shown(cli: Cli) -> Callable[..., dict[str, Any]]:
    """Return what `runs show --json` tells of a run, the latest if none is named."""

    def show(*number: str) -> dict[str, Any]:
        outcome: Outcome = cli("runs", "show", "--json", *number)
        assert outcome.code == 0, outcome.stderr
        return outcome.told

    return show


def without_uv(folder: Path, *programs: str) -> dict[str, str | None]:
    """Return a PATH with links to this Python under the names of `programs`, and nothing else in it."""
    folder.mkdir()
    for program in programs:
        (folder / program).symlink_to(sys.executable)
    return {"PATH": str(folder), "CORPUS_BACKFILL_PYTHON": None}
