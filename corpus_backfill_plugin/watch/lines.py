r"""A stream of bytes, in chunks of any size, as lines.

A line ends at ``\n``, ``\r`` or ``\r\n``: progress bars redraw themselves with a bare ``\r``, and each
redraw is a line of its own here. Only the first `MAX_LINE` bytes of a line are kept, so that a line of
ten megabytes costs no memory; patterns see no more than that.

Most lines of a script mean nothing to anybody. `LineSplitter` can therefore be told which literal bytes
a line must contain to matter; then whole chunks are passed over by `bytes.find`, at memory speed.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 4096
"""Bytes of a line that are looked at."""

DENSE = 400
"""Bytes between two needles, on average, below which looking at each line is cheaper than searching."""

SAMPLE = 16_384
"""Bytes of a chunk from which that is judged."""

_END = re.compile(rb"\r\n?|\n")


def text(line: bytes) -> str:
    """Return `line` as text; bytes that are no UTF-8 become U+FFFD."""
    return line.decode("utf-8", "replace")


class LineSplitter:
    r"""Splits one stream; keep one instance per stream.

    Any chunking of the same bytes gives the same lines, except that a line is given as soon as its end
    is seen: a ``\n`` that follows a ``\r`` in the next chunk is then passed over.

    Args:
        needles: give only lines whose first `MAX_LINE` bytes contain one of these; None gives all.
    """

    def __init__(self, needles: tuple[bytes, ...] | None = None) -> None:
        self._needles = needles
        self._open = b""
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their ends, in order."""
        first, data, start, stop = self._take(data)
        return [*first, *self._within(data, start, stop)]

    def newest(self, data: bytes) -> Iterator[bytes]:
        """Return the same lines, the last one first, each searched for only when it is asked for.

        Whoever needs the last line that matches need not look at thousands before it.
        """
        first, data, start, stop = self._take(data)
        return chain(self._backwards(data, start, stop), first)

    def close(self) -> list[bytes]:
        """Return the last line if the stream ended without an end of line."""
        line, self._open = self._open, b""
        return [line] if line and self._wanted(line) else []

    def _take(self, data: bytes) -> tuple[list[bytes], bytes, int, int]:
        """Keep what stays unfinished; return the line finished, if wanted, and where whole lines stand."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        newline = data.rfind(b"\n")
        stop = max(newline, data.rfind(b"\r", max(newline, 0))) + 1
        if not stop:
            self._extend(data)
            return [], b"", 0, 0
        self._after_cr = data.endswith(b"\r")
        first: list[bytes] = []
        start = 0
        if self._open and (end := _END.search(data)) is not None:
            self._extend(data[: min(end.start(), MAX_LINE)])
            if self._wanted(self._open):
                first.append(self._open)
            start = end.end()
        self._open = data[stop : stop + MAX_LINE]
        return first, data, start, stop

    def _extend(self, data: bytes) -> None:
        room = MAX_LINE - len(self._open)
        if room > 0:
            self._open += data[:room]

    def _wanted(self, line: bytes) -> bool:
        if self._needles is None:
            return True
        for needle in self._needles:  # noqa: SIM110 - any() with a generator takes three times as long
            if needle in line:
                return True
        return False

    def _within(self, data: bytes, start: int, stop: int) -> Iterator[bytes]:
        """Yield the lines, cut to `MAX_LINE`, that lie whole between `start` and `stop`."""
        needles = self._needles
        sample = min(stop, start + SAMPLE)
        if (
            needles is not None
            and DENSE * sum(data.count(n, start, sample) for n in needles) < sample - start
        ):
            yield from self._sparse(data, start, stop, needles)
            return
        for line in data[start:stop].splitlines():
            seen = line[:MAX_LINE]
            if self._wanted(seen):
                yield seen

    def _backwards(self, data: bytes, start: int, stop: int) -> Iterator[bytes]:
        """Yield the same, last first."""
        if self._needles is None or len(self._needles) != 1:
            yield from reversed([*self._within(data, start, stop)])
            return
        while (hit := data.rfind(self._needles[0], start, stop)) >= 0:
            end = _END.search(data, hit, stop)
            newline = data.rfind(b"\n", start, hit)
            begin = max(newline, data.rfind(b"\r", max(newline, start), hit), start - 1) + 1
            line = data[begin : min(end.start() if end else stop, begin + MAX_LINE)]
            if self._wanted(line):
                yield line
            stop = begin

    def _sparse(self, data: bytes, start: int, stop: int, needles: tuple[bytes, ...]) -> Iterator[bytes]:
        """Do the same by going from one needle to the next."""
        places = {needle: data.find(needle, start, stop) for needle in needles}
        while hits := [place for place in places.values() if place >= 0]:
            hit = min(hits)
            newline = data.rfind(b"\n", start, hit)
            begin = max(newline, data.rfind(b"\r", max(newline, start), hit), start - 1) + 1
            end = _END.search(data, hit, stop)
            start = end.end() if end else stop
            line = data[begin : min(end.start() if end else stop, begin + MAX_LINE)]
            if self._wanted(line):
                yield line
            places = {
                needle: place if place >= start else data.find(needle, start, stop)
                for needle, place in places.items()
                if place >= 0
            }
