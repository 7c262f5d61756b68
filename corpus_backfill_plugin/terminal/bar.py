"""The bar: one line that says how far, how fast, until when, and what failed.

`draw` is a pure function of a `View`, which is what is known at one moment, and of the terminal's width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.agent.progress import Count, View

LONGEST_BAR = 40
SHORTEST_BAR = 8
_GREEN, _RED, _DIM, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
_HOURS_SHOWN = 100


def draw(view: View, width: int, *, color: bool = False, ascii_only: bool = False) -> str:
    """Return the bar for a terminal of `width` columns, in at most `width - 1` of them.

    The last column stays free, as writing there makes terminals differ. What does not fit is left out
    step by step, the least important first; at last there is `45%`, and then nothing.
    """
    room = width - 1
    for parts, with_bar in _layouts(view):
        text = "  ".join(part for part, _ in parts)
        if not with_bar and len(text) <= room:
            return _painted(parts, color=color)
        size = min(room - len(text) - 2, LONGEST_BAR)
        if with_bar and size >= SHORTEST_BAR:
            return f"{_bar(view.fraction or 0.0, size, color=color, ascii_only=ascii_only)}  " + _painted(
                parts, color=color
            )
    return ""


def plain(view: View) -> str:
    """Return the same as a line for logs and pipes: no bar, no colour, as long as it gets."""
    parts, _ = next(_layouts(view))
    return ", ".join(part.strip() for part, _ in parts)


def _layouts(view: View) -> Iterator[tuple[list[tuple[str, str]], bool]]:
    """Yield what could be said, as texts with their colour and whether a bar stands before, longest first."""
    fraction = view.fraction
    count = (
        f"{number(view.done)}/{number(view.total)}" if view.total is not None else f"{number(view.done)} done"
    )
    if view.total is not None and fraction is None:
        count += "?"  # more done than there is: show both claims and conclude nothing
    counted = (count, "")
    percent = [] if fraction is None else [(f"{int(fraction * 100):3d}%", "")]
    rate = [] if view.rate is None else [(f"{number(_rounded(view.rate))}/s", _DIM)]
    elapsed = [(clock(view.elapsed), _DIM)]
    eta = [] if view.eta is None or fraction is None else [(f"ETA {clock(view.eta)}", "")]
    failed = [(f"{view.failures} failed", _RED)] if view.failures else []
    with_bar = fraction is not None
    yield [*percent, counted, *rate, *elapsed, *eta, *failed], with_bar
    yield [*percent, counted, *rate, *eta, *failed], with_bar
    yield [*percent, counted, *eta, *failed], with_bar
    yield [*percent, counted, *eta, *failed], False
    yield [*percent, *eta, *failed], False
    yield [*percent, *failed] if percent else [counted, *failed], False
    yield [(percent[0][0].strip(), "")] if percent else [(number(view.done), "")], False


def _painted(parts: list[tuple[str, str]], *, color: bool) -> str:
    return "  ".join(f"{paint}{text}{_PLAIN}" if color and paint else text for text, paint in parts)


def _bar(fraction: float, size: int, *, color: bool, ascii_only: bool) -> str:
    if ascii_only:
        done = int(fraction * size)
        return "#" * done + "-" * (size - done)
    halves = int(fraction * size * 2)
    full = "━" * (halves // 2) + "╸" * (halves % 2)
    rest = size - len(full)
    if color:
        return f"{_GREEN}{full}{_PLAIN}{_DIM}{'━' * rest}{_PLAIN}"
    return full + "─" * rest


def number(value: Count) -> str:
    """Return `value` for people: thousands separated, no fraction where there is none."""
    return f"{int(value):,}" if value == int(value) else f"{value:,.2f}".rstrip("0").rstrip(".")


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}") if rate < 10 else round(rate)  # noqa: PLR2004 - two digits are enough


def clock(seconds: float) -> str:
    """Return `4:05`, `1:02:03` or, from a hundred hours on, `5d 03h`."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    if hours >= _HOURS_SHOWN:
        return f"{hours // 24}d {hours % 24:02d}h"
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
