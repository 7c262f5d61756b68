"""The ledger: one row for each run, written before its script starts."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import is_text, one_line
from corpus_backfill_plugin.agent.plain import build, dump
from corpus_backfill_plugin.agent.records import Failure, RunRecord
from corpus_backfill_plugin.agent.value import replace

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from corpus_backfill_plugin.agent.progress import View

BUSY_SECONDS = 10.0
_PATIENT = f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}"
_MOST = 2**63 - 1
"""The largest number that SQLite holds."""
_NEWEST = 200
_FIELDS = {name: kind for name, kind in RunRecord._field_types.items() if name != "failed"}  # noqa: SLF001  its base says so
_AS_JSON = {name for name, kind in _FIELDS.items() if kind.startswith(("dict", "tuple", "View"))}
_FLAGS = {name for name, kind in _FIELDS.items() if kind.startswith("bool")}
_RUNNING = "AND state = 'running'"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            number INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, parent INTEGER,
            command TEXT NOT NULL, state TEXT NOT NULL, user TEXT NOT NULL, host TEXT NOT NULL,
            boot TEXT NOT NULL, started REAL NOT NULL, ended REAL, took REAL, exit_code INTEGER,
            signal INTEGER, pid INTEGER, reason TEXT NOT NULL, stopped_by TEXT NOT NULL,
            spec_source TEXT NOT NULL, spec_path TEXT NOT NULL, spec_hash TEXT NOT NULL,
            script_path TEXT NOT NULL, script_hash TEXT NOT NULL, options TEXT NOT NULL,
            given TEXT NOT NULL, arguments TEXT NOT NULL, database TEXT, server TEXT NOT NULL,
            server_commit TEXT, interpreter TEXT NOT NULL, dry_run INTEGER NOT NULL, lock_key TEXT,
            plugin_version TEXT NOT NULL, masked INTEGER
        ) STRICT""",
        "CREATE INDEX runs_by_state ON runs (state, number)",
        "CREATE INDEX runs_by_command ON runs (command, number)",
    ),
    (
        "ALTER TABLE runs ADD COLUMN view TEXT NOT NULL DEFAULT 'null'",
        "ALTER TABLE runs ADD COLUMN seen REAL",
        "ALTER TABLE runs ADD COLUMN counts TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE runs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN proof TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE runs ADD COLUMN proof_reason TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE runs ADD COLUMN on_end TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL",
        """CREATE TABLE failures (
            run INTEGER NOT NULL, position INTEGER NOT NULL, item TEXT NOT NULL, reason TEXT NOT NULL,
            PRIMARY KEY (run, position)
        ) STRICT, WITHOUT ROWID""",
    ),
    ("ALTER TABLE runs ADD COLUMN timeout REAL",),
    (
        "ALTER TABLE runs ADD COLUMN masked_options TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE failures ADD COLUMN masked INTEGER NOT NULL DEFAULT 0",
    ),
)
"""Statements that bring a ledger from version n to n + 1, a transaction each. None is ever edited."""


class Ledger:
    """The runs of one state folder. Every method is one transaction, or none.

    Args:
        path: the database; made (0600) when it is missing, brought to this version when it is older. None
            is in memory, for the one run that is not recorded: its number is 0.

    It can be read on a full disk too; every method that writes then says so.

    Raises:
        AgentError: it is damaged, locked for long, from a newer version, or can't be written.
    """

    def __init__(self, path: Path | None) -> None:
        import sqlite3

        self.path = path or Path(os.devnull)
        self._failure, self._row = sqlite3.Error, sqlite3.Row
        self._unwritable: sqlite3.Error | None = None
        self._first = None if path else 0
        self.damaged: dict[int, str] = {}
        """Rows that a query has left out as nothing can be made of them, and why, by number."""
        if path is None:
            self._open(sqlite3.connect(":memory:", isolation_level=None))
            return
        with self._explained():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            try:
                self._open(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None))
            except sqlite3.OperationalError as error:
                if "locked" in str(error) or not self._is_at_rest():
                    raise
                # SQLite wants two more files beside it even to read, for which there is no room.
                self._unwritable = error
                frozen = f"{path.absolute().as_uri()}?immutable=1"
                self._open(sqlite3.connect(frozen, uri=True, isolation_level=None))

    def _open(self, db: sqlite3.Connection) -> None:
        """Work on `db` from now on, brought to this version."""
        self._db = db
        try:
            db.row_factory = self._row
            self._migrate()
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            db.close()
            raise

    def _is_at_rest(self) -> bool:
        """Return whether nothing but the file itself holds rows, so that it can be read alone."""
        ahead = self.path.with_name(f"{self.path.name}-wal")
        return self.path.stat().st_size > 0 and not (ahead.exists() and ahead.stat().st_size)

    def __enter__(self) -> Self:
        """Return the ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._db.close()

    def begin(self, record: RunRecord, prepare: Callable[[int], RunRecord | None]) -> int:
        """Write the row of a run and return its number, chosen here; that of `record` is not looked at.

        Before anybody can see the row, `prepare` is called with the number; its failure takes the row back.
        It returns the record anew when the number changes what is in it.
        """
        values = _encoded(_facts_of(record) | {"number": self._first})
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._transaction():
            made = self._db.execute(
                f"INSERT INTO runs ({names}) VALUES ({marks})",  # noqa: S608  # nosec B608 - our own columns
                tuple(values.values()),
            )
            number = int(made.lastrowid or 0)
            anew = prepare(number)
            if anew is not None:
                self._update(number, _facts_of(replace(anew, number=number)))
        return number

    def finish(self, number: int, failed: Sequence[Failure] = (), **facts: Any) -> bool:  # noqa: ANN401  columns
        """Write how run `number` ended, and which items failed; return False if that is written already."""
        with self._transaction():
            if not self._update(number, facts, _RUNNING):
                return False
            self._db.executemany(
                "INSERT INTO failures (run, position, item, reason, masked) VALUES (?, ?, ?, ?, ?)",
                [(number, at, f.item, f.reason, f.masked) for at, f in enumerate(failed)],
            )
            return True

    def note(self, number: int, view: View, counts: dict[str, int]) -> None:
        """Write how far run `number` is, at once or not at all: whoever watches must not wait for it.

        It is not forced to the disk either. After a crash of the machine it would not be true any more.
        """
        facts = {"view": view, "seen": time.time(), "counts": counts, "failures": view.failures}
        with suppress(self._failure):
            try:
                self._db.execute("PRAGMA busy_timeout = 0")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._update(number, facts, _RUNNING)
            finally:
                self._db.execute(_PATIENT)
                self._db.execute("PRAGMA synchronous = FULL")

    def claim_end(self, number: int) -> bool:
        """Return whether the caller, and nobody else, has to notify the operator of a run's end."""
        with self._transaction():
            return self._update(number, {"on_end": "called"}, "AND on_end = 'due'")

    def hook_called(self, number: int, how: str) -> None:
        """Write what came of notifying them."""
        with self._transaction():
            self._update(number, {"on_end": how})

    def _update(self, number: int, facts: dict[str, Any], also: str = "") -> bool:
        """Change columns of run `number`, if `also` is true of its row; return whether that was so."""
        values = _encoded(facts)
        names = ", ".join(f"{name} = ?" for name in values)
        done = self._db.execute(
            f"UPDATE runs SET {names} WHERE number = ? {also}",  # noqa: S608  # nosec B608 - our own columns
            (*values.values(), number),
        )
        return done.rowcount > 0

    def due(self) -> list[RunRecord]:
        """Return those of the newest runs of whose end the operator has not been notified yet."""
        newest = f"(SELECT number FROM runs ORDER BY number DESC LIMIT {_NEWEST})"  # noqa: S608  # nosec B608 - our own number
        return self._query(f"WHERE number IN {newest} AND on_end = 'due' ORDER BY number")

    def failed_items(self, number: int) -> tuple[Failure, ...]:
        """Return the items of run `number` that failed, in order, as far as they were kept."""
        rows = self._rows("SELECT item, reason, masked FROM failures WHERE run = ? ORDER BY position", number)
        return tuple(Failure(row[0], row[1], masked=bool(row[2])) for row in rows)

    def repeats(self, number: int) -> list[int]:
        """Return the numbers of the runs that repeat or retry run `number`, oldest first."""
        return [row[0] for row in self._rows("SELECT number FROM runs WHERE parent = ? ORDER BY 1", number)]

    def get(self, number: int) -> RunRecord | None:
        """Return run `number`, None when there is none."""
        found = self._query("WHERE number = ?", min(number, _MOST))
        self._refuse_damaged([number])
        return found[0] if found else None

    def by_token(self, token: str) -> RunRecord | None:
        """Return the run that `token` marks, None when there is none."""
        return next(iter(self._query("WHERE token = ?", token)), None)

    def latest(self) -> RunRecord | None:
        """Return the run started last, None when there is none."""
        found = self._query("ORDER BY number DESC LIMIT 1")
        if not found:
            self._refuse_damaged(sorted(self.damaged, reverse=True))
        return found[0] if found else None

    def running(self) -> list[RunRecord]:
        """Return the runs whose end is not written, oldest first."""
        return self._query("WHERE state = 'running' ORDER BY number")

    def select(
        self, *, state: str | None = None, command: str | None = None, limit: int = 0
    ) -> list[RunRecord]:
        """Return the runs in a `state` and of a `command`, the newest first, at most `limit`; 0 for all."""
        if not is_text(command or ""):
            return []  # no run can be recorded under such a name
        wanted = {
            name: value for name, value in (("state", state), ("command", command)) if value is not None
        }
        where = " AND ".join(f"{name} = ?" for name in wanted)
        clause = f"WHERE {where} " if where else ""
        return self._query(f"{clause}ORDER BY number DESC LIMIT ?", *wanted.values(), min(limit, _MOST) or -1)

    def check(self) -> int:
        """Read all of it, and return how many runs there are."""
        with self._explained():
            answer = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if answer != "ok":
                raise self._failure(f"malformed: {answer}")
        runs = len(self.select())
        self._refuse_damaged(self.damaged)
        return runs

    def ended_before(self, moment: float, keep: int) -> list[int]:
        """Return the numbers of runs that ended before `moment`, but for the newest `keep` of all."""
        rows = self._rows(
            "SELECT number FROM runs WHERE state != 'running' AND coalesce(ended, started) < ? "
            "AND number NOT IN (SELECT number FROM runs ORDER BY number DESC LIMIT ?) ORDER BY number",
            moment,
            min(keep, _MOST),
        )
        return [row[0] for row in rows]

    def forget(self, numbers: Sequence[int]) -> None:
        """Delete the rows of `numbers`, all or none, but never that of a running one."""
        with self._transaction():
            self._db.executemany(
                "DELETE FROM runs WHERE number = ? AND state != 'running'", [(n,) for n in numbers]
            )
            self._db.executemany(
                "DELETE FROM failures WHERE run = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE number = ?1)",
                [(n,) for n in numbers],
            )

    @contextmanager
    def alone(self) -> Iterator[set[int]]:
        """Keep every other writer out, and give the numbers that have a row."""
        with self._transaction():
            yield {row[0] for row in self._db.execute("SELECT number FROM runs")}

    def _rows(self, statement: str, *values: object) -> list[sqlite3.Row]:
        with self._explained():
            return self._db.execute(statement, values).fetchall()

    def _query(self, clause: str, *values: object) -> list[RunRecord]:
        """Return the runs of a clause but for damaged rows, which must not cost all the other runs."""
        found = []
        for row in self._rows(f"SELECT {', '.join(_FIELDS)} FROM runs {clause}", *values):  # noqa: S608  # nosec B608 - our own columns
            try:
                found.append(_record_of(dict(row)))
            except (ValueError, RecursionError) as error:
                self.damaged[row["number"]] = one_line(str(error))
        return found

    def _refuse_damaged(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number in self.damaged:
                raise AgentError(
                    f"The row of run {number} in the ledger {self.path} is damaged: {self.damaged[number]}",
                    f"Its logs are in {self.path.parent / 'runs' / str(number)}. To take the row away: "  # noqa: S608  # nosec B608 - shown, not run
                    f"sqlite3 {self.path} 'DELETE FROM runs WHERE number = {number}'",
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            self._in_turn("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _migrate(self) -> None:
        """Bring an older ledger here, one transaction a version; a newer one is left as it is."""
        if self._version() == 0:
            self._in_turn("PRAGMA journal_mode = WAL")
        while self._version() < len(MIGRATIONS):
            with self._transaction():
                at = self._version()  # another process may have been faster
                if at < len(MIGRATIONS):
                    for statement in MIGRATIONS[at]:
                        self._db.execute(statement)
                    if at == 0:
                        self._skip_taken()
                    self._db.execute(f"PRAGMA user_version = {at + 1}")
        if self._version() > len(MIGRATIONS):
            raise AgentError(
                f"The ledger {self.path} has version {self._version()}, this program knows {len(MIGRATIONS)}",
                "It was written by a newer corpus-backfill-plugin: upgrade this one. Nothing was changed.",
            )

    def _skip_taken(self) -> None:
        """Begin to count above the run folders of a ledger that was moved away: their logs are kept."""
        names = (path.name for path in self.path.parent.glob("runs/*"))
        if taken := [int(name) for name in names if name.isdigit()]:
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('runs', ?)", (max(taken),))

    def _in_turn(self, statement: str) -> None:
        """Execute a statement that others may hold up, trying again at even intervals.

        SQLite's own waits grow, so that among many writers the one that came first is the last to get in.
        """
        until = time.monotonic() + BUSY_SECONDS
        self._db.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    self._db.execute(statement)
                except self._failure as error:
                    if "locked" not in str(error) or time.monotonic() > until:
                        raise
                    time.sleep(0.002)
                else:
                    return
        finally:
            self._db.execute(_PATIENT)

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's and the system's failures into what they mean here."""
        try:
            yield
        except (self._failure, OSError, UnicodeEncodeError) as error:
            known = self._unwritable if self._unwritable and "readonly" in str(error) else error
            raise AgentError(*_explain(self.path, known)) from error


def _explain(path: Path, error: Exception) -> tuple[str, str]:
    """Return problem and hint for what SQLite reported of the ledger at `path`."""
    reported = str(error)
    if "locked" in reported or "busy" in reported:
        return (
            f"The ledger {path} has been locked by another process for more than {BUSY_SECONDS:g} s",
            "Try again; `fuser` names the process. --no-record runs without a record.",
        )
    if "malformed" in reported or "not a database" in reported:
        return (
            f"The ledger {path} is damaged: {reported}",
            "Move it away (with its -wal and -shm) and a new one is made; the runs' logs beside it stay.",
        )
    return (
        f"The ledger {path} can't be read or written: {reported}",
        "Is the disk full (`df`, `df -i`)? Name another folder in CORPUS_BACKFILL_STATE, or use --no-record.",
    )


def _facts_of(record: RunRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _FIELDS}


def _encoded(values: dict[str, Any]) -> dict[str, Any]:
    """Return values by column as they are stored."""
    return values | {name: dump(values[name]).decode() for name in _AS_JSON & values.keys()}


def _record_of(row: dict[str, Any]) -> RunRecord:
    decoded = {name: json.loads(row[name]) for name in _AS_JSON}
    # SQLite has no truth values: they are stored as numbers.
    flags = {name: {0: False, 1: True}.get(row[name], row[name]) for name in _FLAGS}
    return build(RunRecord, row | decoded | flags)
