"""`backfill runs rerun` and `backfill runs retry`: a recorded run repeated, or what failed in it."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.agent.attach import find
from corpus_backfill_plugin.agent.database import is_same
from corpus_backfill_plugin.agent.records import ITEMS_FILE, without_secrets
from corpus_backfill_plugin.agent.redact import HIDDEN
from corpus_backfill_plugin.command import FLAGS, confirm
from corpus_backfill_plugin.commands.replay import replay_run
from corpus_backfill_plugin.commands.shared import number_argument, opened_ledger
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.prepare import NO_VERIFY
from corpus_backfill_plugin.runs.execute import execute
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.folder import RunFolder
    from corpus_backfill_plugin.agent.output import Failure
    from corpus_backfill_plugin.agent.records import RunRecord, RunRequest

_NAMED = 3
"""Items that a message names at most."""


@click.command()
@number_argument
@click.option("--anyway", is_flag=True, help="Also if script, spec, arguments or database have changed.")
@click.option("--yes", is_flag=True, help=FLAGS["yes"])
@click.pass_context
def rerun(ctx: click.Context, *, number: int | None, anyway: bool, yes: bool) -> None:
    """Run again what run N did, the latest if left out, with the same options."""
    with opened_ledger() as (state, ledger):
        record, folder = find(state, ledger, number)
    request = replay_run(record, os.environ, verify=was_verified(folder))
    changed = changes_since(record, request)
    if changed and not anyway:
        raise BackfillError(
            f"run {record.number} can't be repeated as it was: {'; '.join(changed)}",
            "Look at the change, then repeat it --anyway.",
        )
    confirm(request, yes=yes)
    ctx.exit(execute(request))


@click.command()
@number_argument
@click.option(
    "--anyway", is_flag=True, help="Also if not all failed items were kept, or the database is another."
)
@click.option("--detach", is_flag=True, help=FLAGS["detach"])
@click.option("--wait", is_flag=True, help=FLAGS["wait"])
@click.option("--yes", is_flag=True, help=FLAGS["yes"])
@click.pass_context
def retry(
    ctx: click.Context, *, number: int | None, anyway: bool, detach: bool, wait: bool, yes: bool
) -> None:
    """Run again only what failed in run N, the latest if left out."""
    with opened_ledger() as (state, ledger):
        record, folder = find(state, ledger, number)
        failed = ledger.failed_items(record.number)
    check_retryable(record, failed, anyway=anyway)
    items = tuple(dict.fromkeys(failure.item for failure in failed if not failure.masked))
    fresh = partial(replay_run, record, os.environ, items, verify=was_verified(folder))
    request = fresh()
    if (database := other_database(record, request)) and not anyway:
        raise BackfillError(database, "Set DATABASE_URL as it was, or retry --anyway.")
    confirm(request, yes=yes)
    ctx.exit(execute(request, detach=detach, wait=wait, fresh=fresh))


def was_verified(folder: RunFolder) -> bool:
    """Return whether a run was to be verified, as far as its folder says: not if it was `--no-verify`."""
    metadata = folder.metadata()
    return metadata is None or metadata.request.not_checked != NO_VERIFY


def changes_since(record: RunRecord, request: RunRequest) -> list[str]:
    """Return what would not be as in `record` when `request` is run, a sentence each."""
    words = without_secrets(request).invocation.argv
    # The file of items is another one in each run.
    same_words = len(record.arguments) == len(words) and all(
        new in (old, ITEMS_FILE) for old, new in zip(record.arguments, words, strict=True)
    )
    found = {
        "the script has changed": record.script_hash != request.script_hash,
        "the spec has changed": record.spec_hash != request.spec_hash,
        (database := other_database(record, request)): bool(database),
        "the argument list has changed": not same_words,
    }
    return [sentence for sentence, changed in found.items() if changed]


def other_database(record: RunRecord, request: RunRequest) -> str:
    """Return how the database of `request` is not certain to be that of `record`; empty when it is."""
    if is_same(record.database, request.database):
        return ""
    if HIDDEN in (record.database, request.database):
        return f"the database can't be compared with that of run {record.number}: its name is not certain"
    return f"run {record.number} worked on {record.database}, now it would be {request.database}"


def check_retryable(record: RunRecord, failed: tuple[Failure, ...], *, anyway: bool) -> None:
    """Check that a run has ended, items of it failed, and it is known which: for `anyway`, some of them."""
    masked = [failure.item for failure in failed if failure.masked]
    items = len({failure.item for failure in failed if not failure.masked})
    hint = f"`backfill runs rerun {record.number}` runs all of it again."
    problem = f"{record.failures:,} items failed in run {record.number}"
    if record.state == "running":
        problem, hint = f"run {record.number} still runs", "Retry it when it has ended."
    elif not record.failures:
        problem = f"nothing failed in run {record.number}, as far as its output says"
    elif not items and not masked:
        problem += ", but it is not known which"
        hint += " Its spec names them by `failed` in [output]."
    elif items and (anyway or (not masked and items >= record.failures)):
        return
    elif masked:
        names = one_line(", ".join(masked[:_NAMED])) + (", ..." if len(masked) > _NAMED else "")
        problem = f"{len(masked):,} of the items that failed in run {record.number} held a secret, "
        problem += f"which was not kept: {names}"
        hint += f" --anyway retries the other {items:,}." if items else ""
    else:
        problem += f", of which {items:,} were kept"
        hint += f" --anyway retries those {items:,}."
    raise BackfillError(problem, hint)
