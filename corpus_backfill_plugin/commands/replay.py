"""A stored run or plan made into a request again, for rerun, retry and apply.

The values are those that were stored. What was not stored, because it is secret, comes from the environment.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from corpus_backfill_plugin.agent.records import ITEMS_FILE
from corpus_backfill_plugin.commands.shared import spec_named
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.plans.make import DATABASE_OPTION
from corpus_backfill_plugin.prepare import prepare, unbroken, unknown_words
from corpus_backfill_plugin.specs.selection import Selection, broken_rules, shown_name
from corpus_backfill_plugin.specs.values import check_value
from corpus_backfill_plugin.text import one_line, printable
from corpus_backfill_plugin.workspace import Site

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from corpus_backfill_plugin.agent.records import RunRecord, RunRequest
    from corpus_backfill_plugin.plans.plan import Plan
    from corpus_backfill_plugin.specs.catalog import LoadedSpec
    from corpus_backfill_plugin.specs.model import Argument, Option, Script


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
    """Return what `plan` would run at `site`, whose environment has the secrets.

    Args:
        plan: what was previewed.
        site: where it would run.
        url: the database, in place of the environment's.
        parent: number of the dry run, where it is in the ledger at hand.
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

    Args:
        record: the run.
        environ: where secrets come from.
        items: what to work on alone, without a limit; None for the same work as the run's.
        verify: as of `prepare`.
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
        raise BackfillError(
            f"{record.command} can't be told to work on some items alone",
            'Its spec would need an option with role = "retry-items".',
        )
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
    stored: _Stored,
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    typed: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the values of those `options` that were not stored, from `typed` or `environ`.

    An empty variable counts as nothing, as in click; and no variable gives several values.
    """
    found, lacking = dict(typed or {}), {}
    masked = getattr(stored.source, "masked_options", ())
    for parameter in _parameters(stored.spec.script):
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


def _parameters(script: Script) -> tuple[Option | Argument, ...]:
    return (*script.options, *script.argument)


def _items_of_retry(record: RunRecord, option: Option | None) -> tuple[str, ...]:
    """Return the items in the file that was made for a run that was a retry; empty for any other."""
    path = Path(str(record.options.get(option.name, "") if option else ""))
    if path.parts[-3:] != ("runs", str(record.number), "items"):
        return ()
    try:
        return tuple(path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")[:-1])
    except OSError as error:
        raise BackfillError(
            f"the items that run {record.number} was limited to can't be read: {error.strerror}",
            f"They were in {path}. Retry the run before it: `backfill runs retry {record.parent}`.",
        ) from None


def _check_known(option: Option, spec: LoadedSpec, site: Site) -> None:
    """Check that the script has `option`: one that ignores it would work on everything."""
    if option.pass_env or option.pass_stdin or option.before_subcommand:
        return
    if unknown_words(spec.script, site.server.scripts / spec.script.script, (option.script_flag,)):
        raise BackfillError(
            f"{spec.file.name} can't be told to work on some items alone: "
            f"the script has no {option.script_flag}",
            "Correct the spec; `backfill specs check` names the line.",
        )


def _check(stored: _Stored, selection: Selection, names: Iterable[str], hidden: Collection[str]) -> None:
    """Check the values of `names` as if they had been typed: a plan's file may have been made by anything.

    No error shows what is `hidden`, or secret by the spec.
    """
    script = stored.spec.script
    known = {parameter.name: parameter for parameter in _parameters(script)}
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
