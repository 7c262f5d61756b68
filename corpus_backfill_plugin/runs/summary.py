"""What is reported when a run has ended: what it did, whether that is verified, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.outcome import exit_code
from corpus_backfill_plugin.agent.output import Results
from corpus_backfill_plugin.agent.processes import signal_name
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.terminal.bar import number
from corpus_backfill_plugin.text import duration, one_line

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.progress import View
    from corpus_backfill_plugin.agent.records import RunRecord

SHOWN = 5  # failed items named; for the others there is a command


def close(record: RunRecord, name: str) -> int:
    """Say on stderr what the script's output can't, and return the CLI's exit code for it."""
    results = Results(record.counts, record.failed, record.failures)
    if results.counts or results.failures or record.view:
        see_all = f"backfill runs show {record.number} --json" if record.number else "see its output"
        for line in summary(results, record.view, record.took or 0.0, see_all=see_all).splitlines():
            notify(line)
    if record.state == "lost":
        raise BackfillError(
            f"{name} is lost: {record.reason}",
            "None of its processes is left. Look at its output, then decide whether to run it again.",
        )
    if end := _end(record):
        notify(f"{name}{end}")
    return exit_code(record)


def _end(record: RunRecord) -> str:
    """Return how a run ended, to follow its name; nothing where its output says it all."""
    if record.signal is not None or record.state == "stopped":
        end = "ended" if record.signal is None else f"died of {signal_name(record.signal)}"
        why = f" after a stop was asked for ({record.reason})" if record.state == "stopped" else ""
        return f" {end}{why}."
    if record.state in {"incomplete", "unverified"}:
        return f" is {record.state}: {record.reason}"
    if record.state == "failed":
        return f" failed: {record.reason}" if record.reason else ""
    checked = {"held": ": ", "skipped": ": not checked: "}.get(record.proof)
    return f"{checked}{record.proof_reason}" if checked else ""


def summary(
    results: Results, progress: View | None, elapsed: float, *, see_all: str = "backfill runs show"
) -> str:
    """Return `Updated 12, failed 1 in 2m 14s` and, on lines of their own, the first failed items."""
    counts = dict(results.counts)
    if results.failures:
        counts["failed"] = results.failures
    parts = [f"{name.replace('_', ' ')} {number(value)}" for name, value in counts.items()]
    if progress is not None and not results.counts:
        parts.insert(
            0, f"done {number(progress.done)}" + (f" of {number(progress.total)}" if progress.total else "")
        )
    text = ", ".join(parts) or "finished"
    lines = [f"{text[:1].upper()}{text[1:]} in {duration(elapsed)}"]
    lines += [
        f"  failed {one_line(failure.item)}" + (f": {one_line(failure.reason)}" if failure.reason else "")
        for failure in results.failed[:SHOWN]
    ]
    if results.failures > SHOWN and results.failed:
        lines.append(f"  and {number(results.failures - SHOWN)} more; all of them: {see_all}")
    return "\n".join(lines)
