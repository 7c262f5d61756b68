"""`backfill status`: how much is left to do, of all commands side by side."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.core import ParameterSource

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.facts import facts
from corpus_backfill_plugin.agent.records import RunRecord
from corpus_backfill_plugin.agent.state import state_root
from corpus_backfill_plugin.agent.verify import compare, count
from corpus_backfill_plugin.command import (
    ScriptCommand,
    checked_selection,
    control_options,
    script_command,
    site_of,
)
from corpus_backfill_plugin.commands.shared import complete_name, json_option, opened_ledger, spec_named
from corpus_backfill_plugin.database import is_same, shown
from corpus_backfill_plugin.params import SpecOption
from corpus_backfill_plugin.prepare import count_invocation, not_countable, prepare
from corpus_backfill_plugin.runs.report import clock_time
from corpus_backfill_plugin.runs.viewer import Signals
from corpus_backfill_plugin.specs.catalog import BrokenSpec
from corpus_backfill_plugin.specs.model import COMMON_OPTIONS
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.terminal.table import write_rows
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.specs.catalog import LoadedSpec
    from corpus_backfill_plugin.workspace import Site

AT_ONCE = 4
"""Counts at the same time: each is a query of one database, which is not to be swamped."""

RUNS_LOOKED_AT = 200
"""The newest runs of a command among which the last one on this server and database is looked for."""

DATABASE_URL = SpecOption(COMMON_OPTIONS[0])
"""`-d`, `--database-url`, as the commands themselves have it."""

NOT_COUNTABLE = "not countable"
_OURS = ("server_path_", "python_", "timeout_", "debug_")


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one command.

    Attributes:
        command: its name.
        state: `done`, `left`, `unknown` when it could not be counted, `not countable` when the spec or the
            script has no count.
        counts: by name.
        left: the counts that something is expected of, as people read them.
        reason: why it could not be counted although its spec says how.
        database: what it works on, without the password.
        last_run: the last run on this server and database that was no dry run.
    """

    command: str
    state: str
    counts: dict[str, int] = {}
    left: str = "-"
    reason: str = ""
    database: str | None = None
    last_run: RunRecord | None = None


@click.command(params=[DATABASE_URL, *(option for option in control_options() if option.name in _OURS)])
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_name)
@json_option
@click.pass_context
def status(ctx: click.Context, /, *, names: tuple[str, ...], as_json: bool, **_: object) -> None:
    """Count what is left to do for every command, or for those NAMED. Changes nothing.

    Each command is counted with its defaults. Exits 1 when a command could not be counted.
    """
    limit = ctx.params["timeout_"]
    with Signals() as signals:
        found = statuses(ctx, names, parse_duration(limit) if limit else None, lambda: bool(signals.pending))
        if signals.pending:
            ctx.exit(128 + signals.pending[0])
    write_rows(
        [_status_facts(known) if as_json else _status_row(known) for known in found],
        ("command", "left", "last run", "note"),
        as_json=as_json,
    )
    # A command whose spec declares no count is no trouble unless it was asked for by name.
    ctx.exit(1 if any(known.reason or (names and known.state == NOT_COUNTABLE) for known in found) else 0)


def statuses(
    ctx: click.Context, names: tuple[str, ...], seconds: float | None, stopped: Callable[[], bool]
) -> list[Status]:
    """Return what is known of each command, in the order of `names`, or of all names.

    Args:
        ctx: of the status command; its parent's defaults are those of the commands.
        names: commands; empty for every one that is not hidden.
        seconds: how long each count may take; None leaves it to its spec.
        stopped: asked while counts run; once it is true, they are ended.

    Raises:
        BackfillError: an unknown name, or no server app that can be used.
    """
    site = site_of(ctx)
    _ = site.server  # without one, that is the only thing to report
    counts = [_count_of(ctx, spec, seconds, stopped) for spec in _specs(site, tuple(dict.fromkeys(names)))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(counted) for counted in counts]
        while wait(futures, timeout=0.1).not_done and not stopped():
            pass
        for future in futures:
            future.cancel()
    if stopped():
        return []
    found = [future.result() for future in futures]
    last_runs = _last_runs(found, str(site.server.folder))
    return [msgspec.structs.replace(each, last_run=last_runs.get(each.command)) for each in found]


def _specs(site: Site, names: tuple[str, ...]) -> Iterator[LoadedSpec | BrokenSpec]:
    for name in names or site.catalog.names():
        spec = spec_named(site, name)
        if names or isinstance(spec, BrokenSpec) or not spec.script.hidden:
            yield spec


def _count_of(
    ctx: click.Context,
    spec: LoadedSpec | BrokenSpec,
    seconds: float | None,
    stopped: Callable[[], bool],
) -> Callable[[], Status]:
    """Return what counts a command; where nothing can be counted, what returns why.

    Raises:
        BackfillError: the server app can't be used, which all commands share.
    """
    url = ctx.params["database_url"]
    unknown = Status(command=spec.file.name, state="unknown", database=shown(url) if url else None)

    def known(**facts: str) -> Callable[[], Status]:
        return lambda: msgspec.structs.replace(unknown, **facts)

    if isinstance(spec, BrokenSpec):
        return known(reason=f"its spec is broken: {spec.faults[0]}")
    command, condition = script_command(spec), spec.script.postcondition
    if condition is None or not condition.run:
        return known(state=NOT_COUNTABLE, left=NOT_COUNTABLE)
    try:
        with command.make_context(spec.file.name, _words(ctx, command), parent=ctx.parent or ctx) as inner:
            chosen = checked_selection(inner, command.script)
        request = prepare(spec, chosen, site_of(ctx), verify=False, commit=False)
    except ServerError:
        raise
    except click.ClickException as error:
        return known(reason=error.format_message().replace("\n", " "))
    if reason := not_countable(command.script, Path(request.script_path)):
        return known(state=NOT_COUNTABLE, left=f"{NOT_COUNTABLE}: {reason}", reason=reason)

    def counted() -> Status:
        found = count(
            count_invocation(command.script, chosen, request.invocation),
            request.output,
            seconds=seconds or parse_duration(condition.timeout),
            environ=os.environ,
            stopped=stopped,
        )
        proof, reason = compare(condition.expect, found)
        facts = {"counts": found.counts, "database": request.database}
        if proof == "unknown":
            return msgspec.structs.replace(unknown, reason=reason, **facts)
        left = (
            f"{found.counts[name]} {name.replace('_', ' ')}" + (f" of {wanted}" if wanted else "")
            for name, wanted in condition.expect.items()
        )
        state = "done" if proof == "held" else "left"
        return msgspec.structs.replace(unknown, state=state, left=", ".join(left) or "-", **facts)

    return counted


def _words(ctx: click.Context, command: ScriptCommand) -> list[str]:
    """Return the words to call a command with: none but the database, when one was named.

    Raises:
        click.UsageError: one was named, and the command has no option for it.
    """
    if ctx.get_parameter_source("database_url") != ParameterSource.COMMANDLINE:
        return []
    if not any(isinstance(param, SpecOption) and param.name == DATABASE_URL.name for param in command.params):
        raise click.UsageError("it has no --database-url: call it without, or name other commands", ctx)
    return [f"--database-url={ctx.params['database_url']}"]


def _last_runs(known: list[Status], server: str) -> dict[str, RunRecord]:
    """Return the last run of each command on its database; none when no run was ever recorded.

    A ledger that can't be read is reported, and keeps nobody from the counts.
    """
    if not (state_root() / "ledger.sqlite3").exists():
        return {}
    try:
        with opened_ledger() as (_, ledger):
            found = ((each.command, _last(ledger, each, server)) for each in known)
            return {command: record for command, record in found if record}
    except AgentError as error:
        click.echo(f"Warning: {one_line(error.problem)}", err=True)
        return {}


def _last(ledger: Ledger, known: Status, server: str) -> RunRecord | None:
    runs = ledger.select(command=known.command, limit=RUNS_LOOKED_AT)
    here = (run for run in runs if run.server == server and not run.dry_run)
    return next((run for run in here if is_same(run.database, known.database)), None)


def _status_facts(known: Status) -> dict[str, Any]:
    return {
        "command": known.command,
        "counts": known.counts,
        "state": known.state,
        "last_run": facts(known.last_run) if known.last_run else None,
        "reason": known.reason,
    }


def _status_row(known: Status) -> dict[str, str]:
    last = known.last_run
    run = f"{last.number} {last.state}, {clock_time(last.started)}" if last else "-"
    note = known.reason if known.reason and known.reason not in known.left else "-"
    return {"command": known.command, "left": known.left, "last run": run, "note": note}
