"""A run as facts for programs: `runs show --json`, and what the operator's program for the end is given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.agent.plain import plain
from corpus_backfill_plugin.agent.records import RunRecord

if TYPE_CHECKING:
    from typing import Protocol

    from corpus_backfill_plugin.agent.records import Failure

    class Beside(Protocol):
        """What is kept of a run beside its row: a ledger, or what another machine said of its own."""

        def failed_items(self, number: int) -> tuple[Failure, ...]:
            """Return the items of a run that failed."""

        def repeats(self, number: int) -> list[int]:
            """Return the runs that repeat or retry a run."""


_LEFT_OUT = {"number", "failed", "token", "boot", "view", "seen", "proof", "proof_reason"}
_SHOWN = ("number", *(name for name in RunRecord._fields if name not in _LEFT_OUT))


def facts(record: RunRecord) -> dict[str, Any]:
    """Return `record` as JSON shows it: times as ISO 8601 in UTC, durations in seconds."""
    return {name: getattr(record, name) for name in _SHOWN} | {
        "started": _iso(record.started),
        "ended": _iso(record.ended),
        "progress": None if record.view is None else plain(record.view),
        "masked": None if record.state == "running" else record.masked,
        "proof": {"state": record.proof, "reason": record.proof_reason} if record.proof else None,
    }


def all_facts(record: RunRecord, ledger: Beside) -> dict[str, Any]:
    """Return `facts` with what is in the ledger beside the row: items that failed, runs that repeat it."""
    return facts(record) | {
        "failed": [{"item": f.item, "reason": f.reason} for f in ledger.failed_items(record.number)],
        "retries": ledger.repeats(record.number),
    }


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
