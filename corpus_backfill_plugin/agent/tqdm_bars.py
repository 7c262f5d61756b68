r"""What tqdm draws, read back.

A bar looks like ` 45%|####5     | 1.53k/3.40k [00:12<00:15, 122it/s]`, without a total like
`1.53kit [00:12, 122it/s]`. Of nested bars tqdm draws the inner ones further down, going up again behind each
(``\x1b[A``, once per level), but an inner bar that ends a last time in the outermost's line.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.progress import View, count
from corpus_backfill_plugin.agent.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDLE = b" ["  # in every bar
MAX_BARS = 64  # drawings in one chunk that are looked at, the last ones; several because bars can be nested
_NUMBER = r"[0-9][0-9.]*[kMGTPEZY]?"
_BAR = re.compile(
    r"(?:(?P<title>[^\r\n]*): )?"
    rf"(?: *[0-9]+%\|[^\r\n]*\| (?P<done>{_NUMBER})/(?P<total>{_NUMBER})"
    rf"|(?P<count>{_NUMBER})(?P<unit>[^\[\]]*?))"
    r" \[(?P<elapsed>[0-9:]+)(?:<[0-9:?]+(?: days?, [0-9:]+)?)?, *(?P<rate>[^\],]*)"
)
_RATE = re.compile(rf"(?P<per>{_NUMBER})(?:[^/]*/s$|(?P<inverse>s/))")


class Bar(Value, kw_only=False):
    """One drawing of a bar."""

    name: tuple[str, str]  # its description and its total as printed, which tell it from others
    said: View  # `elapsed` is by the bar's own clock
    depth: int  # 0 for the outermost, 1 for the one inside that


class Bars:
    """The bars in sight: the outermost, and the inner ones that have not ended, outer to inner."""

    def __init__(self) -> None:
        self._outer: Bar | None = None
        self._inner: list[Bar] = []

    def read(self, newest: Iterator[str]) -> Iterator[View]:
        """Yield what the outermost says in lines, given the last one first, in the order of the lines."""
        for bar in reversed([*islice(filter(None, map(read, newest)), MAX_BARS)]):
            if self._is_outermost(bar):
                self._outer = bar
                yield bar.said

    def _is_outermost(self, bar: Bar) -> bool:
        """Return whether `bar` is; if not, remember it, or forget the inner one that it ends."""
        if bar.depth:
            self._inner[bar.depth - 1 :] = [bar]
            return False
        for at, inner in enumerate(self._inner):
            if self._is_end_of(inner, bar):
                del self._inner[at:]
                return False
        return True

    def _is_end_of(self, inner: Bar, bar: Bar) -> bool:
        """Return whether `bar`, drawn in the outermost's line, is the last drawing of `inner`."""
        if bar.name != inner.name or bar.said.done < inner.said.done:
            return False
        if self._outer is None or bar.name != self._outer.name:
            return True
        # Both look alike: the outermost is the older, and goes on by less than a complete inner bar.
        said, outer = bar.said, self._outer.said
        return said.elapsed < outer.elapsed or (said.done == said.total and said.done - outer.done > 1)


def read(line: str) -> Bar | None:
    """Return the bar that `line` shows, or None when it is no complete bar of tqdm's."""
    found = _BAR.match(line)
    done = count(found["done"] or found["count"]) if found else None
    if found is None or done is None:
        return None
    elapsed = 0
    for part in found["elapsed"].split(":")[-3:]:
        elapsed = elapsed * 60 + int(part[-9:] or 0)
    return Bar(
        name=(found["title"] or "", found["total"] or f"? {found['unit']}"),
        said=View(done, count(found["total"]), _rate(found["rate"]), elapsed=elapsed),
        depth=line.count("\x1b[A", found.end()),
    )


def _rate(text: str) -> float | None:
    """Return items per second from `12.3it/s` or `1.5s/it`."""
    found = _RATE.match(text.strip())
    value = count(found["per"]) if found else None
    return (1 / value if found["inverse"] else float(value)) if found and value else None
