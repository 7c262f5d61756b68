"""`backfill runs apply`: what another person previewed, run exactly so or not at all."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpus_backfill_plugin.agent.records import without_secrets
from corpus_backfill_plugin.agent.state import state_root
from corpus_backfill_plugin.agent.verify import Counted
from corpus_backfill_plugin.command import ask, control_options, site_of
from corpus_backfill_plugin.commands.replay import Replayed, replay_plan
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.params import DurationText
from corpus_backfill_plugin.plans.make import count_left, why_not_counted
from corpus_backfill_plugin.plans.plan import differences, read_plan
from corpus_backfill_plugin.runs.execute import execute
from corpus_backfill_plugin.runs.report import clock_time
from corpus_backfill_plugin.runs.viewer import Signals
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from corpus_backfill_plugin.agent.records import RunRequest
    from corpus_backfill_plugin.plans.plan import Plan

_OURS = ("server_path_", "python_", "debug_", "wait_")


def check_tolerance(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Return `value` if it is like `20` or `5%`."""
    if not re.fullmatch(r"\d{1,15}(\.\d{1,6})?%?", value, re.ASCII):
        raise click.BadParameter(f"{value!r} is neither a number like 20 nor a part like 5%", ctx, param)
    return value


@click.command(params=[option for option in control_options() if option.name in _OURS])
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--max-age", metavar="TIME", default="24h", show_default=True, type=DurationText(),
    help="How old the plan may be, like 90m or 3d.",
)  # fmt: skip
@click.option(
    "--tolerance", metavar="N|P%", default="0", show_default=True, callback=check_tolerance,
    help="By how much the count to do may be off, like 20 or 5%.",
)  # fmt: skip
@click.option(
    "-d", "--database-url", metavar="URL", help="Its database, with the password. [env: DATABASE_URL]"
)
@click.pass_context
def apply(ctx: click.Context, /, *, file: Path, yes: bool, max_age: str, tolerance: str, **_: object) -> None:
    """Run exactly what the plan in FILE says, or name each difference and run nothing.

    A plan is made by --plan FILE on a command. It runs in your own server app, as any command does. Nothing
    is run before you have seen what it would be and said yes; then what is left to do is counted.
    """
    (plan, is_ours), oldest = read_plan(file, state_root()), parse_duration(max_age)

    def replayed() -> Replayed:
        parent = plan.run if is_ours else None
        return replay_plan(plan, site_of(ctx).anew(), ctx.params["database_url"], parent)

    def compared() -> RunRequest:
        now = replayed()
        _refuse(plan, now.request, max_age=oldest)
        if plan.left:
            counted = Counted(reason=why_not_counted(now.script, now.request))
            with Signals() as signals:
                if not counted.reason:
                    counted = count_left(*now, lambda: bool(signals.pending))
            if signals.pending:
                ctx.exit(128 + signals.pending[0])
            _refuse(plan, now.request, counted=counted, tolerance=tolerance)
            _report({"left now": _counts(counted.counts, plan.left)})
        return now.request

    first = replayed().request
    _report(_facts(plan, first, here=is_ours))
    _refuse(plan, first, max_age=oldest)
    if not yes:
        ask(f"Run {one_line(plan.command)} as planned?")
    # Whoever was asked may have gone for lunch, and the lock may come hours later: all is compared again.
    ctx.exit(execute(compared(), wait=ctx.params["wait_"], fresh=compared))


def _refuse(plan: Plan, request: RunRequest, **limits: Any) -> None:  # noqa: ANN401 - of differences
    if found := differences(plan, request, now=datetime.now(UTC), **limits):
        lines = "\n".join(f"  {one_line(each)}" for each in found)
        problem = f"not run: it would not be what was planned:\n{lines}"
        raise BackfillError(problem, "Make a new plan, and look at what it says.")


def _facts(plan: Plan, request: RunRequest, *, here: bool) -> dict[str, str]:
    """Return what the plan says, and what it would run on here.

    The database and the options, which hold it, are the applier's: the file could name any.
    """
    options = without_secrets(request).options
    previewed = [f"{name.replace('_', ' ')} {value}" for name, value in plan.previewed.items()]
    left = _counts(plan.left, plan.left) or f"not compared: nothing was counted: {plan.not_counted}"
    return {
        "plan": f"{plan.sha256[:12]}, {'as it was made here' if here else 'not made here'}",
        "made": f"{clock_time(plan.made.timestamp())} by {plan.user} on {plan.host}, from dry run {plan.run}",
        "command": plan.command,
        "arguments": shlex.join(plan.arguments) or "(none)",
        "options": " ".join(f"{name}={value}" for name, value in options.items()) or "(none)",
        "server": f"{request.server} at {request.server_commit or 'no commit'}",
        "planned for": f"{plan.server} at {plan.server_commit or 'no commit'}",
        "database": request.database or "(none)",
        "dry run said": ", ".join(previewed) or "(no counts)",
        "left then": left,
    }


def _report(facts: dict[str, str]) -> None:
    """Write facts to stderr: stdout is the script's."""
    for name, value in facts.items():
        click.echo(f"{name:<12}  {one_line(value)}", err=True)


def _counts(counts: dict[str, int], names: Iterable[str]) -> str:
    return ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in names if name in counts)
