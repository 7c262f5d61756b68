"""`backfill runs retry`: the items that failed in a run, and no others, run again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from corpus_backfill_plugin.command import FLAGS, confirm
from corpus_backfill_plugin.display import one_line
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.manage.repeat import items_options, other_database, recorded_values
from corpus_backfill_plugin.prepare import prepare, unbroken, unknown_words
from corpus_backfill_plugin.run.attach import find
from corpus_backfill_plugin.run.execute import execute
from corpus_backfill_plugin.run.ledger import Ledger
from corpus_backfill_plugin.run.reconcile import reconcile
from corpus_backfill_plugin.run.request import ITEMS_FILE
from corpus_backfill_plugin.run.state import open_state
from corpus_backfill_plugin.site import Site
from corpus_backfill_plugin.spec.selection import Selection, broken_rules
from corpus_backfill_plugin.spec.values import check_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from corpus_backfill_plugin.agent.output import Failure
    from corpus_backfill_plugin.run.record import RunRecord
    from corpus_backfill_plugin.run.request import RunRequest
    from corpus_backfill_plugin.spec.catalog import LoadedSpec
    from corpus_backfill_plugin.spec.model import Option

_NAMED = 3


@click.command()
@click.argument("number", metavar="[N]", type=click.IntRange(min=1), required=False)
@click.option(
    "--anyway", is_flag=True, help="Also if not all failed items were kept, or the database is another."
)
@click.option("--detach", is_flag=True, help="Start it, print the run's number, return.")
@click.option("--wait", is_flag=True, help="Wait while another run holds the lock.")
@click.option("--yes", is_flag=True, help=FLAGS["yes"])
@click.pass_context
def retry(
    ctx: click.Context, *, number: int | None, anyway: bool, detach: bool, wait: bool, yes: bool
) -> None:
    """Run again only what failed in run N, the latest if left out."""
    state = open_state()
    with Ledger(state.ledger) as ledger:
        reconcile(state, ledger)
        record, _ = find(state, ledger, number)
        failed = ledger.failed_items(record.number)
    check_retryable(record, failed, anyway=anyway)
    items = tuple(dict.fromkeys(failure.item for failure in failed if not failure.masked))

    def fresh() -> RunRequest:
        return retry_request(record, items, os.environ)

    request = fresh()
    if (database := other_database(record, request)) and not anyway:
        raise BackfillError(database, "Set DATABASE_URL as it was, or retry --anyway.")
    confirm(request, yes=yes)
    ctx.exit(execute(request, detach=detach, wait=wait, fresh=fresh))


def check_retryable(record: RunRecord, failed: tuple[Failure, ...], *, anyway: bool) -> None:
    """Check that a run has ended, that items of it failed, and that it is known which.

    Args:
        record: the run.
        failed: the items that failed, as far as they were kept.
        anyway: whether some of them are enough.

    Raises:
        BackfillError: it can't be retried; says why.
    """
    masked = [failure.item for failure in failed if failure.masked]
    items = len({failure.item for failure in failed if not failure.masked})
    again = f"`backfill runs rerun {record.number}` runs all of it again."
    if record.state == "running":
        raise BackfillError(f"run {record.number} still runs", "Retry it when it has ended.")
    if not record.failures:
        raise BackfillError(f"nothing failed in run {record.number}, as far as its output says", again)
    if masked and not (anyway and items):
        raise BackfillError(
            f"{len(masked):,} of the items that failed in run {record.number} held a secret, "
            f"which was not kept: {one_line(', '.join(masked[:_NAMED]))}"
            f"{', ...' if len(masked) > _NAMED else ''}",
            f"{again} --anyway retries the other {items:,}." if items else again,
        )
    if not items:
        raise BackfillError(
            f"{record.failures:,} items failed in run {record.number}, but it is not known which",
            f"{again} Its spec names them by `failed` in [output].",
        )
    if items < record.failures and not anyway:
        raise BackfillError(
            f"{record.failures:,} items failed in run {record.number}, of which {items:,} were kept",
            f"{again} --anyway retries those {items:,}.",
        )


def retry_request(record: RunRecord, items: tuple[str, ...], environ: Mapping[str, str]) -> RunRequest:
    """Return the request to run what `record` did, on `items` alone.

    All its options stay as they were, but for a limit. A dry run stays one.

    Args:
        record: the run.
        items: as its script printed them.
        environ: where secrets come from.

    Raises:
        BackfillError: the command, the option for it, or a secret is not there, or an item is not allowed.
    """
    site = Site(environ, record.server, environ.get("CORPUS_BACKFILL_PYTHON"))
    found = site.catalog.load(record.command)
    if found is None:
        raise BackfillError(f"there is no command {record.command} any more", "See `backfill specs list`.")
    spec = unbroken(found)
    option = next(iter(items_options(spec)), None)
    if option is None:
        raise BackfillError(
            f"{record.command} can't be told to work on some items alone",
            'Its spec would need an option with role = "retry-items".',
        )
    selection = _selection(spec, option, record, items, environ)
    if faults := broken_rules(spec.script, selection):
        raise BackfillError(
            f"--{option.name} can't be added to what run {record.number} was given: {faults[0]}"
        )
    request = prepare(spec, selection, site, parent=record.number)
    in_file = () if option.multiple else items
    _check_known(option, spec, request)
    return msgspec.structs.replace(request, items=in_file, timeout=record.timeout)


def _check_known(option: Option, spec: LoadedSpec, request: RunRequest) -> None:
    """Check that the script has `option`: one that ignores it would work on everything.

    Raises:
        BackfillError: its parser was read and does not have it.
    """
    if option.pass_env or option.pass_stdin or option.before_subcommand:
        return
    if unknown_words(spec.script, Path(request.script_path), (option.script_flag,)):
        raise BackfillError(
            f"{request.command} can't be told to work on some items alone: "
            f"the script has no {option.script_flag}",
            "Correct the spec; `backfill specs check` names the line.",
        )


def _selection(
    spec: LoadedSpec, option: Option, record: RunRecord, items: tuple[str, ...], environ: Mapping[str, str]
) -> Selection:
    limits = {o.name for o in spec.script.options if o.role == "limit"}
    values: dict[str, Any] = recorded_values(record, spec, environ, but={*limits, option.name})
    if option.multiple:
        for item in items:
            _check(option, item, record.number)
    values[option.name] = list(items) if option.multiple else ITEMS_FILE
    return Selection(values=values, given=(frozenset(record.given) - limits) | {option.name})


def _check(option: Option, item: str, number: int) -> None:
    try:
        check_value(option, item)
    except ValueError as error:
        raise BackfillError(
            f"an item that failed in run {number} can't be given by --{option.name}: {one_line(str(error))}"
        ) from None
