"""A recorded run's request made anew, and what has changed since."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.prepare import prepare, unbroken
from corpus_backfill_plugin.run.request import ITEMS_FILE
from corpus_backfill_plugin.site import Site
from corpus_backfill_plugin.spec.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from corpus_backfill_plugin.run.record import RunRecord
    from corpus_backfill_plugin.run.request import RunRequest
    from corpus_backfill_plugin.spec.catalog import LoadedSpec
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
    found = site.catalog.load(record.command)
    if found is None:
        raise BackfillError(f"there is no command {record.command} any more", "See `backfill specs list`.")
    spec = unbroken(found)
    values = recorded_values(record, spec, environ)
    items = retried_items(record, spec)
    if items:
        values |= {option.name: ITEMS_FILE for option in items_options(spec)}
    chosen = Selection(values=values, given=frozenset(record.given))
    return msgspec.structs.replace(prepare(spec, chosen, site, parent=record.number), items=items)


def recorded_values(record: RunRecord, spec: LoadedSpec, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a recorded run by option name, its secrets from `environ`.

    Raises:
        BackfillError: a secret is not there.
    """
    values: dict[str, Any] = dict(record.options)
    for option in spec.script.options:
        if option.secret and option.name in values:
            values[option.name] = _secret(option, environ)
    return values


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
    if not _same_words(record, request.invocation.argv):
        found.append("the argument list has changed")
    return found


def _same_words(record: RunRecord, words: tuple[str, ...]) -> bool:
    """Return whether `words` are those of `record`, but for the file of items: each run has its own."""
    return len(record.arguments) == len(words) and all(
        new in (old, ITEMS_FILE) for old, new in zip(record.arguments, words, strict=True)
    )
