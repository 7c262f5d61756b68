"""Which records a backfill works on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, func
from sqlmodel import Session, col, select

from corpus_server_app.models import Record

T = TypeVar("T")
# Well under the number of values that either database takes in one statement.
_VALUES = 500


class IdsFileError(Exception):
    """The file of record uids cannot be read."""


@dataclass(frozen=True)
class Selection:
    """What to work on, in order; of records asked for by name also those that need nothing or are unknown."""

    pending: Sequence[UUID]
    settled: int = 0
    unknown: Sequence[UUID] = ()


def read_ids(path: Path) -> list[UUID]:
    """The record uids of a file, one a line; blank lines are passed over, repeats count once.

    Raises:
        IdsFileError: no such file, or a line that is not a uid.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise IdsFileError(f"cannot read {path}: {why}") from None
    found: dict[UUID, None] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found[UUID(line.strip())] = None
        except ValueError:
            raise IdsFileError(f"{path}:{number}: not a record uid: {line.strip()[:60]!r}") from None
    return list(found)


def select_records(
    engine: Engine, pending: ColumnElement[bool], *, ids: Sequence[UUID] | None, limit: int | None
) -> Selection:
    """Choose what to work on now; the uids are read once, so that the total cannot move during the run.

    Args:
        engine: The database.
        pending: True for records that still need the work.
        ids: Only these records, in this order; None for all, oldest first.
        limit: At most this many records, unknown ones included.
    """
    with Session(engine) as session:
        if ids is None:
            query = select(Record.uid).where(pending).order_by(col(Record.created_at), col(Record.uid))
            return Selection(pending=session.exec(query.limit(limit)).all())
        known: dict[UUID, bool] = {}
        for chunk in batched(ids, _VALUES):
            rows = session.exec(
                select(Record.uid, pending.label("pending")).where(col(Record.uid).in_(chunk))
            )
            known.update((uid, bool(open_)) for uid, open_ in rows)
    asked = [uid for uid in ids if known.get(uid, True)][:limit]
    return Selection(
        pending=[uid for uid in asked if uid in known],
        settled=sum(not open_ for open_ in known.values()),
        unknown=[uid for uid in asked if uid not in known],
    )


def count_records(engine: Engine, pending: ColumnElement[bool], *, ids: Sequence[UUID] | None) -> int:
    """How many records still need the work."""
    query = select(func.count()).select_from(Record).where(pending)
    with Session(engine) as session:
        if ids is None:
            return session.exec(query).one()
        return sum(
            session.exec(query.where(col(Record.uid).in_(chunk))).one() for chunk in batched(ids, _VALUES)
        )


def load_records(engine: Engine, uids: Iterable[UUID]) -> Iterator[tuple[UUID, Record | None]]:
    """Each uid with its record, None when it is gone by now; no transaction stays open between chunks."""
    for chunk in batched(uids, _VALUES):
        with Session(engine) as session:
            found = {
                record.uid: record
                for record in session.exec(select(Record).where(col(Record.uid).in_(chunk)))
            }
        yield from ((uid, found.get(uid)) for uid in chunk)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most ``size``."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
