"""A stored run or plan made into a request again, for rerun, retry and apply.

The values are those that were stored. What was not stored, because it is secret, comes from the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from corpus_backfill_plugin.agent.records import ITEMS_FILE, RunRequest
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.plans.make import DATABASE_OPTION
from corpus_backfill_plugin.prepare import prepare, unbroken, unknown_words
from corpus_backfill_plugin.specs.model import Script
from corpus_backfill_plugin.specs.selection import Selection, broken_rules, shown_name
from corpus_backfill_plugin.specs.values import check_value, parse_duration
from corpus_backfill_plugin.text import one_line, printable
from corpus_backfill_plugin.workspace import Site

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from corpus_backfill_plugin.agent.records import RunRecord
    from corpus_backfill_plugin.plans.model import Plan
    from corpus_backfill_plugin.specs.catalog import LoadedSpec
    from corpus_backfill_plugin.specs.model import Argument, Option


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What applying a plan would run.

    Attributes:
        script: the declaration active now.
        selection: the plan's values, secrets in them.
        request: made of both, as for any run.
    """

    script: Script
    selection: Selection
    request: RunRequest


def replay_plan(
    plan: Plan, site: Site, *, database_url: str | None = None, parent: int | None = None
) -> Replayed:
    """Return what `plan` would run at `site`.

    Args:
        plan: what was previewed.
        site: where it would run; secrets come from its environment.
        database_url: the database, in place of the environment's.
        parent: number of the dry run, where it is in the ledger at hand.

    Raises:
        BackfillError: the command or a secret is not there, or a value is not allowed.
    """
    where = f"in {one_line(str(site.server.folder))}"
    spec = _spec(site, plan.command, where, "Name the server app that has it by --server-path.")
    script = spec.script
    values = {**plan.options, **_plan_secrets(script, plan, site.environ, database_url)}
    selection = Selection(values=values, given=frozenset(plan.given))
    try:
        _check_as_typed(script, selection, plan.timeout)
    except BackfillError as error:
        if spec.sha256 == plan.spec_hash:
            raise
        # Under another spec the values mean something else: that is the reason to report.
        raise BackfillError(
            f"not run: the spec of {one_line(plan.command)} is not the one that was planned with",
            "Make a new plan, and look at what it says.",
        ) from error
    request = prepare(spec, selection, site, timeout=plan.timeout, verify=plan.verify, parent=parent)
    return Replayed(script=script, selection=selection, request=request)


def replay_run(
    record: RunRecord, environ: Mapping[str, str], items: tuple[str, ...] | None = None
) -> RunRequest:
    """Return the request to run what `record` did, on the same server. A dry run stays one.

    Args:
        record: the run.
        environ: where secrets come from.
        items: what to work on alone, as the script printed it; then a limit is left out. None for the same
            work as the run's.

    Raises:
        BackfillError: the command, the option for items, or a secret is not there, or an item is not allowed.
    """
    site = Site(environ, record.server, environ.get("CORPUS_BACKFILL_PYTHON"))
    spec = _spec(site, record.command, "any more", "See `backfill specs list`.")
    option = next((o for o in spec.script.options if o.role == "retry-items"), None)
    if items is None:
        values = _run_values(record, spec.script, environ)
        in_file = _items_of_retry(record, option) if option else ()
        if option and in_file:
            values[option.name] = ITEMS_FILE
        request = prepare(
            spec, Selection(values=values, given=frozenset(record.given)), site, parent=record.number
        )
    else:
        if option is None:
            raise BackfillError(
                f"{record.command} can't be told to work on some items alone",
                'Its spec would need an option with role = "retry-items".',
            )
        selection = _selection_of_items(record, spec.script, option, items, environ)
        in_file = () if option.multiple else items
        request = prepare(spec, selection, site, parent=record.number)
        _check_known(option, spec, request)
    return msgspec.structs.replace(request, items=in_file, timeout=record.timeout)


def _spec(site: Site, command: str, where: str, hint: str) -> LoadedSpec:
    found = site.catalog.load(command)
    if found is None:
        raise BackfillError(f"there is no command {one_line(command)} {where}", hint)
    return unbroken(found)


def _from_environment(
    script: Script, stored: Mapping[str, Any], environ: Mapping[str, str], masked: Collection[str] = ()
) -> dict[str, tuple[Option | Argument, str | None]]:
    """Return each parameter of `stored` whose value was not stored, with its value from `environ`.

    An empty variable counts as nothing, as in click; and no variable gives several values.
    """
    found: dict[str, tuple[Option | Argument, str | None]] = {}
    for parameter in _parameters(script):
        name = parameter.name
        if name in stored and (getattr(parameter, "secret", False) or name in masked):
            values = () if _is_several(stored[name]) else map(environ.get, _variables(parameter))
            found[name] = parameter, next(filter(None, values), None)
    return found


def _parameters(script: Script) -> tuple[Option | Argument, ...]:
    return (*script.options, *script.argument)


def _is_several(value: object) -> bool:
    return isinstance(value, list) and len(value) > 1


def _variables(parameter: Option | Argument) -> tuple[str, ...]:
    return (parameter.envvar,) if isinstance(parameter.envvar, str) else parameter.envvar or ()


def _run_values(
    record: RunRecord, script: Script, environ: Mapping[str, str], *, but: Collection[str] = ()
) -> dict[str, Any]:
    """Return the values of a recorded run by option name, but for those of the options in `but`.

    Raises:
        BackfillError: a secret is not in `environ`, or not allowed.
    """
    values: dict[str, Any] = {name: value for name, value in record.options.items() if name not in but}
    again = _from_environment(script, values, environ, record.masked_options)
    if lacking := [parameter for parameter, value in again.values() if not value]:
        names = " and ".join(shown_name(script, p.name) for p in lacking)
        hint = f"Run `backfill {record.command}` itself again, with {names}."
        if all(p.envvar and not _is_several(values[p.name]) for p in lacking):
            variables = " and ".join(" or ".join(_variables(p)) for p in lacking)
            hint = f"Set {variables}, then repeat the run. Or: {hint}"
        raise BackfillError(f"run {record.number} can't be repeated: the value of {names} was not kept", hint)
    for parameter, value in again.values():
        try:
            check_value(parameter, str(value))
        except ValueError:  # its text names the value
            raise BackfillError(f"the value in {' or '.join(_variables(parameter))} is not allowed") from None
    return values | {name: value for name, (_, value) in again.items()}


def _items_of_retry(record: RunRecord, option: Option) -> tuple[str, ...]:
    """Return the items in the file that was made for a run that was a retry; empty for any other.

    Raises:
        BackfillError: the file is gone.
    """
    path = Path(str(record.options.get(option.name, "")))
    if path.parts[-3:] != ("runs", str(record.number), "items"):
        return ()
    try:
        return tuple(path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")[:-1])
    except OSError as error:
        raise BackfillError(
            f"the items that run {record.number} was limited to can't be read: {error.strerror}",
            f"They were in {path}. Retry the run before it: `backfill runs retry {record.parent}`.",
        ) from None


def _selection_of_items(
    record: RunRecord, script: Script, option: Option, items: tuple[str, ...], environ: Mapping[str, str]
) -> Selection:
    """Return what the run was given, on `items` alone and without a limit."""
    limits = {o.name for o in script.options if o.role == "limit"}
    values = _run_values(record, script, environ, but={*limits, option.name})
    for item in items if option.multiple else ():
        try:
            check_value(option, item)
        except ValueError as error:
            raise BackfillError(
                f"an item that failed in run {record.number} can't be given by --{option.name}: "
                f"{one_line(str(error))}"
            ) from None
    values[option.name] = list(items) if option.multiple else ITEMS_FILE
    selection = Selection(values=values, given=(frozenset(record.given) - limits) | {option.name})
    if broken := broken_rules(script, selection):
        raise BackfillError(
            f"--{option.name} can't be added to what run {record.number} was given: {broken[0]}"
        )
    return selection


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


def _plan_secrets(
    script: Script, plan: Plan, environ: Mapping[str, str], database_url: str | None
) -> dict[str, str]:
    """Return the values that the plan could not hold.

    Raises:
        BackfillError: one is missing, or `database_url` is given and not taken.
    """
    again = _from_environment(script, plan.options, environ)
    found = {name: value for name, (_, value) in again.items()}
    if database_url is not None:
        if not any(option.secret and option.name == DATABASE_OPTION for option in script.options):
            raise BackfillError(f"{plan.command} has no --{DATABASE_OPTION}", "Apply the plan without it.")
        found[DATABASE_OPTION] = database_url
    for name, value in found.items():
        if not value:
            variables = _variables(again[name][0]) if name in again else ()
            where = " or ".join(variables) or "its envvar, which the spec does not have any more"
            also = " or give -d" if name == DATABASE_OPTION else ""
            raise BackfillError(
                f"the value of --{name} is not in the plan: it is secret", f"Set {where}{also}."
            )
    return {name: value for name, value in found.items() if value}


def _check_as_typed(script: Script, selection: Selection, timeout: str | None) -> None:
    """Check the values as if they had been typed: the file may have been made by anything.

    Raises:
        BackfillError: an unknown option, a value that the spec does not allow, or a broken rule.
    """
    known = {parameter.name: parameter for parameter in _parameters(script)}
    problems = [f"there is no option {one_line(name)}" for name in selection.values if name not in known]
    for name, value in selection.values.items():
        if name in known:
            problems += _problems(known[name], value, bool(known[name].multiple) + bool(known[name].nargs))
    try:
        parse_duration(timeout or "1s")
    except ValueError as error:
        problems.append(f"timeout: {error}")
    if not problems:  # values of another type can't be compared with the rules
        problems += broken_rules(script, selection)
    if problems:
        raise BackfillError("the plan can't be run: " + "; ".join(problems), "Make a new plan.")


def _problems(parameter: Option | Argument, value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - whatever the file holds
    """Yield what is wrong with a value: a text, or lists of texts as deep as the parameter takes them."""
    problem = ""
    if depth:
        if isinstance(value, list):
            for item in value:
                yield from _problems(parameter, item, depth - 1)
            return
        problem = "not a list"
    elif parameter.type in {"bool", "count"} or value is True:
        fits = type(value) is {"bool": bool, "count": int}.get(parameter.type)
        if not fits and not (value is True and getattr(parameter, "value_optional", False)):
            problem = "not what this option takes"
    elif not isinstance(value, str):
        problem = "not a text"
    else:
        try:
            check_value(parameter, value)
        except ValueError as error:
            problem = printable(str(error))
    if problem:
        yield f"{parameter.name}: {'not allowed' if getattr(parameter, 'secret', False) else problem}"
