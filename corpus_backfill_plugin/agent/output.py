r"""What a run prints, read for progress, counts and failures.

Following a run must cost the same with and without this, so nothing is done per line unless the line has
to be looked at: the literal that each template needs is searched for in whole chunks, and only lines that
contain one are split off, decoded and matched. Of many progress lines in one chunk, all of the same moment,
only the last counts, so these are looked for from the end.

A line ends at ``\n``, ``\r`` or ``\r\n``: progress bars redraw themselves with a bare ``\r``, and each
redraw is a line of its own here. Only the first `MAX_LINE` bytes of a line are looked at and kept.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from corpus_backfill_plugin.agent import progress, tqdm_bars
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

TQDM = "tqdm"
"""What a spec says instead of a template when the script draws with tqdm."""

MAX_BARS = 64
"""Drawings of tqdm's in one chunk that are looked at, the last ones; several because bars can be nested."""

_WINDOW = 16_384
"""Bytes that are looked through at once from the end of a chunk."""

_END = re.compile(rb"[\r\n]")
_PROTOCOL = re.compile(rb"::progress done=([0-9]{1,15}) total=([0-9]{1,15})(\r\n|\r|\n)?")
_BEGUN = re.compile(rb"::progress done=[0-9]{1,15}(?P<rest>| .*)", re.DOTALL)
_LONGEST = len(b"::progress done= total=") + 2 * 15


class Templates(Protocol):
    """How a script's lines are recognised, as a spec's `[output]` has it."""

    @property
    def progress(self) -> str | tuple[str, ...] | None:
        """Templates with `{done}`, `{total}` and `{rate}`, or `TQDM`."""

    @property
    def failed(self) -> str | tuple[str, ...] | None:
        """Templates with `{item}` and `{reason}`."""

    @property
    def result(self) -> tuple[str, ...]:
        """Templates whose names are counts."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One item that failed, as the script printed it.

    Attributes:
        item: what failed.
        reason: why; empty when the script did not say.
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
        progress: how far the run is; None until it said so.
        results: counts and failures so far.
        cut: whether some of the output was lost before it could be read, as whoever feeds the reader says.
    """

    def __init__(self, output: Templates | None) -> None:
        self.progress: progress.Progress | None = None
        self.results = Results()
        self.cut = False
        self._tqdm = output is not None and output.progress == TQDM
        self._progress = compiled(output.progress, counts=True) if output and not self._tqdm else ()
        self._failed = compiled(output.failed, counts=False) if output else ()
        self._result = compiled(output.result, counts=True) if output else ()
        self._news = (tqdm_bars.NEEDLE,) if self._tqdm else _needles(self._progress)
        self._facts = _needles((*self._failed, *self._result))
        self._bars = tqdm_bars.Bars()
        self._exact = False
        self._streams: dict[str, tuple[ProtocolFilter, LineSplitter]] = {}

    def feed(self, stream: str, data: bytes, now: float) -> bytes:
        """Take in `data` of `stream`, read at `now` (seconds, monotonic), and return what is to be shown.

        That is `data` itself, byte for byte, without lines of the protocol.
        """
        protocol, lines = self._of(stream)
        shown, update = protocol.feed(data)
        self._take(update, lines.feed(shown), now)
        return shown

    def close(self, stream: str, now: float) -> bytes:
        """Take in the end of `stream`, an unfinished line with it, and return what is left to show."""
        protocol, lines = self._of(stream)
        shown, update = protocol.close()
        self._take(update, lines.feed(shown) + lines.close(), now)
        return shown

    def meaning(self, line: bytes) -> dict[str, dict[str, progress.Count | str | None]]:
        """Return what one line without its end is taken for by itself, and what it says.

        The keys are `progress`, `failed` and `result`; a line that means nothing has none.
        """
        if found := _PROTOCOL.fullmatch(line):
            return {"progress": asdict(_update(found))}
        shown, meant = text(line[:MAX_LINE]), {}
        bar = tqdm_bars.read(shown) if self._tqdm else None
        update = bar.update if bar else progress.from_names(_first_match(self._progress, shown) or {})
        meant["progress"] = asdict(update) if update else {}
        meant["failed"] = dict(_first_match(self._failed, shown) or {})
        meant["result"] = dict(self._counts(shown))
        return {kind: values for kind, values in meant.items() if values}

    def _of(self, stream: str) -> tuple[ProtocolFilter, LineSplitter]:
        return self._streams.setdefault(stream, (ProtocolFilter(), LineSplitter()))

    def _take(self, update: progress.Update | None, lines: bytes, now: float) -> None:
        if update is not None:  # who speaks the protocol means it: templates no longer count
            self._exact = True
            self.progress = progress.advance(self.progress, update, now)
        if not lines:
            return
        if self._facts:
            self._read_facts(lines)
        if self._exact or not self._news:
            return
        newest = map(text, newest_with(self._news, lines))
        for read in self._tqdm_updates(newest) if self._tqdm else self._last_update(newest):
            self.progress = progress.advance(self.progress, read, now)

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
        numbers = {name: progress.count(number) for name, number in said}
        return {name: number for name, number in numbers.items() if isinstance(number, int)}

    def _last_update(self, newest: Iterator[str]) -> Iterator[progress.Update]:
        updates = (progress.from_names(_first_match(self._progress, line) or {}) for line in newest)
        return islice(filter(None, updates), 1)

    def _tqdm_updates(self, newest: Iterator[str]) -> Iterator[progress.Update]:
        for bar in reversed([*islice(filter(None, map(tqdm_bars.read, newest)), MAX_BARS)]):
            self._bars, update = tqdm_bars.choose(self._bars, bar)
            if update is not None:
                yield update


def compiled(texts: str | Sequence[str] | None, *, counts: bool) -> tuple[Template, ...]:
    """Return the templates in `texts`: one, several, or none.

    What is none is left out: specs are checked when they are read, so it is of a run of an older version.
    """
    found = []
    for each in (texts,) if isinstance(texts, str) else texts or ():
        with suppress(TemplateError):
            found.append(Template(each, counts=counts))
    return tuple(found)


def text(line: bytes) -> str:
    """Return `line` as text; bytes that are no UTF-8 become U+FFFD."""
    return line.decode("utf-8", "replace")


def _first_match(templates: Sequence[Template], line: str) -> dict[str, str] | None:
    return next((said for template in templates if (said := template.match(line)) is not None), None)


def _needles(templates: Sequence[Template]) -> tuple[bytes, ...]:
    return tuple(sorted({template.needle.encode() for template in templates}))


class LineSplitter:
    """Cuts one stream into chunks of complete lines; keep one instance per stream."""

    def __init__(self) -> None:
        self._open = b""

    def feed(self, data: bytes) -> bytes:
        """Return the lines that `data` completes, with their ends; of a long one its beginning at least."""
        newline = data.rfind(b"\n")
        stop = max(newline, data.rfind(b"\r", max(newline, 0))) + 1
        if not stop:
            self._open += data[: max(MAX_LINE - len(self._open), 0)]
            return b""
        lines = self._open + data[:stop] if self._open else data[:stop]
        self._open = data[stop : stop + MAX_LINE]
        return lines

    def close(self) -> bytes:
        """Return the last line if the stream ended without an end of line."""
        lines, self._open = self._open, b""
        return lines


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


class ProtocolFilter:
    r"""Takes the lines of the protocol out of one stream; keep one instance per stream.

    A script that wants to be exact prints `::progress done=120 total=3400` as a line of its own. It is
    trusted for nothing but the two numbers: whatever differs by one byte is an ordinary line. Everything
    else passes through byte for byte and at once; only an unfinished line that can still become one of
    the protocol's (at most 53 bytes) waits for what follows.
    """

    def __init__(self) -> None:
        self._held = b""
        self._line_start = True
        self._after_cr = False

    def feed(self, data: bytes) -> tuple[bytes, progress.Update | None]:
        """Return what of `data` is to be shown now, and the last thing that the protocol said in it."""
        if self._after_cr and data:  # the second half of a removed line's \r\n
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if self._held:
            data, self._held = self._held + data, b""
        if not data:
            return b"", None
        data, update = self._without_protocol(data) if b"::progress" in data else (data, None)
        begin = max(data.rfind(b"\n", -_LONGEST - 1), data.rfind(b"\r", -_LONGEST - 1)) + 1
        unfinished = data[begin:] if len(data) - begin <= _LONGEST else b""
        if (begin or self._line_start) and _may_become_protocol(unfinished):
            data, self._held = data[:begin], unfinished
        if data:
            self._line_start = data.endswith((b"\n", b"\r"))
        return data, update

    def close(self) -> tuple[bytes, progress.Update | None]:
        """Return what was held back when the stream ended: a whole line without its end counts as one."""
        held, self._held = self._held, b""
        found = _PROTOCOL.fullmatch(held)
        return (b"", _update(found)) if found else (held, None)

    def _without_protocol(self, data: bytes) -> tuple[bytes, progress.Update | None]:
        last: list[re.Match[bytes]] = []

        def shown(found: re.Match[bytes]) -> bytes:
            begins_line = data[found.start() - 1] in b"\r\n" if found.start() else self._line_start
            if not begins_line or found[3] is None:
                return found[0]
            last[:] = [found]
            self._after_cr = found[3] == b"\r" and found.end() == len(data)
            return b""

        rest = _PROTOCOL.sub(shown, data)
        return rest, _update(last[0]) if last else None


def _update(found: re.Match[bytes]) -> progress.Update:
    return progress.Update(done=int(found[1]), total=int(found[2]))


def _may_become_protocol(line: bytes) -> bool:
    """Return whether `line`, still unfinished, can grow into a line of the protocol."""
    if not line:
        return False
    if b"::progress done=".startswith(line):
        return True
    begun = _BEGUN.fullmatch(line)
    rest = begun["rest"] if begun else b"x"
    return b" total=".startswith(rest) or re.fullmatch(rb" total=[0-9]{0,15}", rest) is not None
