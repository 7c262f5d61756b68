"""The bar: one line that says how far, how fast, until when, and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.progress import Count, View

LONGEST_BAR, SHORTEST_BAR = 40, 8
_GREEN, _RED, _DIM, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
_HOURS_SHOWN = 100


def draw(view: View, width: int, *, color: bool = False, ascii_only: bool = False) -> str:
    """Return what fits of the bar into `width - 1` columns: terminals differ when the last one is written."""
    room, fraction = width - 1, view.fraction
    for layout in _LAYOUTS:
        parts = _parts(view, layout)
        text = "  ".join(text for text, _ in parts)
        painted = "  ".join(f"{paint}{text}{_PLAIN}" if color and paint else text for text, paint in parts)
        size = min(room - len(text) - 2, LONGEST_BAR)
        with_bar = fraction is not None and layout.startswith("bar")
        if with_bar and size >= SHORTEST_BAR:
            return f"{_bar(fraction or 0.0, size, color=color, ascii_only=ascii_only)}  {painted}"
        if not with_bar and len(text) <= room:
            return painted
    return ""


def plain(view: View) -> str:
    """Return the same as a line for logs and pipes: no bar, no colour, as long as it gets."""
    return ", ".join(text.strip() for text, _ in _parts(view, _LAYOUTS[0]))


_LAYOUTS = (
    "bar percent count rate elapsed eta failed",
    "bar percent count rate eta failed",
    "bar percent count eta failed",
    "percent count eta failed",
    "percent eta failed",
    "percent-or-count failed",
    "percent-or-done",
)  # what is shown, the longest first


def _parts(view: View, layout: str) -> list[tuple[str, str]]:
    """Return the texts of a layout that there are, with their colours."""
    fraction, done = view.fraction, number(view.done)
    count = f"{done} done" if view.total is None else f"{done}/{number(view.total)}"
    if view.total is not None and fraction is None:
        count += "?"  # more done than there is: show both claims and conclude nothing
    percent = "" if fraction is None else f"{int(fraction * 100):3d}%"
    eta = "" if view.eta is None or fraction is None else f"ETA {clock(view.eta)}"
    rate = view.rate or 0.0
    rate = float(f"{rate:.2g}") if rate < 10 else round(rate)  # noqa: PLR2004 - two digits are enough
    texts = {
        "percent": (percent, ""),
        "count": (count, ""),
        "rate": ("" if view.rate is None else f"{number(rate)}/s", _DIM),
        "elapsed": (clock(view.elapsed), _DIM),
        "eta": (eta, ""),
        "failed": (f"{view.failures} failed" if view.failures else "", _RED),
        "percent-or-count": (percent or count, ""),
        "percent-or-done": (percent.strip() or done, ""),
    }
    return [texts[name] for name in layout.split() if texts.get(name, ("",))[0]]


def _bar(fraction: float, size: int, *, color: bool, ascii_only: bool) -> str:
    done, half = divmod(int(fraction * size * 2), 2)
    if ascii_only:
        return "#" * done + "-" * (size - done)
    full, rest = "━" * done + "╸" * half, size - done - half
    return f"{_GREEN}{full}{_PLAIN}{_DIM}{'━' * rest}{_PLAIN}" if color else full + "─" * rest


def number(value: Count) -> str:
    """Return `value` for people: thousands separated, no fraction where there is none."""
    return f"{int(value):,}" if value == int(value) else f"{value:,.2f}".rstrip("0").rstrip(".")


def clock(seconds: float) -> str:
    """Return `4:05`, `1:02:03` or, from a hundred hours on, `5d 03h`."""
    hours, rest = divmod(int(seconds), 3600)
    if hours >= _HOURS_SHOWN:
        return f"{hours // 24}d {hours % 24:02d}h"
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
