r"""What a run prints, read for progress, counts and failures.

Following a run must cost the same with and without this, so nothing is done per line unless the line has
to be looked at: the literal that each template needs is searched for in complete chunks, and only lines that
contain one are split off, decoded and matched. Of many progress lines in one chunk, all of the same moment,
only the last counts, so these are looked for from the end.

A line ends at ``\n``, ``\r`` or ``\r\n``: progress bars redraw themselves with a bare ``\r``, and each
redraw is a line of its own here. Only the first `MAX_LINE` bytes of a line are looked at and kept.
"""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent import tqdm_bars
from corpus_backfill_plugin.agent.progress import Count, Pace, View, count, from_names
from corpus_backfill_plugin.agent.templates import Template, TemplateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_LINE = 4096
"""Bytes of a line that are looked at."""

MAX_FAILED = 10_000
"""Failed items kept; those beyond are counted only."""

MAX_ITEM = 1_000
"""Characters. An item that is longer is counted and not kept: a cut one would name something else."""

MAX_REASON = 500
"""Characters of a reason that are kept."""

_WINDOW = 16_384
"""Bytes that are looked through at once from the end of a chunk."""

_END = re.compile(rb"[\r\n]")
_DIGITS = re.compile(rb"[0-9]{1,15}")
_PROTOCOL = re.compile(rb"::progress done=([0-9]{1,15}) total=([0-9]{1,15})")
_PROTOCOL_LINE = re.compile(
    # It begins with its literal, as only then it is searched for at memory speed.
    _PROTOCOL.pattern.replace(b" ", rb"(?<![^\r\n]::progress) ", 1) + rb"(?:\r\n?|\n)"
)
_LONGEST = len(b"::progress done= total=") + 2 * 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the lines that a script prints mean, as templates; `progress` may be `tqdm` instead."""

    progress: str | tuple[str, ...] | None = None
    failed: str | tuple[str, ...] | None = None
    result: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """One item that failed, as the script printed it.

    Attributes:
        reason: empty when the script did not say.
        masked: whether a secret was taken out of `item`, which names nothing any more.
    """

    item: str
    reason: str = ""
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Results:
    """What a script said that it did. Bounded, whatever it prints; texts are kept as they were printed.

    Attributes:
        counts: by name, in the order of first mention; the last value said wins.
        failed: the first `MAX_FAILED` failures, in order.
        failed_total: how many failures were printed, also those not kept.
    """

    counts: dict[str, int] = field(default_factory=dict)
    failed: tuple[Failure, ...] = ()
    failed_total: int = 0

    @property
    def failures(self) -> int:
        """How many failed: the script's own count `failed` when it is higher than what it listed."""
        return max(self.failed_total, self.counts.get("failed", 0))


class OutputReader:
    """Reads what a run prints, stream by stream, chunk by chunk.

    Args:
        output: what the script's lines mean; None knows the line protocol alone.

    Attributes:
        pace: how far the run is, and how fast it goes on.
        results: counts and failures so far.
        cut: whether some of the output was lost before it could be read, as whoever feeds the reader says.
    """

    def __init__(self, output: Output | None) -> None:
        output = output or Output()
        self.pace, self.results, self.cut = Pace(), Results(), False
        self._bars = tqdm_bars.Bars() if output.progress == "tqdm" else None
        self._progress = () if self._bars else _compiled(output.progress, counts=True)
        self._failed = _compiled(output.failed, counts=False)
        self._result = _compiled(output.result, counts=True)
        self._news = (tqdm_bars.NEEDLE,) if self._bars else _needles(self._progress)
        self._facts = _needles((*self._failed, *self._result))
        self._exact = False
        self._streams: dict[str, Stream] = defaultdict(Stream)

    def feed(self, stream: str, data: bytes, now: float) -> bytes:
        """Take in `data` of `stream`, read at `now` (seconds, monotonic), and return what is to be shown.

        That is `data` itself, byte for byte, without lines of the protocol.
        """
        return self._take(*self._streams[stream].feed(data), now)

    def close(self, stream: str, now: float) -> bytes:
        """Take in the end of `stream`, an unfinished line with it, and return what is left to show."""
        return self._take(*self._streams[stream].close(), now)

    def meaning(self, line: bytes) -> dict[str, dict[str, Count | str | None]]:
        """Return what one line without its end is taken for by itself, and what it says.

        The keys are `progress`, `failed` and `result`; a line that means nothing has none.
        """
        meant: dict[str, dict[str, Count | str | None]] = {}
        exact, shown = _PROTOCOL.fullmatch(line), text(line[:MAX_LINE])
        said = View(int(exact[1]), int(exact[2])) if exact else self._progress_in(shown)
        if said:
            meant["progress"] = {"done": said.done, "total": said.total, "rate": said.rate}
        if not exact:
            meant["failed"] = {**(_first_match(self._failed, shown) or {})}
            meant["result"] = {**self._counts(shown)}
        return {kind: values for kind, values in meant.items() if values}

    def _take(self, shown: bytes, lines: bytes, exact: View | None, now: float) -> bytes:
        if exact is not None:  # who speaks the protocol means it: templates no longer count
            self._exact = True
            self.pace.update(exact, now)
        if lines and self._facts:
            self._read_facts(lines)
        if lines and self._news and not self._exact:
            newest = map(text, newest_with(self._news, lines))
            latest = self._bars.read if self._bars else self._latest_in
            for said in latest(newest):
                self.pace.update(said, now)
        return shown

    def _read_facts(self, lines: bytes) -> None:
        counts, failed = dict(self.results.counts), []
        for line in map(text, lines_with(self._facts, lines)):
            if (said := _first_match(self._failed, line)) is not None:
                failed.append(said)
            counts.update(self._counts(line))
        kept = tuple(
            Failure(said["item"], said.get("reason", "")[:MAX_REASON])
            for said in failed[: MAX_FAILED - len(self.results.failed)]
            if 0 < len(said["item"]) <= MAX_ITEM
        )
        self.results = Results(counts, self.results.failed + kept, self.results.failed_total + len(failed))

    def _counts(self, line: str) -> dict[str, int]:
        said = [pair for template in self._result for pair in (template.match(line) or {}).items()]
        numbers = {name: count(number) for name, number in said}
        return {name: number for name, number in numbers.items() if isinstance(number, int)}

    def _latest_in(self, newest: Iterator[str]) -> Iterator[View]:
        return islice(filter(None, map(self._progress_in, newest)), 1)

    def _progress_in(self, line: str) -> View | None:
        if self._bars:
            bar = tqdm_bars.read(line)
            return bar.said if bar else None
        return from_names(_first_match(self._progress, line) or {})


def text(line: bytes) -> str:
    """Return `line` as text; bytes that are no UTF-8 become U+FFFD."""
    return line.decode("utf-8", "replace")


def _compiled(texts: str | Sequence[str] | None, *, counts: bool) -> tuple[Template, ...]:
    """Return the templates in `texts`: one, several, or none.

    What is none is left out: specs are checked when they are read, so it is of a run of an older version.
    """
    found = []
    for each in (texts,) if isinstance(texts, str) else texts or ():
        with suppress(TemplateError):
            found.append(Template(each, counts=counts))
    return tuple(found)


def _first_match(templates: Sequence[Template], line: str) -> dict[str, str] | None:
    return next((said for template in templates if (said := template.match(line)) is not None), None)


def _needles(templates: Sequence[Template]) -> tuple[bytes, ...]:
    return tuple(sorted({template.needle.encode() for template in templates}))


class Stream:
    r"""One stream cut into complete lines, those of the protocol taken out.

    A script that wants to be exact prints `::progress done=120 total=3400` as a line of its own. It is
    trusted for nothing but the two numbers: whatever differs by one byte is an ordinary line. Everything
    else is shown byte for byte and at once; only an unfinished line that can still become one of
    the protocol's (at most 53 bytes) waits for what follows.
    """

    def __init__(self) -> None:
        self._begun = b""  # the first bytes of an unfinished line, as far as they are shown
        self._waiting = b""  # an unfinished line that may become one of the protocol's
        self._after_cr = False

    def feed(self, data: bytes) -> tuple[bytes, bytes, View | None]:
        """Return what is to be shown now, the lines that `data` completes, and the protocol's last word.

        The lines have their ends; of a long one that began earlier there is its beginning at least.
        """
        if self._after_cr and data:  # the second half of a removed line's \r\n
            data, self._after_cr = data.removeprefix(b"\n"), False
        if self._waiting:
            data, self._waiting = self._waiting + data, b""
        data, said = self._without_protocol(data) if b"::progress" in data else (data, None)
        end = _line_start(data, 0, len(data))
        rest = data[end : end + MAX_LINE]
        if (end or not self._begun) and _may_become_protocol(rest):
            data, self._waiting, rest = data[:end], rest, b""
        if not end:
            self._begun += rest[: MAX_LINE - len(self._begun)]
            return data, b"", said
        lines, self._begun = self._begun + data[:end] if self._begun else data[:end], rest
        return data, lines, said

    def close(self) -> tuple[bytes, bytes, View | None]:
        """Return the same at the end of the stream, where an unfinished line counts as a complete one."""
        rest, self._waiting = self._waiting, b""
        if found := _PROTOCOL.fullmatch(rest):
            return b"", b"", View(int(found[1]), int(found[2]))
        lines, self._begun = self._begun + rest, b""
        return rest, lines, None

    def _without_protocol(self, data: bytes) -> tuple[bytes, View | None]:
        begun = b"." if self._begun else b""  # what goes on with a line is none of the protocol's
        rest, *found = _PROTOCOL_LINE.split(begun + data)  # both numbers and what follows, over and over
        if not found:
            return data, None
        self._after_cr = not found[-1] and data.endswith(b"\r")
        return b"".join((rest, *found[2::3]))[len(begun) :], View(int(found[-3]), int(found[-2]))


def _may_become_protocol(line: bytes) -> bool:
    """Return whether `line`, still unfinished, can grow into a line of the protocol."""
    return len(line) <= _LONGEST and b"::progress done=0 total=0".startswith(_DIGITS.sub(b"0", line))


def lines_with(
    needles: Sequence[bytes], lines: bytes, at: int = 0, stop: int | None = None
) -> Iterator[bytes]:
    """Yield the lines, cut to `MAX_LINE` and without their ends, that contain one of `needles`.

    Searching for these at memory speed passes over all others.
    """
    stop = len(lines) if stop is None else stop
    places = {needle: lines.find(needle, at, stop) for needle in needles}
    while hits := [place for place in places.values() if place >= 0]:
        hit = min(hits)
        begin = _line_start(lines, at, hit)
        end = _END.search(lines, hit, stop)
        at = end.end() if end else stop
        line = lines[begin : min(end.start() if end else stop, begin + MAX_LINE)]
        if any(needle in line for needle in needles):
            yield line
        places = {
            n: place if place >= at or place < 0 else lines.find(n, at, stop) for n, place in places.items()
        }


def newest_with(needles: Sequence[bytes], lines: bytes) -> Iterator[bytes]:
    """Yield the same lines, the last one first; no more is searched than is asked for."""
    stop = len(lines)
    while stop > 0:
        start = _line_start(lines, 0, stop - _WINDOW) if stop > _WINDOW else 0
        yield from reversed([*lines_with(needles, lines, start, stop)])
        stop = start


def _line_start(lines: bytes, at: int, place: int) -> int:
    newline = lines.rfind(b"\n", at, place)
    return max(newline, lines.rfind(b"\r", max(newline, at), place), at - 1) + 1
