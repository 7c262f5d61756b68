"""Bad usage and databases that cannot be used: one line, exit code 2, no password."""

import sqlite3
from pathlib import Path

import pytest
from harness import DURATION, HASH, SCRIPTS, SNR, VERSION, App, run

each_script = pytest.mark.parametrize("script", SCRIPTS)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:hunter2@127.0.0.1:1/corpus",
        "postgresql://127.0.0.1:1/corpus?user=x&password=hunter2",
        "postgres://someone:hunter2@no-such-host.invalid/corpus",
        "postgresql://someone:hunter2@127.0.0.1:port/corpus",
        "postgresql://someone:hunter2@127.0.0.1:1/corpus?nonsense=hunter2",
        "postgresql+asyncpg://someone:hunter2@127.0.0.1/corpus",
        "mysql://someone:hunter2@127.0.0.1/corpus",
        "someone:hunter2",
        "sqlite:///no/such/folder/corpus.db",
        "sqlite://",
        "",
    ],
)
def test_a_database_out_of_reach_is_one_line_without_the_password(url: str) -> None:
    ended = run(DURATION, url=url)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert "hunter2" not in ended.err


@each_script
def test_missing_tables_are_named(tmp_path: Path, script: str) -> None:
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE other (x)").connection.close()
    ended = run(script, url=f"sqlite:///{tmp_path / 'empty.db'}")
    assert ended.code == 2
    assert "has no table record; make the tables with make_corpus.py" in ended.err


def test_a_missing_column_is_named(sqlite_app: App, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "corpus.db")
    connection.execute("ALTER TABLE record DROP COLUMN snr_db")
    connection.close()
    ended = sqlite_app.run(SNR)
    assert ended.code == 2
    assert "table record lacks snr_db" in ended.err


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100, encoding="utf-8")
    ended = run(VERSION, url=f"sqlite:///{path}")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "file is not a database" in ended.err


@each_script
@pytest.mark.parametrize("arguments", [["--limit", "0"], ["--limit", "x"], ["--no-such"], ["extra"]])
def test_bad_usage_is_2_before_the_database_is_touched(script: str, arguments: list[str]) -> None:
    ended = run(script, *arguments, url="sqlite:////no/such.db")
    assert ended.code == 2
    assert ended.err.startswith("usage: ")


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        (DURATION, ["--media-type", "text"]),
        (DURATION, ["--workers", "0"]),
        (DURATION, ["--batch-size", "0"]),
        (HASH, ["--algorithm", "crc32"]),
        (SNR, ["--media-type", "image"]),
    ],
)
def test_values_outside_their_range_are_bad_usage(script: str, arguments: list[str]) -> None:
    assert run(script, *arguments, url="sqlite:////no/such.db").code == 2


def test_an_ids_file_that_cannot_be_used_is_refused_with_its_line(sqlite_app: App, tmp_path: Path) -> None:
    missing = sqlite_app.run(HASH, "--ids-file", str(tmp_path / "none"))
    assert (missing.code, missing.out) == (2, "")
    assert "No such file" in missing.err
    bad = tmp_path / "bad"
    bad.write_text(f"{next(iter(sqlite_app.truth))}\nnot-a-uid\n", encoding="utf-8")
    refused = sqlite_app.run(HASH, "--ids-file", str(bad))
    assert (refused.code, refused.out) == (2, "")
    assert f"{bad}:2: not a record uid: 'not-a-uid'" in refused.err
    assert all(record.file_hash is None for record in sqlite_app.records().values())


def test_a_database_that_fails_in_the_middle_is_one_line_and_the_counts(
    sqlite_app: App, tmp_path: Path
) -> None:
    connection = sqlite3.connect(tmp_path / "corpus.db")
    connection.execute(
        "CREATE TRIGGER full BEFORE UPDATE ON record WHEN (SELECT count(duration) FROM record) >= 4 "
        "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    connection.close()
    ended = sqlite_app.run(DURATION, "--batch-size", "4", "--limit", "6")
    assert ended.code == 2
    assert ended.counts == {"updated": 4, "skipped": 0, "failed": 0}
    assert "disk is full" in ended.err
    assert ended.err.count("\n") == 1
