"""Where a script's output is shown."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from corpus_backfill_plugin.run.files import write_all

if TYPE_CHECKING:
    from typing import TextIO


class Sink(Protocol):
    """Takes what a script printed, in pieces that end anywhere.

    A closed or failing target raises OSError from `write`; the follower then stops showing that stream.
    """

    def write(self, stream: str, piece: bytes) -> None:
        """Show `piece` of `stream` (stdout, stderr)."""

    def descriptor(self, stream: str) -> int | None:
        """Return the descriptor that pieces may be sent to unseen, None when they must be seen."""

    def tick(self, now: float) -> None:
        """Bring what is shown beside the output up to date; `now` is of the monotonic clock."""

    def close(self) -> None:
        """Take down what was put up; the run has ended or is no longer watched."""


class PlainSink:
    """Passes both streams on as they are, each to this process's own.

    Text already written through Python's streams goes out first. Where a stream has been replaced by one
    without a descriptor, as test runners do, bytes go through that one.
    """

    def __init__(self) -> None:
        self._targets: dict[str, TextIO] = {"stdout": sys.stdout, "stderr": sys.stderr}
        self._descriptors = {name: _descriptor(target) for name, target in self._targets.items()}
        for target in self._targets.values():
            with suppress(OSError, ValueError):
                target.flush()

    def write(self, stream: str, piece: bytes) -> None:
        """Write `piece`, all of it."""
        descriptor = self._descriptors[stream]
        if descriptor is not None:
            write_all(descriptor, piece)
            return
        target = self._targets[stream]
        buffer = getattr(target, "buffer", None)
        if buffer is not None:
            buffer.write(piece)
        else:
            target.write(piece.decode(errors="backslashreplace"))
        target.flush()

    def descriptor(self, stream: str) -> int | None:
        """Return this process's own descriptor for `stream`."""
        return self._descriptors[stream]

    def tick(self, now: float) -> None:
        """Nothing is shown beside it."""

    def close(self) -> None:
        """Nothing was put up."""


def _descriptor(target: TextIO) -> int | None:
    """Return the target's descriptor, if it has one that is open."""
    try:
        number = target.fileno()
        os.fstat(number)
    except (OSError, ValueError, AttributeError):
        return None
    return number
