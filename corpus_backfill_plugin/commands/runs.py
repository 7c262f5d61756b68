"""`backfill runs`: what ran, what runs, and what to do about it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from corpus_backfill_plugin.agent.attach import find, stop_run
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.facts import all_facts, facts
from corpus_backfill_plugin.agent.folder import STREAMS
from corpus_backfill_plugin.agent.records import STATES
from corpus_backfill_plugin.agent.recover import current
from corpus_backfill_plugin.agent.state import current_user
from corpus_backfill_plugin.commands.replay import apply, rerun, retry
from corpus_backfill_plugin.commands.shared import (
    json_option,
    number_argument,
    on_option,
    opened_ledger,
    place_of,
)
from corpus_backfill_plugin.params import DurationText
from corpus_backfill_plugin.runs.attach import attach, show_logs
from corpus_backfill_plugin.runs.report import COLUMNS, details, row
from corpus_backfill_plugin.specs.values import MAX_SECONDS, parse_duration
from corpus_backfill_plugin.terminal.table import write_facts, write_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpus_backfill_plugin.agent.records import RunRecord
    from corpus_backfill_plugin.targets.channel import Place


def _finite(ctx: click.Context, param: click.Parameter, value: float) -> float:
    if not value <= MAX_SECONDS:  # nan is not
        raise click.BadParameter(f"{value:g} is no number of seconds that can be waited", ctx, param)
    return value


@click.group(invoke_without_command=True)
@click.option("--state", type=click.Choice(STATES), help="Only runs in this state.")
@click.option("--command", metavar="NAME", help="Only runs of this command.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="0 for all.")
@on_option
@json_option
@click.pass_context
def runs(ctx: click.Context, /, **chosen: Any) -> None:  # noqa: ANN401  the options of the list
    """List runs, the newest first; the subcommands follow, stop and repeat them."""
    if ctx.invoked_subcommand is None:
        list_runs(**chosen)


def list_runs(*, as_json: bool, limit: int, command: str | None, state: str | None) -> None:
    """List runs, the newest first."""
    if place := place_of(click.get_current_context()):
        from corpus_backfill_plugin.targets.runs import select

        _write(select(place, state=state, command=command, limit=limit), as_json=as_json)
        return
    with opened_ledger() as (folder, ledger):
        found = ledger.select(state=state, command=command, limit=limit)
        records = [current(record, folder) for record in found]
        for damaged in sorted(ledger.damaged):
            notify(f"Warning: run {damaged} is left out, as its row is damaged; see `backfill doctor`.")
    _write(records, as_json=as_json)


def _write(records: list[RunRecord], *, as_json: bool) -> None:
    write_rows([facts(r) if as_json else row(r) for r in records], COLUMNS, as_json=as_json)


runs.add_command(click.Command("list", params=runs.params, callback=list_runs, help=list_runs.__doc__))


@runs.command("show")
@number_argument
@json_option
@on_option
@click.pass_context
def show_run(ctx: click.Context, *, number: int | None, as_json: bool) -> None:
    """Show all that is known of run N, the latest if left out."""
    bar = sys.stdout.isatty()
    if place := place_of(ctx):
        from corpus_backfill_plugin.targets import runs as far

        known = far.find(place, number)
        record = known.record
        shown = all_facts(record, known) if as_json else details(record, known, with_bar=bar)
        write_facts(shown, as_json=as_json)
        return
    with opened_ledger() as (state, ledger):
        record, _ = find(state, ledger, number)
        shown = all_facts(record, ledger) if as_json else details(record, ledger, with_bar=bar)
    write_facts(shown, as_json=as_json)


@runs.command()
@number_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends; Ctrl-C leaves it going on.")
@click.option("--stdout", "only", flag_value="stdout", help="Only what went to stdout.")
@click.option("--stderr", "only", flag_value="stderr", help="Only what went to stderr.")
@on_option
@click.pass_context
def logs(ctx: click.Context, *, number: int | None, follow: bool, only: str | None) -> None:
    """Write the output of run N, the latest if left out, each stream to its own."""
    if place := place_of(ctx):
        ctx.exit(_watch(place, number, follow=follow, streams=(only,) if only else STREAMS, bare=True))
    with opened_ledger() as (state, ledger):
        _, folder = find(state, ledger, number)
    ctx.exit(show_logs(folder, (only,) if only else STREAMS, follow=follow))


@runs.command("attach")
@number_argument
@on_option
@click.pass_context
def attach_command(ctx: click.Context, *, number: int | None) -> None:
    """Watch run N, the latest if left out, as if it had been started here; ends with its exit code."""
    if place := place_of(ctx):
        ctx.exit(_watch(place, number))
    with opened_ledger() as (state, ledger):
        ctx.exit(attach(*find(state, ledger, number), ledger))


def _watch(
    place: Place,
    number: int | None,
    *,
    follow: bool = True,
    streams: Sequence[str] = STREAMS,
    bare: bool = False,
) -> int:
    from corpus_backfill_plugin.targets.watch import Watch

    request = place.request("follow", run=number, until_end=follow)
    return Watch(place, request, streams=streams, bare=bare).to_the_end()


@runs.command("stop")
@number_argument
@click.option(
    "--after", metavar="SECONDS", type=click.FloatRange(min=0), default=10.0, show_default=True,
    callback=_finite, help="How long the script may take to end by itself, before SIGTERM and SIGKILL.",
)  # fmt: skip
@on_option
@click.pass_context
def stop_command(ctx: click.Context, *, number: int | None, after: float) -> None:
    """Stop run N, the latest if left out; returns when all of its processes are proved to be gone."""
    if place := place_of(ctx):
        from corpus_backfill_plugin.targets import runs as far

        record = far.stop(place, number, after)
    else:
        with opened_ledger() as (state, ledger):
            record = stop_run(*find(state, ledger, number), ledger, after, current_user())
    click.echo(f"Run {record.number} has ended: {record.state}.", err=True)


@runs.command("prune")
@click.option("--older-than", metavar="AGE", type=DurationText(), required=True, help="Such as 30d.")
@click.option("--keep", metavar="K", type=click.IntRange(min=0), default=0, help="But never the newest K.")
@on_option
@click.pass_context
def prune_command(ctx: click.Context, *, older_than: str, keep: int) -> None:
    """Forget runs that ended long ago, with their logs; never one that runs."""
    if place := place_of(ctx):
        from corpus_backfill_plugin.targets import runs as far

        forgotten = far.prune(place, parse_duration(older_than), keep)
    else:
        from corpus_backfill_plugin.agent.recover import prune

        with opened_ledger() as (state, ledger):
            forgotten = len(prune(state, ledger, parse_duration(older_than), keep))
    click.echo(f"Forgot {forgotten} run{'s' * (forgotten != 1)}.", err=True)


for command in (apply, rerun, retry):
    runs.add_command(command)
