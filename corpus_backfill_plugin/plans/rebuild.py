"""A plan's run made anew where it is applied, secrets taken from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from corpus_backfill_plugin.agent.records import RunRequest
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.plans.make import DATABASE
from corpus_backfill_plugin.prepare import prepare, unbroken
from corpus_backfill_plugin.specs.model import Script
from corpus_backfill_plugin.specs.selection import Selection, broken_rules
from corpus_backfill_plugin.specs.values import check_value, parse_duration
from corpus_backfill_plugin.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from corpus_backfill_plugin.plans.model import Plan
    from corpus_backfill_plugin.specs.model import Argument, Option
    from corpus_backfill_plugin.workspace import Site


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What applying a plan would run.

    Attributes:
        script: the declaration active now.
        selection: the plan's values, secrets in them.
        request: made of both, as for any run.
    """

    script: Script
    selection: Selection
    request: RunRequest


def rebuild(plan: Plan, site: Site, *, database_url: str | None = None, parent: int | None = None) -> Rebuilt:
    """Return what `plan` would run at `site`.

    Args:
        plan: what was previewed.
        site: where it would run; secrets come from its environment.
        database_url: the database, in place of the environment's.
        parent: number of the dry run, where it is in the ledger at hand.

    Raises:
        BackfillError: the command or a secret is not there, or a value is not allowed.
    """
    folder = site.server.folder
    found = site.catalog.load(plan.command)
    if found is None:
        raise BackfillError(
            f"there is no command {one_line(plan.command)} in {one_line(str(folder))}",
            "Name the server app that has it by --server-path.",
        )
    spec = unbroken(found)
    script = spec.script
    values = {**plan.options, **_secrets(script, plan, site.environ, database_url)}
    selection = Selection(values=values, given=frozenset(plan.given))
    try:
        _check(script, selection, plan.timeout)
    except BackfillError as error:
        if spec.sha256 == plan.spec_hash:
            raise
        # Under another spec the values mean something else: that is the reason to tell.
        raise BackfillError(
            f"not run: the spec of {one_line(plan.command)} is not the one that was planned with",
            "Make a new plan, and look at what it says.",
        ) from error
    request = prepare(spec, selection, site, timeout=plan.timeout, verify=plan.verify, parent=parent)
    return Rebuilt(script=script, selection=selection, request=request)


def _secrets(
    script: Script, plan: Plan, environ: Mapping[str, str], database_url: str | None
) -> dict[str, str]:
    options = {option.name: option for option in script.options if option.secret}
    found = {name: environ_value(option, environ) for name, option in options.items() if name in plan.options}
    if database_url is not None:
        if DATABASE not in options:
            raise BackfillError(f"{plan.command} has no --{DATABASE}", "Apply the plan without it.")
        found[DATABASE] = database_url
    for name, value in found.items():
        if not value:
            where = (
                " or ".join(_variables(options[name])) or "its envvar, which the spec does not have any more"
            )
            also = " or give -d" if name == DATABASE else ""
            raise BackfillError(
                f"the value of --{name} is not in the plan: it is secret", f"Set {where}{also}."
            )
    return {name: value for name, value in found.items() if value}


def environ_value(option: Option | Argument, environ: Mapping[str, str]) -> str | None:
    """Return what `environ` has for `option`; an empty text counts as nothing, as in click."""
    return next((value for name in _variables(option) if (value := environ.get(name))), None)


def _variables(option: Option | Argument) -> tuple[str, ...]:
    return (option.envvar,) if isinstance(option.envvar, str) else option.envvar or ()


def _check(script: Script, selection: Selection, timeout: str | None) -> None:
    """Check the values as if they had been typed: the file may have been made by anything.

    Raises:
        BackfillError: an unknown option, a value that the spec does not allow, or a broken rule.
    """
    known: dict[str, Option | Argument] = {option.name: option for option in script.options}
    known |= {argument.name: argument for argument in script.argument}
    faults = [f"there is no option {one_line(name)}" for name in selection.values if name not in known]
    for name, value in selection.values.items():
        if name in known:
            faults += _faults(known[name], value, bool(known[name].multiple) + bool(known[name].nargs))
    try:
        parse_duration(timeout or "1s")
    except ValueError as error:
        faults.append(f"timeout: {error}")
    if not faults:  # values of another type can't be compared with the rules
        faults += broken_rules(script, selection)
    if faults:
        raise BackfillError("the plan can't be run: " + "; ".join(faults), "Make a new plan.")


def _faults(parameter: Option | Argument, value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - whatever the file holds
    """Yield what is wrong with a value: a text, or lists of texts as deep as the parameter takes them."""
    if depth and isinstance(value, list):
        for item in value:
            yield from _faults(parameter, item, depth - 1)
        return
    secret = bool(getattr(parameter, "secret", False))
    try:
        if depth:
            raise TypeError("not a list")  # noqa: TRY301 - reported like the other faults
        if parameter.type in {"bool", "count"} or value is True:
            _check_whole(parameter, value)
        elif not isinstance(value, str):
            raise TypeError("not a text")  # noqa: TRY301 - told like the other faults
        else:
            check_value(parameter, value)
    except (TypeError, ValueError) as error:
        yield f"{parameter.name}: {'not allowed' if secret else printable(str(error))}"


def _check_whole(parameter: Option | Argument, value: object) -> None:
    if parameter.type == "bool" and isinstance(value, bool):
        return
    if parameter.type == "count" and isinstance(value, int) and not isinstance(value, bool):
        return
    if value is True and getattr(parameter, "value_optional", False):
        return
    raise TypeError("not what this option takes")
