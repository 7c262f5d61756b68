"""A recorded run's request made anew, and what has changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.prepare import prepare, script_of
from corpus_backfill_plugin.site import Site
from corpus_backfill_plugin.spec.model import effective_options
from corpus_backfill_plugin.spec.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from corpus_backfill_plugin.run.record import RunRecord
    from corpus_backfill_plugin.run.request import RunRequest
    from corpus_backfill_plugin.spec.model import Option

_COMPARED = {
    "script": "script_hash",
    "spec": "spec_hash",
    "database": "database",
}


def rebuild_request(record: RunRecord, environ: Mapping[str, str]) -> RunRequest:
    """Return the request for the same options on the same server; secrets come from `environ` again.

    Raises:
        BackfillError: the command is gone, or a secret that it needs is not in `environ`.
    """
    site = Site(environ, record.server, environ.get("CORPUS_BACKFILL_PYTHON"))
    spec = site.catalog.load(record.command)
    if spec is None:
        raise BackfillError(f"there is no command {record.command} any more", "See `backfill specs list`.")
    values: dict[str, Any] = dict(record.options)
    for option in effective_options(script_of(spec)):
        if option.secret and option.name in values:
            values[option.name] = _secret(option, environ)
    chosen = Selection(values=values, given=frozenset(record.given))
    return prepare(spec, chosen, site, parent=record.number)


def _secret(option: Option, environ: Mapping[str, str]) -> str:
    names = (option.envvar,) if isinstance(option.envvar, str) else option.envvar or ()
    for name in names:
        if value := environ.get(name):
            return value
    where = " or ".join(names) or f"an `envvar` for it, which its spec has not; give --{option.name} by hand"
    raise BackfillError(
        f"the value of --{option.name} was not kept: it is secret", f"Set {where}, then repeat the run."
    )


def differences(record: RunRecord, request: RunRequest) -> list[str]:
    """Return what would not be as in `record` when `request` is run, a sentence each."""
    found = [
        f"the {name} has changed"
        for name, field in _COMPARED.items()
        if getattr(record, field) != getattr(request, field)
    ]
    if record.arguments != request.invocation.argv:
        found.append("the argument list has changed")
    return found
