"""The course of a backfill, the same for all scripts: select, measure, write in batches, count.

Files are measured in worker threads. The database is touched by the main thread alone, in one short
transaction a batch: a script that is killed loses a batch, and no transaction is open while a file is read.
"""

import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from corpus_server_app.database import DatabaseError, described, open_database, reason
from corpus_server_app.media import MediaError
from corpus_server_app.models import Record
from corpus_server_app.reporting import Report, complain, one_line, prepare_output, say
from corpus_server_app.selection import (
    IdsFileError,
    Selection,
    count_records,
    load_records,
    read_ids,
    select_records,
)
from corpus_server_app.stopping import Stop, Stopped

T = TypeVar("T")
EXIT_SOME_FAILED = 1
EXIT_UNUSABLE = 2
# Results of slow measurements are not held back until a batch is full.
_LONGEST_UNCOMMITTED = 2.0


@dataclass(frozen=True)
class Task(Generic[T]):
    """What one script does to one record."""

    pending: ColumnElement[bool]
    """True for records that still need the work."""
    verb: str
    """For the dry run: "would <verb>"."""
    measure: Callable[[Record, Stop], T]
    """Runs in a worker thread, without the database; raises MediaError when the file is at fault."""
    write: Callable[[Session, Record, T], bool]
    """Writes one result, only where it is still missing; False when it no longer was."""
    describe: Callable[[T], str]


class _Work(Generic[T]):
    """The results of one run that wait to be committed, and the counts of those that were."""

    def __init__(self, task: Task[T], engine: Engine, report: Report, batch_size: int) -> None:
        self.updated = 0
        self.skipped = 0
        self._task = task
        self._engine = engine
        self._report = report
        self._batch_size = batch_size
        self._batch: list[tuple[Record, T]] = []
        self._committed_at = time.monotonic()

    def take(self, record: Record, future: Future[T]) -> None:
        """Report one finished measurement and commit when a batch is full."""
        try:
            value = future.result()
        except Stopped:
            return
        except MediaError as error:
            self._report.failed(record.uid, str(error))
        else:
            self._batch.append((record, value))
            self._report.record(record.title, self._task.describe(value))
        if (
            len(self._batch) >= self._batch_size
            or time.monotonic() - self._committed_at > _LONGEST_UNCOMMITTED
        ):
            self.commit()

    def commit(self) -> None:
        """Write what waits, in one transaction."""
        if self._batch:
            with Session(self._engine) as session:
                written = sum(self._task.write(session, record, value) for record, value in self._batch)
                session.commit()
            self.updated += written
            self.skipped += len(self._batch) - written
            self._batch.clear()
        self._committed_at = time.monotonic()

    def measured(self, uids: Sequence[UUID], stop: Stop, workers: int) -> Iterator[tuple[Record, Future[T]]]:
        """Measurements as they finish; as many are under way as there are workers, never more."""
        running: dict[Future[T], Record] = {}
        with ThreadPoolExecutor(workers) as pool:
            for uid, record in load_records(self._engine, uids):
                if stop.asked:
                    break
                if record is None:
                    self._report.failed(uid, "no such record any more")
                    continue
                running[pool.submit(self._task.measure, record, stop)] = record
                if len(running) >= workers:
                    yield from _finished(running)
            while running:
                yield from _finished(running)


def run(task: Task[T], options: Namespace, *, workers: int = 1, batch_size: int = 20) -> int:
    """Run a script whose options have been parsed.

    Args:
        task: What to do.
        options: With the common options ``dry_run``, ``limit``, ``remaining`` and ``ids_file``.
        workers: Files measured at the same time.
        batch_size: Records in one transaction, at most.

    Returns:
        The exit code: 0 all well, 1 some failed, 2 bad usage or no database, 128 + n after signal n.
    """
    prepare_output()
    with Stop() as stop:
        try:
            ids = None if options.ids_file is None else read_ids(options.ids_file)
            engine = open_database(read_only=options.dry_run or options.remaining)
        except (DatabaseError, IdsFileError) as error:
            complain(f"error: {error}")
            return EXIT_UNUSABLE
        try:
            if options.remaining:
                say(f"pending={count_records(engine, task.pending, ids=ids)}")
                return _exit_code(stop, failures=0)
            selection = select_records(engine, task.pending, ids=ids, limit=options.limit)
            if options.dry_run:
                return _preview(task, engine, selection, stop)
            report = Report(len(selection.pending) + len(selection.unknown))
            work = _Work(task, engine, report, batch_size)
            return _carry_out(work, report, selection, stop, workers)
        except DBAPIError as error:
            complain(f"error: {described(engine.url)} failed: {reason(error, engine.url)}")
            return EXIT_UNUSABLE
        finally:
            engine.dispose()


def _preview(task: Task[T], engine: Engine, selection: Selection, stop: Stop) -> int:
    for uid in selection.unknown:
        complain(f"FAILED {uid}: no such record")
    total = len(selection.pending)
    for number, (uid, record) in enumerate(load_records(engine, selection.pending), start=1):
        if stop.asked:
            break
        title = str(uid) if record is None else one_line(record.title)
        say(f"[{number}/{total}] {title}: would {task.verb}")
    say(f"would-update={total}")
    return _exit_code(stop, failures=len(selection.unknown))


def _carry_out(work: _Work[T], report: Report, selection: Selection, stop: Stop, workers: int) -> int:
    for uid in selection.unknown:
        report.failed(uid, "no such record")
    try:
        for record, future in work.measured(selection.pending, stop, workers):
            work.take(record, future)
        work.commit()
    finally:
        # Said even when the database went away: these were committed.
        report.end()
        say(f"updated={work.updated} skipped={work.skipped + selection.settled} failed={report.failures}")
    return _exit_code(stop, failures=report.failures)


def _finished(running: dict[Future[T], Record]) -> Iterator[tuple[Record, Future[T]]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        yield running.pop(future), future


def _exit_code(stop: Stop, *, failures: int) -> int:
    if stop.signal is not None:
        return 128 + stop.signal
    return EXIT_SOME_FAILED if failures else 0
