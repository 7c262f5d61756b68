"""Give each record that has no version yet its version 0: the record as it came in."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, exists, select

from corpus_server_app.backfilling import Task, run
from corpus_server_app.models import Record, RecordVersion
from corpus_server_app.stopping import Stop


def build_parser() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="list what would be done and write nothing")
    parser.add_argument("--limit", type=int, metavar="N", help="work on at most N records, failures included")
    parser.add_argument(
        "--remaining", action="store_true", help="print how many records are left to do (pending=N) and end"
    )
    parser.add_argument(
        "--ids-file", type=Path, metavar="FILE", help="work only on the records named in FILE, one uid a line"
    )
    return parser


def snapshot(record: Record, _stop: Stop) -> dict[str, Any]:
    """What is kept of the record: how it came in, without what backfills fill in later."""
    return {
        "title": record.title,
        "media_type": record.media_type,
        "file_path": record.file_path,
        "created_at": record.created_at.isoformat(),
    }


def write(session: Session, record: Record, kept: dict[str, Any]) -> bool:
    """Add the version, unless someone else just has."""
    row = RecordVersion(record_uid=record.uid, version=0, snapshot=kept).model_dump(exclude={"id"})
    connection = session.connection()
    new = col(RecordVersion.id)
    # Counted by the row that comes back: a row count is not given for such an insert by each driver.
    if connection.dialect.name == "postgresql":
        added = postgresql.insert(RecordVersion).values(row).on_conflict_do_nothing().returning(new)
        return connection.execute(added).first() is not None
    kept_once = sqlite.insert(RecordVersion).values(row).on_conflict_do_nothing().returning(new)
    return connection.execute(kept_once).first() is not None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.limit is not None and options.limit < 1:
        parser.error("argument --limit: must be at least 1")
    task = Task(
        pending=~exists(select(RecordVersion.id).where(RecordVersion.record_uid == Record.uid)),
        verb="add version 0",
        measure=snapshot,
        write=write,
        describe=lambda _kept: "version 0",
    )
    return run(task, options, batch_size=100)


if __name__ == "__main__":
    sys.exit(main())
