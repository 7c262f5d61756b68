"""`backfill runs apply`: what another person previewed, run exactly so or not at all."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.command import control_options, site_of
from corpus_backfill_plugin.display import one_line
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.params import DurationText
from corpus_backfill_plugin.plan.file import changed, read_plan, remembered
from corpus_backfill_plugin.plan.make import count_to_do, why_not_counted
from corpus_backfill_plugin.plan.model import Tolerance, differences
from corpus_backfill_plugin.plan.renew import renew
from corpus_backfill_plugin.run.count import Counted
from corpus_backfill_plugin.run.execute import execute
from corpus_backfill_plugin.run.report import clock_time
from corpus_backfill_plugin.run.state import state_root
from corpus_backfill_plugin.run.watch import Signals
from corpus_backfill_plugin.site import Site
from corpus_backfill_plugin.spec.values import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from corpus_backfill_plugin.plan.model import Plan
    from corpus_backfill_plugin.plan.renew import Renewed

_OURS = ("server_path_", "python_", "debug_", "wait_")


def _tolerance(ctx: click.Context, param: click.Parameter, value: str) -> Tolerance:
    try:
        return Tolerance.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command(params=[option for option in control_options() if option.name in _OURS])
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--max-age", metavar="TIME", default="24h", show_default=True, type=DurationText(),
    help="How old the plan may be, like 90m or 3d.",
)  # fmt: skip
@click.option(
    "--tolerance", metavar="N|P%", default="0", show_default=True, callback=_tolerance,
    help="By how much the count to do may be off, like 20 or 5%.",
)  # fmt: skip
@click.option(
    "-d", "--database-url", metavar="URL", help="Its database, with the password. [env: DATABASE_URL]"
)
@click.pass_context
def apply(
    ctx: click.Context,
    /,
    *,
    file: Path,
    yes: bool,
    max_age: str,
    tolerance: Tolerance,
    database_url: str | None,
    **_: object,
) -> None:
    """Run exactly what the plan in FILE says, or name each difference and run nothing.

    A plan is made by --plan FILE on a command. It runs in the server app that it was made for, unless
    --server-path names another that is the same.
    """
    plan, oldest = read_plan(file), parse_duration(max_age)
    known = remembered(state_root(), plan)
    if known is not None and known != plan.sha256:
        raise changed(file)
    site = site_of(ctx)
    if site.server_path is None:
        site = Site(site.environ, plan.server, site.python)
    renewed = renew(plan, site, database_url=database_url, parent=plan.run if known else None)
    counted = _counted(plan, renewed)
    _show(plan, counted, here=known is not None)
    _refuse(differences(
        plan, renewed.request, now=datetime.now(UTC), counted=counted, max_age=oldest, tolerance=tolerance
    ))  # fmt: skip
    if not yes:
        _ask(plan)
        # Whoever was asked may have gone for lunch: what is quick to see is looked at again.
        site = Site(site.environ, site.server_path, site.python)
        renewed = renew(plan, site, database_url=database_url, parent=plan.run if known else None)
        _refuse(differences(plan, renewed.request, now=datetime.now(UTC), max_age=oldest))
    ctx.exit(execute(renewed.request, wait=ctx.params["wait_"]))


def _counted(plan: Plan, renewed: Renewed) -> Counted | None:
    """Count what is left to do, if that was planned."""
    if not plan.left:
        return None
    if reason := why_not_counted(renewed.script, renewed.request):
        return Counted(reason=reason)
    with Signals() as signals:
        counted = count_to_do(
            renewed.script, renewed.selection, renewed.request, lambda: bool(signals.pending)
        )
        if signals.pending:
            raise click.exceptions.Exit(128 + signals.pending[0])
    return counted


def _refuse(found: tuple[str, ...]) -> None:
    if found:
        raise BackfillError(
            "not run: it would not be what was planned:\n"
            + "\n".join(f"  {one_line(each)}" for each in found),
            "Make a new plan, and look at what it says.",
        )


def _show(plan: Plan, counted: Counted | None, *, here: bool) -> None:
    """Tell what would be run, on stderr: stdout is the script's."""
    now = _counts(counted.counts, plan.left) if counted else ""
    facts = {
        "plan": f"{plan.sha256[:12]}, {'as it was made here' if here else 'not made here'}",
        "made": f"{clock_time(plan.made.timestamp())} by {plan.user} on {plan.host}, from dry run {plan.run}",
        "command": plan.command,
        "arguments": shlex.join(plan.arguments) or "(none)",
        "options": " ".join(f"{name}={value}" for name, value in plan.options.items()) or "(none)",
        "server": f"{plan.server} at {plan.server_commit or 'no commit'}",
        "database": plan.database or "(none)",
        "dry run said": ", ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in plan.previewed.items()
        )
        or "(no counts)",
        "left to do": f"{_counts(plan.left, plan.left)} then, {now or 'not known'} now"
        if plan.left
        else f"not compared: nothing was counted: {plan.not_counted}",
    }
    for name, value in facts.items():
        click.echo(f"{name:<12}  {one_line(value)}", err=True)


def _counts(counts: dict[str, int], names: Iterable[str]) -> str:
    return ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in names if name in counts)


def _ask(plan: Plan) -> None:
    try:
        agreed = click.confirm(f"Run {one_line(plan.command)} as planned?", err=True)
    except click.Abort:
        raise BackfillError(
            "not run: nobody answered", "Give --yes to run it without the question."
        ) from None
    if not agreed:
        raise BackfillError("not run")
