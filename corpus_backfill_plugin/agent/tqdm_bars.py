r"""What tqdm draws, read back.

A bar looks like ` 45%|####5     | 1.53k/3.40k [00:12<00:15, 122it/s]`, without a total like
`1.53kit [00:12, 122it/s]`. Of nested bars tqdm draws the outermost in the line where it stands and the
inner ones further down, going up again behind each (``\x1b[A``, once per level). An inner bar that ends is
drawn a last time in the outermost's line. So what was inner has to be remembered for a while.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from corpus_backfill_plugin.agent.progress import Count, Update, count

NEEDLE = b" ["
"""Every bar has it."""

MAX_DEPTH = 16

_NUMBER = r"[0-9][0-9.]*[kMGTPEZY]?"
_BAR = re.compile(
    r"(?:(?P<title>[^\r\n]*): )?"
    rf"(?: *[0-9]+%\|[^\r\n]*\| (?P<done>{_NUMBER})/(?P<total>{_NUMBER})"
    rf"|(?P<count>{_NUMBER})(?P<unit>[^\[\]]*?))"
    r" \[(?P<elapsed>[0-9:]+)(?:<[0-9:?]+(?: days?, [0-9:]+)?)?, *(?P<rate>[^\],]*)"
)
_RATE = re.compile(rf"(?P<per>{_NUMBER})(?:[^/]*/s$|(?P<inverse>s/))")
_UP = "\x1b[A"


@dataclass(frozen=True, slots=True)
class Bar:
    """One drawing of a bar.

    Attributes:
        title: its description, with its total (as printed) what tells it from others.
        elapsed: seconds since it began, as it says.
        depth: 0 for the outermost, 1 for the one inside that.
    """

    title: str
    size: str
    update: Update
    elapsed: int
    depth: int

    def same_as(self, other: Bar) -> bool:
        """Return whether both may be drawings of one bar; titles change while a bar goes on."""
        return self.size == other.size and self.title == other.title


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars in sight: the outermost, and the inner ones that have not ended, outer to inner."""

    outer: Bar | None = None
    inner: tuple[Bar, ...] = ()


def read(line: str) -> Bar | None:
    """Return the bar that `line` shows, or None when it is no whole bar of tqdm's."""
    found = _BAR.match(line)
    if found is None:
        return None
    done = count(found["done"] or found["count"])
    if done is None:
        return None
    size = found["total"] or f"? {found['unit']}"
    update = Update(done=done, total=count(found["total"]), rate=_rate(found["rate"]))
    elapsed = 0
    for part in found["elapsed"].split(":")[-3:]:
        elapsed = elapsed * 60 + int(part[-9:] or 0)
    depth = min(line.count(_UP, found.end()), MAX_DEPTH)
    return Bar(title=found["title"] or "", size=size, update=update, elapsed=elapsed, depth=depth)


def choose(bars: Bars, bar: Bar) -> tuple[Bars, Update | None]:
    """Return the bars in sight once `bar` is drawn, and what it says if it is the outermost."""
    if bar.depth:
        inner = (*bars.inner[: bar.depth - 1], bar)
        return Bars(outer=bars.outer, inner=inner), None
    ended = next((at for at, inner in enumerate(bars.inner) if _is_end_of(inner, bar, bars.outer)), None)
    if ended is not None:
        return Bars(outer=bars.outer, inner=bars.inner[:ended]), None
    return Bars(outer=bar, inner=bars.inner), bar.update


def _is_end_of(inner: Bar, bar: Bar, outer: Bar | None) -> bool:
    """Return whether `bar`, drawn in the outermost's line, is the last drawing of `inner`."""
    if not bar.same_as(inner) or bar.update.done < inner.update.done:
        return False
    if outer is None or not bar.same_as(outer):
        return True
    # Both look alike: the outermost is the older, and goes on by less than a whole inner bar.
    return bar.elapsed < outer.elapsed or (
        bar.update.done == bar.update.total and bar.update.done - outer.update.done > 1
    )


def _rate(text: str) -> float | None:
    """Return items per second from `12.3it/s` or `1.5s/it`."""
    found = _RATE.match(text.strip())
    value: Count | None = count(found["per"]) if found else None
    if not found or not value:
        return None
    return 1 / value if found["inverse"] else float(value)
