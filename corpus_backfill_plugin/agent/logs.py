"""What a run's logs say: at its end all of it, and in between how far it is, from the logs' last lines."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.files import open_regular
from corpus_backfill_plugin.agent.folder import STREAMS
from corpus_backfill_plugin.agent.output import OutputReader
from corpus_backfill_plugin.agent.progress import View
from corpus_backfill_plugin.agent.records import Output

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.folder import RunFolder
    from corpus_backfill_plugin.agent.output import Templates
    from corpus_backfill_plugin.agent.records import RunRecord

FRESH_SECONDS = 3.0
"""A note of how far a run is that is younger is as good as a look into its logs."""

_CHUNK = 1 << 20
_TAILS = (1 << 16, 1 << 22)
"""Bytes at a log's end that are searched for its last word on progress: few, and if it is not there, more."""


def read_logs(folder: RunFolder, output: Templates | None) -> OutputReader:
    """Return what has read the logs of an ended run, all of them if its spec names counts or failures.

    They are read once, in pieces: memory does not grow with them. A log that is gone says nothing.

    Args:
        folder: the run's.
        output: what the script's lines mean.
    """
    if output is None or not (output.failed or output.result):
        return _last_word(folder, output)
    reader = OutputReader(output)
    for stream in STREAMS:
        try:
            descriptor = open_regular(folder.log(stream))
        except OSError:
            continue
        with os.fdopen(descriptor, "rb", buffering=0) as log:
            while piece := log.read(_CHUNK):
                reader.feed(stream, piece, 0.0)
        reader.close(stream, 0.0)
    return reader


def view_at_end(reader: OutputReader, took: float | None) -> View | None:
    """Return how far a run that took so many seconds came; None when it never said."""
    view = _view(reader, took or 0.0)
    failures = reader.results.failures
    return None if view is None else replace(view, eta=None, failures=failures)


def look(folder: RunFolder, output: Templates | None, took: float) -> View | None:
    """Return how far a run is by the last lines of its logs; None when they don't say.

    The rate is that of the whole run, as the lines carry no time.

    Args:
        folder: the run's.
        output: what the script's lines mean.
        took: seconds since it began.
    """
    return _view(_last_word(folder, output), took)


def _last_word(folder: RunFolder, output: Templates | None) -> OutputReader:
    """Return what has read as much of the logs' ends as it takes to know how far the run is."""
    only = None if output is None else Output(progress=output.progress)
    reader = OutputReader(only)
    for length in _TAILS:
        reader = OutputReader(only)
        for stream in STREAMS:
            reader.feed(stream, _tail(folder, stream, length), 0.0)
            reader.close(stream, 0.0)
        if reader.progress is not None or all(folder.size(stream) <= length for stream in STREAMS):
            break
    return reader


def _view(reader: OutputReader, took: float) -> View | None:
    said = reader.progress
    if said is None:
        return None
    rate = said.done / took if said.done and took > 0 else None
    known = rate and said.total is not None and said.done <= said.total
    eta = (said.total - said.done) / rate if known and rate and said.total is not None else None
    return View(done=said.done, total=said.total, rate=rate, eta=eta, elapsed=took)


def _tail(folder: RunFolder, stream: str, length: int) -> bytes:
    """Return the last `length` bytes of a log, from the begin of a line on."""
    try:
        with os.fdopen(open_regular(folder.log(stream)), "rb") as log:
            at = log.seek(0, os.SEEK_END) - length
            log.seek(max(at, 0))
            tail = log.read(length)
    except OSError:
        return b""
    return tail if at <= 0 else tail[max(tail.find(b"\n"), tail.find(b"\r")) + 1 :]


def with_view(record: RunRecord, folder: RunFolder) -> RunRecord:
    """Return the record of a running run as of now: what a reader noted, or else what its logs say."""
    took = record.took or 0.0
    age = time.time() - (record.seen or 0.0)
    if record.view is not None and 0 <= age < FRESH_SECONDS:
        noted = record.view
        eta = None if noted.eta is None else max(noted.eta - age, 0.0)
        return replace(record, view=replace(noted, eta=eta, elapsed=noted.elapsed + age))
    metadata = folder.metadata()
    seen = look(folder, metadata.request.output if metadata else None, took)
    if seen is None:
        return record
    return replace(record, view=replace(seen, failures=record.failures))
