"""What a run says it did: named counts, and the items that failed, with reasons.

All of it is bounded, whatever a script prints. Texts are kept as they were printed; whoever shows them
escapes them (`display.one_line`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from corpus_backfill_plugin.watch.numbers import count

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

MAX_FAILED = 10_000
"""Failed items kept; those beyond are counted only."""

MAX_ITEM = 1_000
"""Characters. An item that is longer is counted and not kept: a cut one would name something else."""

MAX_REASON = 500
"""Characters of a reason that are kept."""


class Failure(msgspec.Struct, frozen=True):
    """One item that failed, as the script printed it.

    Attributes:
        item: what failed.
        reason: why; empty when the script did not say.
        masked: whether a secret was taken out of `item`, which names nothing any more.
    """

    item: str
    reason: str = ""
    masked: bool = False


class Results(msgspec.Struct, frozen=True):
    """What was said so far.

    Attributes:
        counts: by name, in the order of first mention; the last value said wins.
        failed: the first `MAX_FAILED` failures, in order.
        failed_total: how many failures were printed, also those not kept.
    """

    counts: dict[str, int] = {}
    failed: tuple[Failure, ...] = ()
    failed_total: int = 0

    @property
    def failures(self) -> int:
        """How many failed: the script's own count `failed` when it is higher than what it listed."""
        return max(self.failed_total, self.counts.get("failed", 0))


def add_counts(results: Results, found: re.Match[str]) -> Results:
    """Return `results` with the counts that a `result` pattern found; what is no whole number is left out."""
    said = {name: count(text) for name, text in found.groupdict().items()}
    counts = {name: number for name, number in said.items() if isinstance(number, int)}
    if not counts:
        return results
    return msgspec.structs.replace(results, counts={**results.counts, **counts})


def add_failures(results: Results, found: Iterable[re.Match[str]]) -> Results:
    """Return `results` with the failures that the `failed` pattern found, in order."""
    groups = [match.groupdict() for match in found]
    if not groups:
        return results
    room = MAX_FAILED - len(results.failed)
    kept = tuple(
        Failure(item=said["item"], reason=(said.get("reason") or "")[:MAX_REASON])
        for said in groups[:room]
        if said.get("item") and len(said["item"]) <= MAX_ITEM
    )
    return msgspec.structs.replace(
        results,
        failed=results.failed + kept if kept else results.failed,
        failed_total=results.failed_total + len(groups),
    )
