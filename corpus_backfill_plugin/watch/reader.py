"""Both streams of a run, read for progress, results and failures, and passed on to be shown.

Following a run must cost the same with and without this, so nothing is done per line unless the line has
to be looked at: each pattern's required literal is searched for in whole chunks, and only lines that
contain one are split off, decoded and tried. Of many progress lines in one chunk, all of the same moment,
only the last counts, so these are looked for from the end.
"""

from __future__ import annotations

from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING

from corpus_backfill_plugin.spec.patterns import compile_pattern
from corpus_backfill_plugin.watch import progress, tqdm_bars
from corpus_backfill_plugin.watch.lines import LineSplitter, text
from corpus_backfill_plugin.watch.literals import required_literal
from corpus_backfill_plugin.watch.protocol import ProtocolFilter
from corpus_backfill_plugin.watch.results import Results, add_counts, add_failures

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Sequence

    from corpus_backfill_plugin.spec.model import Output

STREAMS = ("stdout", "stderr")
"""The two streams of a script, by name."""

TQDM = "tqdm"
"""What a spec says instead of a pattern when the script draws with tqdm."""

MAX_BARS = 64
"""Drawings of tqdm's in one chunk that are looked at, the last ones; several because bars can be nested."""


class _Pattern:
    """A pattern of a spec, with what a line must contain to be worth trying."""

    def __init__(self, text: str) -> None:
        self.regex = compile_pattern(text)
        self.literal = required_literal(self.regex).encode()

    def found(self, lines: list[bytes]) -> Iterator[tuple[int, re.Match[str]]]:
        """Yield where in `lines` it matches, and how."""
        literal = self.literal
        for at, line in enumerate(lines):
            if literal in line and (match := self.regex.search(text(line))):
                yield at, match


class Watcher:
    """Reads what a run prints, stream by stream, chunk by chunk.

    Args:
        output: what the script's lines mean; None knows the line protocol alone.

    Attributes:
        progress: how far the run is; None until it said so.
        results: counts and failures so far.
    """

    def __init__(self, output: Output | None) -> None:
        self.progress: progress.Progress | None = None
        self.results = Results()
        self.cut = False
        said = output.progress if output else None
        self._tqdm = said == TQDM
        self._progress = _Pattern(said) if said and not self._tqdm else None
        self._failed = _Pattern(output.failed) if output and output.failed else None
        self._results = tuple(map(_Pattern, output.result)) if output else ()
        self._bars = tqdm_bars.Bars()
        self._exact = False
        self._filters = {stream: ProtocolFilter() for stream in STREAMS}
        self._facts = _splitters([pattern for pattern in (self._failed, *self._results) if pattern])
        self._news = (
            {stream: LineSplitter((tqdm_bars.NEEDLE,)) for stream in STREAMS}
            if self._tqdm
            else _splitters([self._progress] if self._progress else [])
        )

    def feed(self, stream: str, data: bytes, now: float) -> bytes:
        """Take in `data` of `stream`, read at `now` (seconds, monotonic), and return what is to be shown.

        That is `data` itself, byte for byte, without lines of the protocol.
        """
        shown, update = self._filters[stream].feed(data)
        self._take(stream, shown, update, now)
        return shown

    def close(self, stream: str, now: float) -> bytes:
        """Take in the end of `stream`, an unfinished line with it, and return what is left to show."""
        shown, update = self._filters[stream].close()
        self._take(stream, shown, update, now)
        if self._news:
            self._read_progress(self._news[stream].close(), now)
        if self._facts:
            self._read_facts(self._facts[stream].close())
        return shown

    def _take(self, stream: str, shown: bytes, update: progress.Update | None, now: float) -> None:
        if update is not None:  # who speaks the protocol means it: patterns no longer count
            self._exact = True
            self.progress = progress.advance(self.progress, update, now)
        if self._news and shown and not self._exact:
            self._read_progress(self._news[stream].newest(shown), now)
        if self._facts and shown and (lines := self._facts[stream].feed(shown)):
            self._read_facts(lines)

    def _read_facts(self, lines: list[bytes]) -> None:
        if self._failed:
            self.results = add_failures(self.results, (match for _, match in self._failed.found(lines)))
        counts = [found for pattern in self._results for found in pattern.found(lines)]
        for _, match in sorted(counts, key=itemgetter(0)):  # in the order of printing: the last value wins
            self.results = add_counts(self.results, match)

    def _read_progress(self, lines: Iterable[bytes], now: float) -> None:
        """Take in what `lines`, the last one first, say of progress."""
        if self._progress is not None:
            for line in lines:
                update = progress.from_pattern(self._progress.regex, text(line))
                if update is not None:
                    self.progress = progress.advance(self.progress, update, now)
                    return
        elif self._tqdm:
            bars = islice((bar for line in lines if (bar := tqdm_bars.read(text(line)))), MAX_BARS)
            for bar in reversed([*bars]):
                self._bars, update = tqdm_bars.choose(self._bars, bar)
                if update is not None:
                    self.progress = progress.advance(self.progress, update, now)


def _splitters(patterns: Sequence[_Pattern]) -> dict[str, LineSplitter]:
    """Return what splits off the lines that any of `patterns` may match, by stream; empty without any."""
    needles = {pattern.literal for pattern in patterns}
    wanted = None if b"" in needles else tuple(sorted(needles))
    return {stream: LineSplitter(wanted) for stream in STREAMS} if patterns else {}
