"""A recorded run's request made anew, and what has changed since."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from corpus_backfill_plugin.database import is_same
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.masking import HIDDEN
from corpus_backfill_plugin.plan.renew import environ_value
from corpus_backfill_plugin.prepare import prepare, unbroken
from corpus_backfill_plugin.run.record import without_secrets
from corpus_backfill_plugin.run.request import ITEMS_FILE
from corpus_backfill_plugin.site import Site
from corpus_backfill_plugin.spec.selection import Selection, shown_name
from corpus_backfill_plugin.spec.values import check_value

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from corpus_backfill_plugin.run.record import RunRecord
    from corpus_backfill_plugin.run.request import RunRequest
    from corpus_backfill_plugin.spec.catalog import LoadedSpec
    from corpus_backfill_plugin.spec.model import Argument, Option

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
    return msgspec.structs.replace(request, items=items, timeout=record.timeout)


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
