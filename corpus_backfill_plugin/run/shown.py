"""A run's output on its way to the person who watches: read for progress, and shown with it."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from corpus_backfill_plugin.run.folder import STREAMS
from corpus_backfill_plugin.run.sink import PlainSink
from corpus_backfill_plugin.watch.reader import Watcher
from corpus_backfill_plugin.watch.sink import LINE_EVERY, NoDisplay, WatchingSink, choose_display

if TYPE_CHECKING:
    from collections.abc import Iterable

    from corpus_backfill_plugin.masking import Secret
    from corpus_backfill_plugin.run.folder import RunFolder
    from corpus_backfill_plugin.spec.model import Output
    from corpus_backfill_plugin.watch.sink import Note


def watched(
    folder: RunFolder,
    output: Output | None,
    secrets: Iterable[Secret],
    *,
    name: str,
    took: float,
    note: Note | None = None,
    line_every: float = LINE_EVERY,
) -> WatchingSink:
    """Return the sink that shows a run with its progress, on a terminal as a bar.

    Args:
        folder: the run's; what is in its logs already was printed before now.
        output: what the script's lines mean.
        secrets: taken out of what is shown.
        name: what a plain line of progress begins with.
        took: seconds since the run began.
        note: told how far the run is, once a second.
        line_every: seconds between two plain lines of progress, where there is no terminal.
    """
    target = PlainSink()
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    display = choose_display(target, environ=os.environ, name=name, encoding=encoding, line_every=line_every)
    return WatchingSink(
        Watcher(output),
        display,
        secrets,
        target=target,
        started=time.monotonic() - took,
        past={stream: folder.size(stream) for stream in STREAMS},
        note=note,
    )


def unwatched(secrets: Iterable[Secret]) -> WatchingSink:
    """Return the sink that shows logs without lines of the protocol, and no progress."""
    return WatchingSink(Watcher(None), NoDisplay(), secrets, target=PlainSink(), started=time.monotonic())
