"""Fill in missing durations of audio and video records."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlmodel import Session, col, update

from corpus_server_app.backfilling import Task, run
from corpus_server_app.media import duration, file_of
from corpus_server_app.models import Record
from corpus_server_app.stopping import Stop


def build_parser() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--media-type",
        choices=["audio", "video", "both"],
        default="both",
        help="which records to measure (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=3,
        metavar="N",
        help="files read at the same time (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=10,
        metavar="N",
        help="records in one transaction (default: %(default)s)",
    )
    parser.add_argument("--dry-run", action="store_true", help="list what would be done and write nothing")
    parser.add_argument("--limit", type=int, metavar="N", help="work on at most N records, failures included")
    parser.add_argument(
        "--remaining", action="store_true", help="print how many records are left to do (pending=N) and end"
    )
    parser.add_argument(
        "--ids-file", type=Path, metavar="FILE", help="work only on the records named in FILE, one uid a line"
    )
    return parser


def measure(record: Record, stop: Stop) -> float:
    """Length of the record's file in seconds."""
    return duration(file_of(record), stop)


def write(session: Session, record: Record, seconds: float) -> bool:
    """Set the duration where it is still missing."""
    missing = (col(Record.uid) == record.uid) & col(Record.duration).is_(None)
    return session.exec(update(Record).where(missing).values(duration=seconds)).rowcount == 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.limit is not None and options.limit < 1:
        parser.error("argument --limit: must be at least 1")
    if options.workers < 1:
        parser.error("argument --workers: must be at least 1")
    if options.batch_size < 1:
        parser.error("argument --batch-size: must be at least 1")
    kinds = ["audio", "video"] if options.media_type == "both" else [options.media_type]
    task = Task(
        pending=col(Record.media_type).in_(kinds) & col(Record.duration).is_(None),
        verb="measure the duration",
        measure=measure,
        write=write,
        describe=lambda seconds: f"{seconds:.2f} s",
    )
    return run(task, options, workers=options.workers, batch_size=options.batch_size)


if __name__ == "__main__":
    sys.exit(main())
