"""What a person is told when a run has ended: what it did, whether that is proved, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.folder import signal_name
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.terminal.bar import number
from corpus_backfill_plugin.text import duration, one_line

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.finish import Finished
    from corpus_backfill_plugin.agent.output import Results
    from corpus_backfill_plugin.agent.progress import Progress, View

SHOWN = 5
"""Failed items named; for the others there is a command."""


def close(finished: Finished, name: str, number: int | None) -> int:
    """Say on stderr what the script's output can't, and return the CLI's exit code for it.

    Args:
        finished: what the run came to.
        name: how to call it, `duration (run 12)`.
        number: its number; None when it has no record.

    Raises:
        BackfillError: how it ended is not known.
    """
    outcome, results, proof = finished.outcome, finished.results, finished.proof
    if results.counts or results.failures or finished.view:
        see_all = "see its output" if number is None else f"backfill runs show {number} --json"
        for line in summary(results, finished.view, outcome.took or 0.0, see_all=see_all).splitlines():
            notify(line)
    if outcome.state == "lost":
        raise BackfillError(
            f"{name} is lost: {outcome.reason}",
            "None of its processes is left. Look at its output, then decide whether to run it again.",
        )
    if outcome.signal is not None or outcome.state == "stopped":
        end = "ended" if outcome.signal is None else f"died of {signal_name(outcome.signal)}"
        why = f" after a stop was asked for ({outcome.reason})" if outcome.state == "stopped" else ""
        notify(f"{name} {end}{why}.")
    elif outcome.state in {"incomplete", "unverified"}:
        notify(f"{name} is {outcome.state}: {outcome.reason}")
    elif outcome.state == "failed" and outcome.reason:
        notify(f"{name} failed: {outcome.reason}")
    elif proof.state == "held":
        notify(f"{name}: {proof.reason}")
    elif proof.state == "skipped":
        notify(f"{name}: not checked: {proof.reason}")
    return outcome.code


def summary(
    results: Results, progress: Progress | View | None, elapsed: float, *, see_all: str = "backfill runs show"
) -> str:
    """Return `Updated 12, failed 1 in 2m 14s` and, on lines of their own, the first failed items.

    Args:
        results: what the script said it did; without counts, `progress` is used instead.
        progress: how far it came, None when it never said.
        elapsed: seconds that the run took.
        see_all: the command that lists all failures.
    """
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
