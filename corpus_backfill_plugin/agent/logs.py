"""A run's logs: read as they grow or at its end, and what their last lines say of a run that goes on."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import open_regular
from corpus_backfill_plugin.agent.folder import STREAMS
from corpus_backfill_plugin.agent.output import OutputReader
from corpus_backfill_plugin.agent.records import Output
from corpus_backfill_plugin.agent.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import FileIO

    from corpus_backfill_plugin.agent.folder import RunFolder
    from corpus_backfill_plugin.agent.progress import View
    from corpus_backfill_plugin.agent.records import RunRecord

FRESH_SECONDS = 3.0  # a note of how far a run is that is younger is as good as a look into its logs
CHUNK = 1 << 18
_TAIL = 1 << 22  # bytes at a log's end that are searched for its last word on progress

# Seconds between two looks: short while lines come, growing while none do. A person sees no difference, and
# a wake-up for every line, as file notifications give, doubles the work.
SHORTEST, LONGEST = 0.001, 0.02


def read_on(
    folder: RunFolder,
    show: Callable[[str, bytes], object],
    ended: Callable[[float], bool] = lambda _: True,
    streams: Sequence[str] = STREAMS,
) -> bool:
    """Pass on what a run's logs hold, and what comes until it has ended; return whether one was truncated.

    The bytes go to `show`, with the name of their stream. `ended` waits so many seconds at most and returns
    whether nothing can come any more; it may raise to leave. Raises an AgentError when the logs are gone.
    """
    with opened_logs(folder, streams) as logs:
        return pass_on(logs, show, ended)


@contextmanager
def opened_logs(folder: RunFolder, streams: Sequence[str] = STREAMS) -> Iterator[dict[str, FileIO]]:
    """Open the logs of a run; an AgentError says that they are gone."""
    with ExitStack() as opened:
        try:
            logs = {s: opened.enter_context(_opened(folder, s)) for s in streams}
        except FileNotFoundError:
            raise AgentError(f"the logs in {folder.path} are gone") from None
        except OSError as error:
            raise AgentError(f"a log in {folder.path} can't be read: {error.strerror}") from None
        yield logs


def pass_on(
    logs: dict[str, FileIO], show: Callable[[str, bytes], object], ended: Callable[[float], bool]
) -> bool:
    """Do as `read_on` with `logs`, from where each is on."""
    cut, over, pause = False, False, SHORTEST
    while True:
        moved = 0
        for stream, log in logs.items():
            if piece := log.read(CHUNK):
                moved = max(moved, len(piece))
                show(stream, piece)
            elif os.fstat(log.fileno()).st_size < log.tell():
                log.seek(0)  # truncated under us: what comes now is new
                cut = True
        if over and not moved:
            return cut
        pause = SHORTEST if moved else min(pause * 1.5, LONGEST)
        over = over or ended(0.0 if moved >= CHUNK else pause)


def read_logs(folder: RunFolder, output: Output | None) -> OutputReader:
    """Return what has read the logs of an ended run, all of them if its spec names counts or failures."""
    if output is None or not (output.failed or output.result):
        return _last_word(folder, output)
    reader = OutputReader(output)
    for stream in STREAMS:
        with suppress(AgentError):  # gone
            read_on(folder, lambda name, piece: reader.feed(name, piece, 0.0), streams=(stream,))
        reader.close(stream, 0.0)
    return reader


def view_at_end(reader: OutputReader, took: float | None) -> View | None:
    """Return how far a run that took so many seconds came; None when it never said."""
    view = _view(reader, took or 0.0)
    return view and replace(view, eta=None, failures=reader.results.failures)


def with_view(record: RunRecord, folder: RunFolder) -> RunRecord:
    """Return the record of a running run as of now: what a reader noted, or else what its logs say."""
    age = time.time() - (record.seen or 0.0)
    if (noted := record.view) and 0 <= age < FRESH_SECONDS:
        eta = None if noted.eta is None else max(noted.eta - age, 0.0)
        view: View | None = replace(noted, eta=eta, elapsed=noted.elapsed + age)
    else:
        metadata = folder.metadata()
        view = _view(_last_word(folder, metadata.request.output if metadata else None), record.took or 0.0)
        view = view and replace(view, failures=record.failures)
    return replace(record, view=view or noted)


def _last_word(folder: RunFolder, output: Output | None) -> OutputReader:
    """Return what has read the logs' last lines for progress."""
    reader = OutputReader(output and Output(progress=output.progress))
    for stream in STREAMS:
        reader.feed(stream, _tail(folder, stream), 0.0)
        reader.close(stream, 0.0)
    return reader


def _tail(folder: RunFolder, stream: str) -> bytes:
    """Return the last bytes of a log, from the begin of a line on."""
    try:
        with _opened(folder, stream) as log:
            at = log.seek(0, os.SEEK_END) - _TAIL
            log.seek(max(at, 0))
            tail = log.read(_TAIL)
    except OSError:
        return b""
    return tail if at <= 0 else tail[max(tail.find(b"\n"), tail.find(b"\r")) + 1 :]


def _opened(folder: RunFolder, stream: str) -> FileIO:
    return os.fdopen(open_regular(folder.log(stream)), "rb", buffering=0)


def _view(reader: OutputReader, took: float) -> View | None:
    """Return how far a run is by its latest line; as lines have no time, the rate is that of all the run."""
    said = reader.pace.said
    if said is None:
        return None
    return replace(said.at(said.done / took if said.done and took > 0 else None), elapsed=took)
