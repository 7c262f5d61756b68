r"""What a run prints, read for progress, counts and failures.

Following a run must cost the same with and without this: the literal that each template needs is searched
for in complete chunks, and only lines that contain one are split off, decoded and matched. Of many progress
lines in one chunk, all of the same moment, only the last counts, so these are looked for from the end.

A line ends at ``\n``, ``\r`` or ``\r\n``: each redraw of a progress bar, with a bare ``\r``, is a line.
"""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent import tqdm_bars
from corpus_backfill_plugin.agent.progress import Pace, View, count, from_names
from corpus_backfill_plugin.agent.records import Failure, Output
from corpus_backfill_plugin.agent.templates import Template, TemplateError
from corpus_backfill_plugin.agent.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_LINE = 4096  # bytes of a line that are looked at
MAX_FAILED = 10_000  # failed items kept; those beyond are counted only
MAX_ITEM = 1_000  # characters; a longer item is counted and not kept: cut it would name something else
MAX_REASON = 500  # characters of a reason that are kept
_WINDOW = 16_384  # bytes that are looked through at once from the end of a chunk

_END = re.compile(rb"[\r\n]")
_DIGITS = re.compile(rb"[0-9]{1,15}")
_PROTOCOL = re.compile(rb"::progress done=([0-9]{1,15}) total=([0-9]{1,15})")
# With its literal first, as only then it is searched for at memory speed.
_AT_LINE_START = _PROTOCOL.pattern.replace(b" ", rb"(?<![^\r\n]::progress) ", 1)
_PROTOCOL_LINE = re.compile(_AT_LINE_START + rb"(?:\r\n?|\n)")
_LONGEST = len(b"::progress done= total=") + 2 * 15


class Results(Value, kw_only=False):
    """What a script printed that it did. Bounded, whatever it prints; texts are kept as they are."""

    counts: dict[str, int] = {}  # noqa: RUF012  never changed  # the last value of a name wins
    failed: tuple[Failure, ...] = ()  # the first `MAX_FAILED`
    failed_total: int = 0  # also those not kept

    @property
    def failures(self) -> int:
        """How many failed: the script's own count `failed` when it is higher than what it listed."""
        return max(self.failed_total, self.counts.get("failed", 0))


class OutputReader:
    """Reads what a run prints, stream by stream, chunk by chunk; without `output` by the protocol alone."""

    def __init__(self, output: Output | None) -> None:
        output = output or Output()
        self.pace, self.results = Pace(), Results()
        self.cut = False  # whether some was lost before it could be read, as whoever feeds the reader says
        self._bars = tqdm_bars.Bars() if output.progress == "tqdm" else None
        self._progress = () if self._bars else _compiled(output.progress, counts=True)
        self._failed = _compiled(output.failed, counts=False)
        self._result = _compiled(output.result, counts=True)
        self._news = [tqdm_bars.NEEDLE] if self._bars else [each.needle for each in self._progress]
        self._facts = [each.needle for each in (*self._failed, *self._result)]
        self._exact = False
        self._streams: dict[str, Stream] = defaultdict(Stream)

    def feed(self, stream: str, data: bytes, now: float) -> bytes:
        """Take in `data`, read at `now` (seconds, monotonic), and return it without lines of the protocol."""
        return self._take(*self._streams[stream].feed(data), now)

    def close(self, stream: str, now: float) -> bytes:
        """Take in the end of `stream`, an unfinished line with it, and return what is left to show."""
        return self._take(*self._streams[stream].close(), now)

    def meaning(self, line: bytes) -> dict[str, Mapping[str, object]]:
        """Return what a line without its end is taken for: `progress`, `failed`, `result`, or nothing."""
        if exact := _PROTOCOL.fullmatch(line):
            return {"progress": {"done": int(exact[1]), "total": int(exact[2])}}
        shown = text(line[:MAX_LINE])
        said = self._progress_in(shown)
        meant: dict[str, Mapping[str, object]] = {
            "progress": {"done": said.done, "total": said.total, "rate": said.rate} if said else {},
            "failed": _first_match(self._failed, shown) or {},
            "result": self._counts(shown),
        }
        return {kind: values for kind, values in meant.items() if values}

    def _take(self, shown: bytes, lines: bytes, exact: View | None, now: float) -> bytes:
        if exact is not None:  # who speaks the protocol means it: templates no longer count
            self._exact = True
            self.pace.update(exact, now)
        if lines and self._facts:
            self._read_facts(lines)
        if lines and self._news and not self._exact:
            newest = map(text, newest_with(self._news, lines))
            latest = islice(filter(None, map(self._progress_in, newest)), 1)
            for said in self._bars.read(newest) if self._bars else latest:
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

    def _progress_in(self, line: str) -> View | None:
        if self._bars:
            bar = tqdm_bars.read(line)
            return bar.said if bar else None
        return from_names(_first_match(self._progress, line) or {})


def text(line: bytes) -> str:
    """Return `line` as text; bytes that are no UTF-8 become U+FFFD."""
    return line.decode("utf-8", "replace")


def _compiled(texts: str | Sequence[str] | None, *, counts: bool) -> tuple[Template, ...]:
    found = []
    for each in (texts,) if isinstance(texts, str) else texts or ():
        with suppress(TemplateError):  # specs are checked, so it is of a run of an older version
            found.append(Template(each, counts=counts))
    return tuple(found)


def _first_match(templates: Sequence[Template], line: str) -> dict[str, str] | None:
    return next((said for template in templates if (said := template.match(line)) is not None), None)


class Stream:
    r"""One stream cut into complete lines, those of the protocol taken out.

    A script that wants to be exact prints `::progress done=120 total=3400` as a line of its own. Whatever
    differs by one byte is an ordinary line, shown byte for byte and at once; only an unfinished line that can
    still become one of the protocol's (at most 53 bytes) waits for what follows.
    """

    def __init__(self) -> None:
        self._begun = b""  # the first bytes of an unfinished line, as far as they are shown
        self._waiting = b""  # an unfinished line that may become one of the protocol's
        self._after_cr = False

    def feed(self, data: bytes) -> tuple[bytes, bytes, View | None]:
        """Return what to show now, lines completed (long ones may be cut), and the protocol's last word."""
        if self._after_cr and data:  # the second half of a removed line's \r\n
            data, self._after_cr = data.removeprefix(b"\n"), False
        if self._waiting:
            data, self._waiting = self._waiting + data, b""
        data, said = self._without_protocol(data) if b"::progress" in data else (data, None)
        end = _line_start(data, len(data))
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


def lines_with(needles: Sequence[bytes], lines: bytes) -> Iterator[bytes]:
    """Yield the lines, cut to `MAX_LINE` and without their ends, that contain one of `needles`."""
    at, places = 0, {needle: lines.find(needle) for needle in needles}
    while hits := [place for place in places.values() if place >= 0]:
        hit = min(hits)
        begin, end = _line_start(lines, hit, at), _END.search(lines, hit)
        at = end.end() if end else len(lines)
        line = lines[begin : min(end.start() if end else at, begin + MAX_LINE)]
        if any(needle in line for needle in needles):
            yield line
        places = {n: place if place >= at or place < 0 else lines.find(n, at) for n, place in places.items()}


def newest_with(needles: Sequence[bytes], lines: bytes) -> Iterator[bytes]:
    """Yield the same lines, the last one first; no more is searched than is asked for."""
    stop = len(lines)
    while stop > 0:
        start = _line_start(lines, stop - _WINDOW) if stop > _WINDOW else 0
        yield from reversed([*lines_with(needles, lines[start:stop])])
        stop = start


def _line_start(lines: bytes, place: int, at: int = 0) -> int:
    newline = lines.rfind(b"\n", at, place)
    return max(newline, lines.rfind(b"\r", max(newline, at), place), at - 1) + 1
