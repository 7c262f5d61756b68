"""A corpus of known truth in a database, read directly and not through what is tested."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "Zug:spitze@2962"  # noqa: S105  a made-up one, which must turn up nowhere
PASSWORD_IN_URL = "Zug%3Aspitze%402962"  # noqa: S105  the same as a URL spells it
TABLES: tuple[LiteralString, ...] = ("record", "record_version")

Row = dict[str, Any]


@dataclass(frozen=True)
class Corpus:
    """One database and the media files that its records name.

    Attributes:
        url: of the database, SQLite or PostgreSQL.
        media: the folder of the files, with `truth.json` in it.
    """

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
        """Return the records by uid."""
        return {str(UUID(str(row["uid"]))): row for row in self._read("record")}

    def versions(self) -> list[Row]:
        """Return the version rows."""
        return self._read("record_version")

    def filled(self, column: str) -> int:
        """Return how many records have a value in `column`."""
        return sum(row[column] is not None for row in self.records().values())

    def dump(self) -> list[str]:
        """Return everything in both tables, to be compared."""
        return sorted(f"{table}: {sorted(row.items())}" for table in TABLES for row in self._read(table))

    def _read(self, table: LiteralString) -> list[Row]:
        query: LiteralString = f"SELECT * FROM {table}"  # noqa: S608  one of TABLES
        if self.url.startswith("postgresql"):
            with psycopg.connect(self.url, row_factory=dict_row) as server:
                return server.execute(query).fetchall()
        path = self.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as file:
            file.row_factory = sqlite3.Row
            return [dict(row) for row in file.execute(query)]
