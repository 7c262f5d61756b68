"""`backfill status`: how much is left to do, of all commands side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from corpus_backfill_plugin.agent.database import is_same, shown
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.facts import facts
from corpus_backfill_plugin.agent.state import state_root
from corpus_backfill_plugin.command import checked_selection, control_options, script_command, site_of
from corpus_backfill_plugin.commands.shared import complete_name, json_option, opened_ledger, spec_named
from corpus_backfill_plugin.params import SpecOption
from corpus_backfill_plugin.plans import DATABASE_OPTION, count_left, why_not_counted
from corpus_backfill_plugin.prepare import prepare
from corpus_backfill_plugin.runs.report import clock_time
from corpus_backfill_plugin.runs.signals import Signals
from corpus_backfill_plugin.specs.catalog import BrokenSpec, LoadedSpec
from corpus_backfill_plugin.specs.model import COMMON_OPTIONS
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.terminal.table import write_rows
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from corpus_backfill_plugin.agent.records import RunRecord, RunRequest
    from corpus_backfill_plugin.agent.verify import Counted

AT_ONCE = 4
"""Counts at the same time: each is a query of one database, which is not to be swamped."""

RUNS_LOOKED_AT = 200
"""The newest runs of a command among which the last one on this server and database is looked for."""

NOT_COUNTABLE = "not countable"
_OURS = ("server_path_", "python_", "timeout_", "debug_")


class Status(NamedTuple):
    """What is known of one command: its state is `done`, `left`, `unknown` or `not countable`.

    Attributes:
        left: the counts that something is expected of, as people read them.
        reason: why it could not be counted although its spec says how.
        last_run: the last one on this server and database that was no dry run.
    """

    command: str
    state: str = "unknown"
    counts: Mapping[str, int] = {}
    left: str = "-"
    reason: str = ""
    database: str | None = None
    last_run: RunRecord | None = None


@click.command(
    params=[SpecOption(COMMON_OPTIONS[0]), *(option for option in control_options() if option.name in _OURS)]
)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_name)
@json_option
@click.pass_context
def status(ctx: click.Context, /, *, names: tuple[str, ...], as_json: bool, **_: object) -> None:
    """Count what is left to do for every command, or for those NAMED. Changes nothing.

    Each command is counted with its defaults. Exits 1 when a command could not be counted.
    """
    limit = ctx.params["timeout_"]
    with Signals() as signals:
        found = statuses(ctx, names, parse_duration(limit) if limit else 0, lambda: bool(signals.pending))
        if signals.pending:
            ctx.exit(128 + signals.pending[0])
    rows = [_status_facts(known) if as_json else _status_row(known) for known in found]
    write_rows(rows, ("command", "left", "last run", "note"), as_json=as_json)
    # A command whose spec declares no count is no trouble unless it was asked for by name.
    ctx.exit(1 if any(known.reason or (names and known.state == NOT_COUNTABLE) for known in found) else 0)


def statuses(
    ctx: click.Context, names: tuple[str, ...], seconds: float, stopped: Callable[[], bool]
) -> list[Status]:
    """Return what is known of each command, in the order of `names`, or of all names."""
    site = site_of(ctx)
    server = str(site.server.folder)  # without one, that is the only thing to report
    count = partial(count_left, stopped=stopped, seconds=seconds)
    specs = [spec_named(site, name) for name in dict.fromkeys(names or site.catalog.names())]
    shown = [spec for spec in specs if names or isinstance(spec, BrokenSpec) or not spec.script.hidden]
    counts = [_count_of(ctx, spec, count) for spec in shown]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(counted) for counted in counts]
        while wait(futures, timeout=0.1).not_done and not stopped():
            pass
        pool.shutdown(cancel_futures=True)
    if stopped():
        return []
    found = [future.result() for future in futures]
    last_runs = _last_runs(found, server)
    return [each._replace(last_run=last_runs.get(each.command)) for each in found]


def _count_of(
    ctx: click.Context, spec: LoadedSpec | BrokenSpec, count: Callable[..., Counted]
) -> Callable[[], Status]:
    """Return what counts a command; where nothing can be counted, what returns why."""
    url = ctx.params["database_url"]
    known = Status(spec.file.name, database=shown(url) if url else None)
    if isinstance(spec, BrokenSpec):
        return partial(known._replace, reason=f"its spec is broken: {spec.faults[0]}")
    command, words = script_command(spec), []
    if not spec.script.count_words:
        return partial(known._replace, state=NOT_COUNTABLE, left=NOT_COUNTABLE)
    if ctx.get_parameter_source("database_url") == ParameterSource.COMMANDLINE:
        if not any(option.name == DATABASE_OPTION for option in spec.script.options):
            reason = "it has no --database-url: call it without, or name other commands"
            return partial(known._replace, reason=reason)
        words = [f"--database-url={url}"]
    try:
        with command.make_context(spec.file.name, words, parent=ctx.parent or ctx) as inner:
            chosen = checked_selection(inner, spec.script)
        request = prepare(spec, chosen, site_of(ctx), verify=False, commit=False)
    except ServerError:
        raise
    except click.ClickException as error:
        return partial(known._replace, reason=error.format_message().replace("\n", " "))
    if reason := why_not_counted(spec.script, request):
        left = f"{NOT_COUNTABLE}: {reason}"
        return partial(known._replace, state=NOT_COUNTABLE, left=left, reason=reason)
    known = known._replace(database=request.database)
    return lambda: _counted(known, request, count(spec.script, chosen, request))


def _counted(known: Status, request: RunRequest, counted: Counted) -> Status:
    if counted.reason:
        return known._replace(counts=counted.counts, reason=counted.reason)
    expected = request.postcondition.expect if request.postcondition else {}
    left = (
        f"{counted.counts[name]} {name.replace('_', ' ')}" + (f" of {wanted}" if wanted else "")
        for name, wanted in expected.items()
    )
    state = "done" if expected.items() <= counted.counts.items() else "left"
    return known._replace(counts=counted.counts, state=state, left=", ".join(left) or "-")


def _last_runs(known: list[Status], server: str) -> dict[str, RunRecord]:
    """Return the last run of each command on its database. A ledger that can't be read is reported."""
    if not (state_root() / "ledger.sqlite3").exists():
        return {}
    try:
        with opened_ledger() as (_, ledger):
            return {
                each.command: run
                for each in known
                for run in reversed(ledger.select(command=each.command, limit=RUNS_LOOKED_AT))
                if run.server == server and not run.dry_run and is_same(run.database, each.database)
            }
    except AgentError as error:
        click.echo(f"Warning: {one_line(error.problem)}", err=True)
        return {}


def _status_facts(known: Status) -> dict[str, Any]:
    shown_too = {name: getattr(known, name) for name in ("command", "state", "reason", "counts")}
    return {**shown_too, "last_run": facts(known.last_run) if known.last_run else None}


def _status_row(known: Status) -> dict[str, str]:
    last = known.last_run
    run = f"{last.number} {last.state}, {clock_time(last.started)}" if last else "-"
    note = known.reason if known.reason and known.reason not in known.left else "-"
    return {"command": known.command, "left": known.left, "last run": run, "note": note}
