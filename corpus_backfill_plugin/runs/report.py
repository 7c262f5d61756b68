"""A run as facts for programs, and as cells for people. Both come from the record alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.facts import all_facts
from corpus_backfill_plugin.agent.processes import signal_name
from corpus_backfill_plugin.terminal import bar
from corpus_backfill_plugin.text import duration

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.facts import Beside
    from corpus_backfill_plugin.agent.records import RunRecord

COLUMNS = ("number", "state", "command", "started", "took", "exit", "progress", "who")
_SHOWN = 10
_WIDTH = 79


def row(record: RunRecord) -> dict[str, str]:
    """Return what a table shows of `record`; the keys are `COLUMNS`."""
    return {
        "number": str(record.number),
        "state": record.state,
        "command": record.command,
        "started": clock_time(record.started),
        "took": "-" if record.took is None else duration(record.took),
        "exit": _exit(record),
        "progress": _progress(record),
        "who": f"{record.user}@{record.host}",
    }


def details(record: RunRecord, ledger: Beside, *, with_bar: bool) -> dict[str, object]:
    """Return what `runs show` prints: the table's cells, then all that is known and not empty."""
    skipped = {"exit_code", "signal", "ended", "user", "host", "lock_key", "given", "masked", "failed"}
    known = all_facts(record, ledger)
    rest = {name: value for name, value in known.items() if name not in row(record).keys() | skipped}
    rest["options"] = [f"{name}={value}" for name, value in record.options.items()]
    searched = {None: "no", True: "yes, and found", False: "yes"}[record.masked]
    rest["logs searched for secrets"] = "not yet" if record.state == "running" else searched
    rest["counts"] = [f"{name}={value}" for name, value in record.counts.items()]
    rest["failures"] = record.failures or None
    rest["failed"] = [f"{f['item']}: {f['reason']}" if f["reason"] else f["item"] for f in known["failed"]]
    if len(rest["failed"]) > _SHOWN:
        rest["failed"][_SHOWN:] = [f"and {len(rest['failed']) - _SHOWN:,} more, see --json"]
    rest["proof"] = _PROOF_PREFIX.get(record.proof, "") + (record.proof_reason or record.proof)
    if record.view is not None:
        rest["progress"] = bar.draw(record.view, _WIDTH) if with_bar else bar.plain(record.view)
    shown = {name.replace("_", " "): value for name, value in rest.items() if value not in (None, "", [], ())}
    return row(record) | {"ended": clock_time(record.ended)} | shown


def clock_time(moment: float | None) -> str:
    """Return a moment (seconds since the epoch) in the operator's time, `-` for None."""
    return "-" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


_PROOF_PREFIX = {"unknown": "not known: ", "skipped": "not checked: "}


def _progress(record: RunRecord) -> str:
    """Return how far a run is, in a few characters; `-` when it has not said so."""
    parts = []
    if view := record.view:
        done = f"{bar.number(view.done)} done" if view.total is None else f"{bar.number(view.done)}?"
        parts.append(done if view.fraction is None else f"{int(view.fraction * 100)}%")
        if record.state == "running" and view.eta is not None:
            parts.append(f"ETA {bar.clock(view.eta)}")
    if record.failures:
        parts.append(f"{bar.number(record.failures)} failed")
    return ", ".join(parts) or "-"


def _exit(record: RunRecord) -> str:
    if record.signal is not None:
        return signal_name(record.signal)
    return "-" if record.exit_code is None else str(record.exit_code)
