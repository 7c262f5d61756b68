"""Fill in missing file hashes and sizes; a hash that is there is kept, whatever its algorithm."""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session, col, update

from corpus_server_app.backfilling import Task, run
from corpus_server_app.media import MediaError, file_of
from corpus_server_app.models import Record
from corpus_server_app.stopping import Stop

CHUNK = 1024 * 1024


@dataclass(frozen=True)
class FileHash:
    """A file's hash in hexadecimal, and the bytes it was made from."""

    algorithm: str
    hexdigest: str
    size: int


def build_parser() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--algorithm",
        choices=["md5", "sha1", "sha256", "sha512"],
        default="sha256",
        help="how to hash (default: %(default)s)",
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


def hash_file(path: Path, algorithm: str, stop: Stop) -> FileHash:
    """Hash a file of any size in constant memory.

    Raises:
        MediaError: the file cannot be read.
    """
    # Hashes here find changed and doubled files; they protect nothing.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    size = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                stop.check()
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}") from error
    return FileHash(algorithm, digest.hexdigest(), size)


def write(session: Session, record: Record, found: FileHash) -> bool:
    """Set the hash where it is still missing."""
    missing = (col(Record.uid) == record.uid) & col(Record.file_hash).is_(None)
    values = {"file_hash": found.hexdigest, "hash_algorithm": found.algorithm, "file_size": found.size}
    return session.exec(update(Record).where(missing).values(values)).rowcount == 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.limit is not None and options.limit < 1:
        parser.error("argument --limit: must be at least 1")

    def measure(record: Record, stop: Stop) -> FileHash:
        return hash_file(file_of(record), options.algorithm, stop)

    task = Task(
        pending=col(Record.file_hash).is_(None),
        verb=f"hash with {options.algorithm}",
        measure=measure,
        write=write,
        describe=lambda found: f"{found.algorithm} {found.hexdigest[:16]}... ({found.size} bytes)",
    )
    return run(task, options)


if __name__ == "__main__":
    sys.exit(main())
