"""From a spec, a selection and a site to the request for a run: the one path that all commands take.

A run, `--show-command`, `specs try`, a plan and a repetition differ only in what they do with the result.
"""

from __future__ import annotations

import hashlib
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from corpus_backfill_plugin.agent import database
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.records import Invocation, Output, Postcondition, RunRequest
from corpus_backfill_plugin.agent.redact import AMBIENT, HIDDEN, Secret
from corpus_backfill_plugin.agent.value import replace
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.invocation import UnsendableError, arguments, invocation, positional_words
from corpus_backfill_plugin.specs.catalog import BrokenSpec, LoadedSpec
from corpus_backfill_plugin.specs.values import parse_duration, several
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import script_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from corpus_backfill_plugin.specs.model import Option, Script
    from corpus_backfill_plugin.specs.selection import Selection, Value
    from corpus_backfill_plugin.workspace import Site

NO_VERIFY = "--no-verify"  # why the postcondition of a run is not checked that was started with it


_T = TypeVar("_T", Output, Postcondition)


class SpecError(BackfillError):
    """A command whose spec is broken, with every fault of it."""

    def __init__(self, spec: BrokenSpec) -> None:
        count = len(spec.faults)
        super().__init__(
            f"the spec of '{spec.file.name}' has {count} fault{'s' * (count != 1)}:\n"
            + "\n".join(f"  {fault}" for fault in spec.faults),
            "Correct the file, or replace it with a spec of the same name from a later source.",
        )


def unbroken(spec: LoadedSpec | BrokenSpec) -> LoadedSpec:
    """Return `spec`, or raise SpecError where it is broken."""
    if isinstance(spec, BrokenSpec):
        raise SpecError(spec)
    return spec


def prepare(
    spec: LoadedSpec,
    selection: Selection,
    site: Site,
    *,
    timeout: str | None = None,
    verify: bool = True,
    parent: int | None = None,
    commit: bool = True,
) -> RunRequest:
    """Return the request to run the script of `spec` with the values of `selection`.

    Reads the server app's folder and asks git for its commit; starts nothing of the server's. The operator's
    `timeout`, like `12h`, goes before the spec's. What is only shown needs no `commit`.
    """
    script = spec.script
    app = site.checked_server(spec.file)
    interpreter = site.interpreter
    path = script_path(app, script.script)
    job = invocation(script, selection, folder=str(app.folder), program=interpreter.program)
    environ = job.environment(site.environ)
    job = _with_secrets(script, selection, job, environ)
    databases = databases_of(script, selection, environ)
    dry_run = any(o.role == "dry-run" and selection.values.get(o.name) for o in script.options)
    not_checked = _not_checked(script, selection, dry_run=dry_run, wanted=verify)
    counts = script.count_words and not not_checked
    uncountable = not_countable(script, path) if counts else ""
    limit = timeout or script.timeout
    return RunRequest(
        invocation=job,
        command=spec.file.name,
        spec_source=spec.file.source,
        spec_path=str(app.there(spec.file.path)),
        spec_hash=spec.sha256,
        script_path=str(app.there(path)),
        script_hash=file_sha256(path),
        options=masked_options(script, selection),
        given=tuple(name for name in selection.values if name in selection.given),
        database=database.shown(databases[0], environ) if databases else None,
        server=str(app.folder),
        server_commit=site.commit if commit else None,
        interpreter=interpreter.found,
        dry_run=dry_run,
        destructive=script.effect == "destructive",
        lock_key=database.lock_key(spec.file.name, app.folder, databases, environ)
        if script.lock and not dry_run
        else None,
        success_codes=script.success_codes,
        timeout=parse_duration(limit) if limit else None,
        output=as_agents(Output, script.output),
        postcondition=as_agents(Postcondition, script.postcondition),
        verify=count_invocation(script, selection, job) if counts and not uncountable else None,
        not_checked=not_checked,
        not_countable=uncountable,
        parent=parent,
    )


def prepare_again(
    spec: LoadedSpec,
    selection: Selection,
    site: Site,
    **limits: Any,  # noqa: ANN401 - of prepare
) -> RunRequest:
    """Return the request for the same values, with every file as it is now."""
    site = site.anew()
    now = site.catalog.load(spec.file.name)
    if not isinstance(now, LoadedSpec) or now.sha256 != spec.sha256:
        raise BackfillError(
            f"not run: the spec of {one_line(spec.file.name)} has changed meanwhile",
            "Look at the change, then run it again.",
        )
    return prepare(now, selection, site, **limits)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BackfillError(
            f"{one_line(str(path))} cannot be read: {error.strerror}", "Check its permissions."
        ) from error


def masked_options(script: Script, selection: Selection) -> dict[str, Any]:
    """Return the selection's values as they may be stored: `***` for secrets, URLs without password."""
    secret = {option.name: option.secret for option in script.options if option.secret}

    def masked(name: str, value: Value) -> Value:
        if name not in secret:
            return value
        if isinstance(value, list):
            return [masked(name, item) for item in value]
        return database.shown(str(value)) if secret[name] == "url" else HIDDEN

    return {name: masked(name, value) for name, value in selection.values.items()}


def _with_secrets(
    script: Script, selection: Selection, job: Invocation, environ: Mapping[str, str]
) -> Invocation:
    """Return `job` knowing the secrets that are sent, and those that its script inherits, declared or not."""
    options = [(o, o.secret == "url") for o in script.options if o.secret]  # noqa: S105  # nosec B105 - a kind
    names = tuple(dict.fromkeys((*AMBIENT, *(n for option, _ in options for n in _variables(option)))))
    found: list[Secret] = []
    for option, is_url in options:
        for text in filter(None, map(str, several(selection.values.get(option.name)))):
            found += database.secrets(text) if is_url else [Secret(value=text)]
    try:
        found += database.secrets_around(names, url_variables(script), environ)
    except AgentError as error:
        raise UnsendableError(error.problem, error.hint) from error
    return replace(job, secrets=tuple(dict.fromkeys(found)), secret_names=names)


def url_variables(script: Script) -> set[str]:
    """Return the variables that name databases."""
    options = (option for option in script.options if option.secret == "url")  # noqa: S105  # nosec B105 - a kind
    return {name for option in options for name in _variables(option)}


def _variables(option: Option) -> tuple[str, ...]:
    """Return the variables that an option is read from or handed over in."""
    return (*((option.pass_env,) if option.pass_env else ()), *several(option.envvar))


def databases_of(script: Script, selection: Selection, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return each database that a run may work on, secrets and all: first those chosen for it."""
    found: list[str] = []
    for option in script.options:
        if option.secret == "url":  # noqa: S105  # nosec B105 - a kind
            value = selection.values.get(option.name) or environ.get(option.pass_env or "")
            found += map(str, several(value))
    return tuple(dict.fromkeys(url for url in (*found, environ.get("DATABASE_URL")) if url))


def as_agents(kind: type[_T], table: msgspec.Struct | None) -> _T | None:
    """Return a table of the spec as the agent has it: durations in seconds, and what is ours left out."""
    if table is None:
        return None
    values = {name: getattr(table, name) for name in kind._fields}
    return kind(**values | ({"timeout": parse_duration(values["timeout"])} if "timeout" in values else {}))


def _not_checked(script: Script, selection: Selection, *, dry_run: bool, wanted: bool) -> str:
    """Return why what is left is not to be counted after this run, or nothing."""
    if script.postcondition is None or not script.count_words:
        return ""
    if dry_run:
        return "a dry run changes nothing"
    if not wanted:
        return NO_VERIFY
    skipped = [name for name in script.postcondition.skip_if_given if name in selection.given]
    return ", ".join(f"--{name}" for name in skipped) + " was given" if skipped else ""


def not_countable(script: Script, path: Path) -> str:
    """Return why the script at `path` must not be asked to count, or nothing."""
    unknown = unknown_words(script, path, script.count_words)
    return f"the script has no {' and no '.join(unknown)}" if unknown else ""


def unknown_words(script: Script, path: Path, words: Sequence[str]) -> tuple[str, ...]:
    """Return those of `words` that the parser of the script at `path`, read from its source, does not have.

    A script that ignores what it does not know would do all of its work when it is asked to count, or to work
    on some items alone. Where the parser can't be read nothing is known, and nothing returned.
    """
    # Here, not above: only a spec that counts, or a retry, pays for reading Python.
    from corpus_backfill_plugin.authoring import drift
    from corpus_backfill_plugin.parsers.source import read_file

    try:
        with warnings.catch_warnings(action="ignore"):  # Python's own, of a script's text
            model = read_file(path, path.parent.parent)
    except Exception:  # noqa: BLE001 - whatever a reader stumbles over must not keep a script from its run
        return ()
    return drift.unknown_words(script, model, words)


def count_invocation(script: Script, selection: Selection, job: Invocation) -> Invocation:
    """Return `job` made to count what is left: the same records, no limit, with the postcondition's words.

    The run's own options are sent along, so that `--media-type video` counts videos alone.
    """
    left_out = {o.name for o in script.options if o.role in {"dry-run", "limit"}}
    values = {name: value for name, value in selection.values.items() if name not in left_out}
    kept = msgspec.structs.replace(selection, values=values)
    words = arguments(script, kept)
    at = len(words) - len(positional_words(script, kept))
    return replace(job, arguments=(*words[:at], *script.count_words, *words[at:]))
