"""What the CLI reads from the corpus database; it never writes there."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Any
from urllib.parse import unquote, urlsplit

Row = dict[str, Any]

# SQLite keeps a uid as 32 hexadecimal digits, PostgreSQL as a uuid: without dashes they are the same text.
_UID = "REPLACE(CAST({column} AS TEXT), '-', '')"
_RECORDS = f"""
SELECT {_UID.format(column="uid")} AS uid, media_type, title, duration, file_hash, snr_db
FROM record
WHERE CAST(%s AS TEXT) IS NULL OR media_type = %s
ORDER BY created_at, uid
LIMIT %s
"""  # noqa: S608  made of constants
_RECORD = f"SELECT * FROM record WHERE {_UID.format(column='uid')} LIKE %s"  # noqa: S608  same
_VERSIONS = f"""
SELECT version, created_at, snapshot FROM record_version
WHERE {_UID.format(column="record_uid")} LIKE %s
ORDER BY version
"""  # noqa: S608  same
_STATS = """
SELECT count(*) AS records,
       count(duration) AS duration,
       count(file_hash) AS hash,
       count(snr_db) AS snr,
       (SELECT count(DISTINCT record_uid) FROM record_version) AS version
FROM record
"""


class CorpusError(Exception):
    """The database cannot be read, or has not what was asked for; one line for the operator."""


def records(media_type: str | None, limit: int) -> list[Row]:
    """Return the oldest `limit` records, of one media type or of all."""
    return _read(_RECORDS, media_type, media_type, limit)


def record(uid: str) -> tuple[Row, list[Row]]:
    """Return the one record whose uid begins with `uid`, and its versions.

    Raises:
        CorpusError: none or several begin so.
    """
    digits = uid.replace("-", "").lower()
    if not digits or not set(digits) <= set("0123456789abcdef"):
        raise CorpusError(f"{uid!r} is not a record's uid nor the beginning of one")
    found = _read(_RECORD, f"{digits}%")
    if len(found) != 1:
        raise CorpusError(f"{len(found) or 'no'} records have a uid that begins with {uid}")
    return found[0], _read(_VERSIONS, f"{digits}%")


def stats() -> Row:
    """Return the number of records, and how many of them have each thing that a backfill fills in."""
    return _read(_STATS)[0]


def _read(query: str, *values: object) -> list[Row]:
    url = os.environ.get("DATABASE_URL", "").strip()
    if not url:
        raise CorpusError(
            "DATABASE_URL is not set; for example: export DATABASE_URL=sqlite:////srv/corpus.db"
        )
    scheme = urlsplit(url).scheme.partition("+")[0]
    if scheme == "sqlite":
        return _read_sqlite(unquote(url.partition(":///")[2]), query, values)
    if scheme in {"postgresql", "postgres"}:
        return _read_postgresql(f"postgresql:{url.partition(':')[2]}", query, values)
    raise CorpusError("DATABASE_URL must begin with sqlite:/// or postgresql://")


def _read_sqlite(path: str, query: str, values: tuple[object, ...]) -> list[Row]:
    import sqlite3
    from pathlib import Path

    if not Path(path).is_file():
        raise CorpusError(f"there is no database at {path or '(no path)'}")
    address = f"{Path(path).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query.replace("%s", "?"), values)]
    except sqlite3.Error as error:
        raise CorpusError(f"the database {path} cannot be read: {error}") from error


def _read_postgresql(url: str, query: str, values: tuple[object, ...]) -> list[Row]:
    try:
        import psycopg
        from psycopg.rows import dict_row
    except ImportError as error:
        raise CorpusError("PostgreSQL needs psycopg: pip install 'corpus-client[postgresql]'") from error
    try:
        with psycopg.connect(url, row_factory=dict_row, connect_timeout=10) as connection:
            return connection.execute(query, values).fetchall()
    except psycopg.ProgrammingError as error:
        # Its text may repeat parts of the URL, and with it the password.
        reason = str(error).splitlines()[0] if error.sqlstate else "the URL is not valid"
        raise CorpusError(f"the corpus database cannot be read: {reason}") from None
    except psycopg.Error as error:
        raise CorpusError(f"the corpus database cannot be read: {str(error).splitlines()[0]}") from error
