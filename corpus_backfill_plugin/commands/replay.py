"""A stored run or plan made into a request again, for `runs apply`, `runs rerun` and `runs retry`.

The values are those that were stored. What was not stored, because it is secret, comes from the environment.
"""

from __future__ import annotations

import os
import re
import shlex
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from corpus_backfill_plugin.agent.attach import find
from corpus_backfill_plugin.agent.database import is_same
from corpus_backfill_plugin.agent.records import ITEMS_FILE, RunRecord, RunRequest, without_secrets
from corpus_backfill_plugin.agent.redact import HIDDEN
from corpus_backfill_plugin.agent.state import state_root
from corpus_backfill_plugin.agent.value import replace
from corpus_backfill_plugin.agent.verify import Counted
from corpus_backfill_plugin.command import CONTROLS, ask, confirm, control_options, site_of
from corpus_backfill_plugin.commands.shared import number_argument, opened_ledger, spec_named
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.params import DurationText
from corpus_backfill_plugin.plans import DATABASE_OPTION, count_left, differences, read_plan, why_not_counted
from corpus_backfill_plugin.prepare import NO_VERIFY, prepare, unbroken, unknown_words
from corpus_backfill_plugin.runs.execute import execute
from corpus_backfill_plugin.runs.report import clock_time
from corpus_backfill_plugin.runs.signals import Signals
from corpus_backfill_plugin.specs.selection import Selection, broken_rules, shown_name
from corpus_backfill_plugin.specs.values import check_value, parse_duration
from corpus_backfill_plugin.text import one_line, printable
from corpus_backfill_plugin.workspace import Site

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from corpus_backfill_plugin.agent.folder import RunFolder
    from corpus_backfill_plugin.agent.records import Failure
    from corpus_backfill_plugin.plans import Plan
    from corpus_backfill_plugin.specs.catalog import LoadedSpec
    from corpus_backfill_plugin.specs.model import Argument, Option, Script

_OURS = ("server_path_", "python_", "debug_", "wait_")
_NAMED = 3
"""Items that a message names at most."""


class Replayed(NamedTuple):
    """What applying a plan would run: the spec active now, the plan's values with secrets, the request."""

    script: Script
    selection: Selection
    request: RunRequest


class _Stored(NamedTuple):
    """A plan or a run, the spec active for it now, and what errors say of it: the problem, what to do."""

    source: Plan | RunRecord
    spec: LoadedSpec
    problem: str
    again: str


def replay_plan(plan: Plan, site: Site, url: str | None = None, parent: int | None = None) -> Replayed:
    """Return what `plan` would run at `site`, whose environment has the secrets; `url` goes before its own.

    The `parent` is the number of the dry run, where that is in the ledger at hand.
    """
    _ = site.server  # without one, that is the only thing to report
    spec = unbroken(spec_named(site, plan.command))
    stored = _Stored(plan, spec, "the plan can't be run", "Make a new plan")
    typed = {DATABASE_OPTION: url} if url else {}
    if typed and not any(option.secret and option.name in typed for option in spec.script.options):
        raise BackfillError(f"{plan.command} has no --{DATABASE_OPTION}", "Apply the plan without it.")
    secrets = _secrets(stored, plan.options, site.environ, typed)
    selection = Selection(values=plan.options | secrets, given=frozenset(plan.given))
    _check(stored, selection, selection.values, secrets)
    request = prepare(spec, selection, site, timeout=plan.timeout, verify=plan.verify, parent=parent)
    return Replayed(spec.script, selection, request)


def replay_run(
    record: RunRecord, environ: Mapping[str, str], items: tuple[str, ...] | None = None, *, verify: bool
) -> RunRequest:
    """Return the request to run what `record` did, on the same server. A dry run stays one.

    The secrets come from `environ`. It works on the `items` alone and without a limit; None is the same work.
    """
    site = Site(environ, record.server, environ.get("CORPUS_BACKFILL_PYTHON"))
    spec = unbroken(spec_named(site, record.command))
    again = f"Run `backfill {record.command}` itself again"
    stored = _Stored(record, spec, f"run {record.number} can't be repeated", again)
    option = next((o for o in spec.script.options if o.role == "retry-items"), None)
    limits: set[str] = set()
    if items is None:
        items = in_file = _items_of_retry(record, option)
    elif option is None:
        problem = f"{record.command} can't be told to work on some items alone"
        raise BackfillError(problem, 'Its spec would need an option with role = "retry-items".')
    else:
        _check_known(option, spec, site)
        in_file = () if option.multiple else items
        limits = {o.name for o in spec.script.options if o.role == "limit"}
    new: dict[str, Any] = {option.name: ITEMS_FILE if in_file else list(items)} if option and items else {}
    kept = {name: value for name, value in record.options.items() if name not in limits | new.keys()}
    secrets = _secrets(stored, kept, environ)
    given = (frozenset(record.given) - limits).union(new)
    selection = Selection(values=kept | new | secrets, given=given)
    _check(stored, selection, [*secrets, *(() if in_file else new)], secrets)
    request = prepare(spec, selection, site, parent=record.number, verify=verify)
    return replace(request, items=in_file, timeout=record.timeout)


def _secrets(
    stored: _Stored, options: dict[str, Any], environ: Mapping[str, str], typed: dict[str, str] | None = None
) -> dict[str, str]:
    """Return the values of those `options` that were not stored, from `typed` or `environ`.

    An empty variable counts as nothing, as in click; and no variable gives several values.
    """
    found, lacking = dict(typed or {}), {}
    masked = getattr(stored.source, "masked_options", ())
    for parameter in stored.spec.script.parameters:
        name = parameter.name
        if name not in options or not (getattr(parameter, "secret", False) or name in masked):
            continue
        several = isinstance(options[name], list) and len(options[name]) > 1
        variables = [parameter.envvar] if isinstance(parameter.envvar, str) else [*(parameter.envvar or ())]
        value = found.get(name) or next(filter(None, map(environ.get, () if several else variables)), None)
        if value:
            found[name] = value
        else:
            by_option = ["give -d"] if typed is not None and name == DATABASE_OPTION else []
            lacking[name] = " or ".join([] if several else variables + by_option)
    if lacking:
        names = " and ".join(shown_name(stored.spec.script, name) for name in lacking)
        hint = f"{stored.again}, with {names}."
        if all(lacking.values()):
            hint = f"Set {' and '.join(lacking.values())}, then try again. Or: {hint}"
        raise BackfillError(f"{stored.problem}: the value of {names} was not kept", hint)
    return found


def _items_of_retry(record: RunRecord, option: Option | None) -> tuple[str, ...]:
    """Return the items in the file that was made for a run that was a retry; empty for any other."""
    path = Path(str(record.options.get(option.name, "") if option else ""))
    if path.parts[-3:] != ("runs", str(record.number), "items"):
        return ()
    try:
        return tuple(path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")[:-1])
    except OSError as error:
        problem = f"the items that run {record.number} was limited to can't be read: {error.strerror}"
        hint = f"They were in {path}. Retry the run before it: `backfill runs retry {record.parent}`."
        raise BackfillError(problem, hint) from None


def _check_known(option: Option, spec: LoadedSpec, site: Site) -> None:
    """Check that the script has `option`: one that ignores it would work on everything."""
    if option.pass_env or option.pass_stdin or option.before_subcommand:
        return
    if unknown_words(spec.script, site.server.scripts / spec.script.script, (option.script_flag,)):
        problem = f"{spec.file.name} can't be told to work on some items alone"
        hint = "Correct the spec; `backfill specs check` names the line."
        raise BackfillError(f"{problem}: the script has no {option.script_flag}", hint)


def _check(stored: _Stored, selection: Selection, names: Iterable[str], hidden: Collection[str]) -> None:
    """Check the values of `names` as if they had been typed: a plan's file may have been made by anything.

    No error shows what is `hidden`, or secret by the spec.
    """
    script = stored.spec.script
    known = {parameter.name: parameter for parameter in script.parameters}
    problems = []
    for name in names:
        if name not in known:
            problems.append(f"there is no option {one_line(name)}")
            continue
        parameter = known[name]
        depth = bool(parameter.multiple) + bool(parameter.nargs)
        is_secret = name in hidden or getattr(parameter, "secret", False)
        found = _problems(parameter, selection.values[name], depth)
        problems += [f"{name}: {'not allowed' if is_secret else problem}" for problem in found]
    if not problems:  # values of another type can't be compared with the rules
        problems += broken_rules(script, selection)
    if problems:
        if stored.spec.sha256 != stored.source.spec_hash:
            # Under another spec the values mean something else.
            problems.insert(0, f"the spec of {stored.spec.file.name} has changed since")
        raise BackfillError(f"{stored.problem}: {'; '.join(problems)}", f"{stored.again}.")


def _problems(parameter: Option | Argument, value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - whatever the file holds
    """Yield what is wrong with a value: a text, or lists of texts as deep as the parameter takes them."""
    if depth:
        if not isinstance(value, list):
            yield "not a list"
            return
        for item in value:
            yield from _problems(parameter, item, depth - 1)
    elif parameter.type in {"bool", "count"} or value is True:
        fits = type(value) is {"bool": bool, "count": int}.get(parameter.type)
        if not fits and not (value is True and getattr(parameter, "value_optional", False)):
            yield "not what this option takes"
    elif not isinstance(value, str):
        yield "not a text"
    else:
        try:
            check_value(parameter, value)
        except ValueError as error:
            yield printable(str(error))


@click.command()
@number_argument
@click.option("--anyway", is_flag=True, help="Also if script, spec, arguments or database have changed.")
@click.option("--yes", is_flag=True, help=CONTROLS["yes"])
@click.pass_context
def rerun(ctx: click.Context, *, number: int | None, anyway: bool, yes: bool) -> None:
    """Run again what run N did, the latest if left out, with the same options."""
    with opened_ledger() as (state, ledger):
        record, folder = find(state, ledger, number)
    request = replay_run(record, os.environ, verify=was_verified(folder))
    if (changed := changes_since(record, request)) and not anyway:
        problem = f"run {record.number} can't be repeated as it was: {'; '.join(changed)}"
        raise BackfillError(problem, "Look at the change, then repeat it --anyway.")
    confirm(request, yes=yes)
    ctx.exit(execute(request))


@click.command()
@number_argument
@click.option(
    "--anyway", is_flag=True, help="Also if not all failed items were kept, or the database is another."
)
@click.option("--detach", is_flag=True, help=CONTROLS["detach"])
@click.option("--wait", is_flag=True, help=CONTROLS["wait"])
@click.option("--yes", is_flag=True, help=CONTROLS["yes"])
@click.pass_context
def retry(ctx: click.Context, /, *, number: int | None, anyway: bool, yes: bool, **how: Any) -> None:  # noqa: ANN401 - of execute
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
    ctx.exit(execute(request, fresh=fresh, **how))


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
    found = (
        "the script has changed" * (record.script_hash != request.script_hash),
        "the spec has changed" * (record.spec_hash != request.spec_hash),
        other_database(record, request),
        "the argument list has changed" * (not same_words),
    )
    return [sentence for sentence in found if sentence]


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
        lines = ["not run: it would not be what was planned:", *(f"  {one_line(each)}" for each in found)]
        raise BackfillError("\n".join(lines), "Make a new plan, and look at what it says.")


def _facts(plan: Plan, request: RunRequest, *, here: bool) -> dict[str, str]:
    """Return what the plan says, and what it would run on here. Database and options are the applier's."""
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
    # To stderr: stdout is the script's.
    for name, value in facts.items():
        click.echo(f"{name:<12}  {one_line(value)}", err=True)


def _counts(counts: dict[str, int], names: Iterable[str]) -> str:
    return ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in names if name in counts)
