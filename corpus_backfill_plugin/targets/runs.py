"""Runs at a target, as its ledger has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.plain import build
from corpus_backfill_plugin.agent.records import RunRecord
from corpus_backfill_plugin.targets.channel import ask

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.records import Failure
    from corpus_backfill_plugin.targets.channel import Place


class Known(NamedTuple):
    """What a target knows of one run; answers as its ledger would."""

    record: RunRecord
    others: list[int]

    def failed_items(self, number: int) -> tuple[Failure, ...]:  # noqa: ARG002 - as of Ledger
        """Return the items that failed, as far as they were kept."""
        return self.record.failed

    def repeats(self, number: int) -> list[int]:  # noqa: ARG002 - same
        """Return the numbers of the runs that repeat or retry it."""
        return self.others


def select(place: Place, *, state: str | None, command: str | None, limit: int) -> list[RunRecord]:
    """Return runs at a target, the newest first. Arguments as of `Ledger.select`."""
    found = ask(place, "runs", state=state, command=command, limit=limit)
    for damaged in found["damaged"]:
        notify(f"Warning: run {damaged} on {place.name} is left out, as its row is damaged.")
    return [build(RunRecord, record) for record in found["records"]]


def find(place: Place, number: int | None) -> Known:
    """Return run `number` of a target, its latest for None."""
    found = ask(place, "show", run=number)
    return Known(build(RunRecord, found["record"]), found["repeats"])


def stop(place: Place, number: int | None, after: float) -> RunRecord:
    """Stop a run there and return its record, once its processes are proved to be gone."""
    return build(RunRecord, ask(place, "stop", run=number, after=after)["ended"])


def prune(place: Place, older_than: float, keep: int) -> int:
    """Forget runs there that ended long ago, and return how many."""
    forgotten: int = ask(place, "prune", older_than=older_than, keep=keep)["forgotten"]
    return forgotten
