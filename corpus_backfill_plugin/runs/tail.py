"""Two growing files shown as they grow."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Self

from corpus_backfill_plugin.agent.files import open_regular
from corpus_backfill_plugin.agent.folder import STREAMS, RunFolder
from corpus_backfill_plugin.errors import BackfillError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from corpus_backfill_plugin.terminal.sink import TerminalSink

CHUNK = 1 << 18
SHORTEST, LONGEST = 0.001, 0.02
"""Seconds between two looks: short while lines come, growing while none do. A person sees no difference, and
a wake-up for every line, as file notifications give, doubles the work."""


class Closed(Exception):  # noqa: N818  not an error: the reader has seen enough
    """Our own stdout can't be written any more.

    Args:
        error: what the system said: EPIPE of `| head`, EIO of a terminal that is gone.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Follower:
    """Shows a run's logs.

    Args:
        folder: the run's.
        sink: where to.
        streams: which of the two.

    Raises:
        BackfillError: the logs are gone.
    """

    def __init__(self, folder: RunFolder, sink: TerminalSink, streams: Sequence[str] = STREAMS) -> None:
        self._sink = sink
        try:
            self._tails = [_Tail(folder, stream, sink) for stream in streams]
        except FileNotFoundError:
            raise BackfillError(f"the logs in {folder.path} are gone", "") from None
        except OSError as error:
            raise BackfillError(f"a log in {folder.path} can't be read: {error.strerror}", "") from None

    def __enter__(self) -> Self:
        """Return the follower itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the files."""
        for tail in self._tails:
            tail.close()

    @property
    def saw_all(self) -> bool:
        """Whether all that was there has been shown, once and in order."""
        return all(tail.whole for tail in self._tails)

    @property
    def cut(self) -> bool:
        """Whether a log was truncated on the way: what had not been shown by then is lost."""
        return any(tail.cut for tail in self._tails)

    def follow(self, ended: Callable[[float], bool]) -> None:
        """Show what is there and what comes, until the run has ended.

        Args:
            ended: waits as many seconds at most, returns earlier when something happens, and says whether
                nothing can come any more. It may raise to leave.

        Raises:
            Closed: our stdout can't be written; that of the script is not touched by it.
        """
        pause, over = SHORTEST, False
        while not over:
            moved = self._pump()
            self._sink.tick(time.monotonic())
            pause = SHORTEST if moved else min(pause * 1.5, LONGEST)
            over = ended(0.0 if moved >= CHUNK else pause)
        while self._pump():
            pass

    def _pump(self) -> int:
        """Show what has come since; return the bytes of the stream that had most."""
        return max(tail.pump() for tail in self._tails)


class _Tail:
    """One growing file."""

    def __init__(self, folder: RunFolder, stream: str, sink: TerminalSink) -> None:
        self._stream, self._sink = stream, sink
        self._source = open_regular(folder.log(stream))
        self._at = 0
        self._shown = True
        self.whole, self.cut = True, False

    def close(self) -> None:
        os.close(self._source)

    def pump(self) -> int:
        """Pass on one piece; return its length."""
        moved = self._read()
        if not moved and os.fstat(self._source).st_size < self._at:
            self._at = 0  # truncated under us: what comes now is new
            self.cut = True
        self._at += moved
        return moved

    def _read(self) -> int:
        piece = os.pread(self._source, CHUNK, self._at)
        if piece:
            self._show(piece)
        return len(piece)

    def _show(self, piece: bytes) -> None:
        if self._shown and piece:
            try:
                self._sink.write(self._stream, piece)
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Stop showing this stream; a lost stdout ends the watching as well, a lost stderr does not."""
        self._shown = self.whole = False
        if self._stream == "stdout":
            raise Closed(error) from error
