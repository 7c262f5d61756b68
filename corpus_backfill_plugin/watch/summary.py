"""What a run did, in a sentence, when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus_backfill_plugin.display import one_line
from corpus_backfill_plugin.watch.bar import number

if TYPE_CHECKING:
    from corpus_backfill_plugin.watch.bar import View
    from corpus_backfill_plugin.watch.progress import Progress
    from corpus_backfill_plugin.watch.results import Results

SHOWN = 5
"""Failed items named; for the others there is a command."""


def summary(
    results: Results, progress: Progress | View | None, elapsed: float, *, see_all: str = "backfill runs show"
) -> str:
    """Return `Updated 12, failed 1 in 2 m 14 s` and, on lines of their own, the first failed items.

    Args:
        results: what the script said it did; without counts, `progress` is told instead.
        progress: how far it came, None when it never said.
        elapsed: seconds that the run took.
        see_all: the command that lists all failures.
    """
    counts = dict(results.counts)
    if results.failures:
        counts["failed"] = results.failures
    told = [f"{name.replace('_', ' ')} {number(value)}" for name, value in counts.items()]
    if progress is not None and not results.counts:
        told.insert(
            0, f"done {number(progress.done)}" + (f" of {number(progress.total)}" if progress.total else "")
        )
    text = ", ".join(told) or "finished"
    lines = [f"{text[:1].upper()}{text[1:]} in {duration(elapsed)}"]
    lines += [
        f"  failed {one_line(failure.item)}" + (f": {one_line(failure.reason)}" if failure.reason else "")
        for failure in results.failed[:SHOWN]
    ]
    if results.failures > SHOWN and results.failed:
        lines.append(f"  and {number(results.failures - SHOWN)} more; all of them: {see_all}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Return `0.4 s`, `14 s`, `2 m 14 s`, `3 h 2 m` or `2 d 4 h`."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds a tenth is worth telling
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    for size, unit, part, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {small}"
    return f"{whole} s"
