"""A recorded run's request made anew, and what has changed since."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.records import ITEMS_FILE, without_secrets
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.redact import HIDDEN
from corpus_backfill_plugin.agent.state import open_state
from corpus_backfill_plugin.command import FLAGS, confirm
from corpus_backfill_plugin.database import is_same
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.plans.rebuild import environ_value
from corpus_backfill_plugin.prepare import prepare, unbroken, unknown_words
from corpus_backfill_plugin.runs.attach import find
from corpus_backfill_plugin.runs.execute import execute
from corpus_backfill_plugin.specs.selection import Selection, broken_rules, shown_name
from corpus_backfill_plugin.specs.values import check_value
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import Site

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from corpus_backfill_plugin.agent.output import Failure
    from corpus_backfill_plugin.agent.records import RunRecord, RunRequest
    from corpus_backfill_plugin.specs.catalog import LoadedSpec
    from corpus_backfill_plugin.specs.model import Argument, Option


_COMPARED = {
    "script": "script_hash",
    "spec": "spec_hash",
}


def rebuild_request(record: RunRecord, environ: Mapping[str, str]) -> RunRequest:
    """Return the request for the same options on the same server; secrets come from `environ` again.

    Raises:
        BackfillError: the command is gone, or a secret that it needs is not in `environ`.
    """
    site = Site(environ, record.server, environ.get("CORPUS_BACKFILL_PYTHON"))
    found = site.catalog.load(record.command)
    if found is None:
        raise BackfillError(f"there is no command {record.command} any more", "See `backfill specs list`.")
    spec = unbroken(found)
    values = recorded_values(record, spec, environ)
    items = retried_items(record, spec)
    if items:
        values |= {option.name: ITEMS_FILE for option in items_options(spec)}
    chosen = Selection(values=values, given=frozenset(record.given))
    request = prepare(spec, chosen, site, parent=record.number)
    return replace(request, items=items, timeout=record.timeout)


def recorded_values(
    record: RunRecord, spec: LoadedSpec, environ: Mapping[str, str], *, but: Collection[str] = ()
) -> dict[str, Any]:
    """Return the values of a recorded run by option name, those not kept as they were from `environ`.

    Args:
        record: the run.
        spec: what it was run by.
        environ: the operator's environment.
        but: options whose values are not wanted.

    Raises:
        BackfillError: a value is not there.
    """
    script = spec.script
    values: dict[str, Any] = {name: value for name, value in record.options.items() if name not in but}
    secret = {option.name for option in script.options if option.secret}
    parameters: tuple[Option | Argument, ...] = (*script.options, *script.argument)
    asked = [p for p in parameters if p.name in values and p.name in secret.union(record.masked_options)]
    anew = {p.name: None if _is_list(values[p.name]) else environ_value(p, environ) for p in asked}
    if lacking := [p for p in asked if not anew[p.name]]:
        names = " and ".join(shown_name(script, p.name) for p in lacking)
        hint = f"Run `backfill {record.command}` itself again, with {names}."
        if all(p.envvar and not _is_list(values[p.name]) for p in lacking):
            hint = f"Set {' and '.join(_variables(p) for p in lacking)}, then repeat the run. Or: {hint}"
        raise BackfillError(f"run {record.number} can't be repeated: the value of {names} was not kept", hint)
    for parameter in asked:
        try:
            check_value(parameter, str(anew[parameter.name]))
        except ValueError:  # its text names the value
            raise BackfillError(f"the value in {_variables(parameter)} is not allowed") from None
    return values | anew


def _is_list(value: object) -> bool:
    """Return whether a value is several, which no variable can give."""
    return isinstance(value, list) and len(value) > 1


def _variables(parameter: Option | Argument) -> str:
    names = parameter.envvar or ()
    return names if isinstance(names, str) else " or ".join(names)


def items_options(spec: LoadedSpec) -> tuple[Option, ...]:
    """Return the option by which the script is told to work on some items alone; empty when it has none."""
    return tuple(o for o in spec.script.options if o.role == "retry-items")


def retried_items(record: RunRecord, spec: LoadedSpec) -> tuple[str, ...]:
    """Return the items in the file that was made for a run that was a retry; empty for any other.

    Raises:
        BackfillError: the file is gone.
    """
    for option in items_options(spec):
        path = Path(str(record.options.get(option.name, "")))
        if path.parts[-3:] == ("runs", str(record.number), "items"):
            try:
                return tuple(path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")[:-1])
            except OSError as error:
                raise BackfillError(
                    f"the items that run {record.number} was limited to can't be read: {error.strerror}",
                    f"They were in {path}. Retry the run before it: `backfill runs retry {record.parent}`.",
                ) from None
    return ()


def other_database(record: RunRecord, request: RunRequest) -> str:
    """Say how the database of `request` is not certain to be that of `record`; an empty text when it is."""
    if is_same(record.database, request.database):
        return ""
    if HIDDEN in (record.database, request.database):
        return f"the database can't be compared with that of run {record.number}: its name is not certain"
    return f"run {record.number} worked on {record.database}, now it would be {request.database}"


def differences(record: RunRecord, request: RunRequest) -> list[str]:
    """Return what would not be as in `record` when `request` is run, a sentence each."""
    found = [
        f"the {name} has changed"
        for name, field in _COMPARED.items()
        if getattr(record, field) != getattr(request, field)
    ]
    if database := other_database(record, request):
        found.append(database)
    if not _same_words(record, without_secrets(request).invocation.argv):
        found.append("the argument list has changed")
    return found


def _same_words(record: RunRecord, words: tuple[str, ...]) -> bool:
    """Return whether `words` are those of `record`, but for the file of items: each run has its own."""
    return len(record.arguments) == len(words) and all(
        new in (old, ITEMS_FILE) for old, new in zip(record.arguments, words, strict=True)
    )


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
        recover(state, ledger)
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
    return replace(request, items=in_file, timeout=record.timeout)


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
