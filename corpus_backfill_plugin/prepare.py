"""From a spec, a selection and a site to the request for a run: the one path that all commands take.

A run, `--show-command`, `specs try`, a plan and a repetition differ only in what they do with the result.
"""

from __future__ import annotations

import hashlib
import subprocess  # nosec B404 - one fixed program, git, with an argument list
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from corpus_backfill_plugin.display import one_line
from corpus_backfill_plugin.errors import BackfillError, ExitCode
from corpus_backfill_plugin.invocation import (
    Invocation,
    UnsendableError,
    arguments,
    invocation,
    positional_words,
)
from corpus_backfill_plugin.masking import HIDDEN, mask_url
from corpus_backfill_plugin.run.request import RunRequest
from corpus_backfill_plugin.server import ServerApp, script_path
from corpus_backfill_plugin.spec.model import effective_options
from corpus_backfill_plugin.spec.values import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from corpus_backfill_plugin.site import Site
    from corpus_backfill_plugin.spec.catalog import LoadedSpec
    from corpus_backfill_plugin.spec.model import Script
    from corpus_backfill_plugin.spec.selection import Selection, Value

GIT_TIMEOUT = 10.0
"""Seconds; a repository on a network disk that answers later is recorded without its commit."""

DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433}


class SpecError(BackfillError):
    """A command whose spec is broken, with every fault of it."""

    def __init__(self, spec: LoadedSpec) -> None:
        count = len(spec.faults)
        super().__init__(
            f"the spec of '{spec.file.name}' has {count} fault{'s' * (count != 1)}:\n"
            + "\n".join(f"  {fault}" for fault in spec.faults),
            "Mend the file, or replace it with a spec of the same name from a later source.",
        )


class UnsendableValueError(BackfillError):
    """A value that no argument list can carry: as wrong, to the operator, as one of a wrong type."""

    exit_code = ExitCode.USAGE


def script_of(spec: LoadedSpec) -> Script:
    """Return the script that a spec declares.

    Raises:
        SpecError: the spec is broken.
    """
    if spec.script is None:
        raise SpecError(spec)
    return spec.script


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

    Reads the server app's folder and asks git for its commit; starts nothing of the server's.

    Args:
        spec: a spec without faults.
        selection: values that keep the rules of the spec.
        site: where it runs.
        timeout: the operator's limit like `12h`, in place of the spec's.
        verify: whether the postcondition is to be checked.
        parent: the number of the run that this one repeats or retries.
        commit: whether to ask git for the server app's commit; what is only shown needs none.

    Raises:
        BackfillError: no server app, scripts missing, no interpreter, or a value that can't be sent.
    """
    script = script_of(spec)
    app = site.checked_server(spec.file)
    interpreter = site.interpreter
    path = script_path(app, script.script)
    try:
        job = invocation(script, selection, folder=str(app.folder), program=interpreter.program)
    except UnsendableError as error:
        raise UnsendableValueError(
            one_line(str(error)), "Give another value, or ask for a spec that sends it another way."
        ) from error
    dry_run = selection.has_role(script, "dry-run")
    not_checked = _not_checked(script, selection, dry_run=dry_run, wanted=verify)
    counts = counts_what_is_left(script) and not not_checked
    uncountable = not_countable(script, path) if counts else ""
    limit = timeout or script.timeout
    return RunRequest(
        invocation=job,
        command=spec.file.name,
        spec_source=spec.file.source,
        spec_path=str(spec.file.path),
        spec_hash=spec.sha256,
        script_path=str(path),
        script_hash=file_sha256(path),
        options=masked_options(script, selection),
        given=tuple(name for name in selection.values if name in selection.given),
        database=database(script, job, site),
        server=str(app.folder),
        server_commit=server_commit(app) if commit else None,
        interpreter=interpreter.found,
        dry_run=dry_run,
        lock_key=None if dry_run or not script.lock else lock_key(spec.file.name, app, script, job, site),
        success_codes=script.success_codes,
        timeout=parse_duration(limit) if limit else None,
        output=script.output,
        postcondition=script.postcondition,
        verify=count_invocation(script, selection, job) if counts and not uncountable else None,
        not_checked=not_checked,
        not_countable=uncountable,
        parent=parent,
    )


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, hexadecimal.

    Raises:
        BackfillError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BackfillError(
            f"{one_line(str(path))} cannot be read: {error.strerror}", "Check its permissions."
        ) from error


def masked_options(script: Script, selection: Selection) -> dict[str, Any]:
    """Return the selection's values as they may be stored: `***` for secrets, URLs without password."""
    secret = {option.name: option.secret for option in effective_options(script) if option.secret}
    return {
        name: _masked(value, secret[name]) if name in secret else value
        for name, value in selection.values.items()
    }


def _masked(value: Value, how: bool | str) -> Value:  # noqa: FBT001 - a spec's value, `true` or "url"
    if isinstance(value, list):
        return [_masked(item, how) for item in value]
    return mask_url(str(value)) if how == "url" else HIDDEN


def database_url(script: Script, job: Invocation, site: Site) -> str | None:
    """Return the URL of the database that the script will be told of, secrets and all; None without one."""
    urls = (option for option in effective_options(script) if option.secret == "url")  # noqa: S105  # nosec B105 - a kind
    names = [option.pass_env for option in urls if option.pass_env]
    for name in (*names, "DATABASE_URL"):
        value = job.environ.get(name) or site.environ.get(name)
        if value:
            return value
    return None


def database(script: Script, job: Invocation, site: Site) -> str | None:
    """Return the database's URL without its password."""
    url = database_url(script, job, site)
    return mask_url(url) if url else None


def lock_key(command: str, app: ServerApp, script: Script, job: Invocation, site: Site) -> str:
    """Return what two runs must have in common to exclude one another: command, server and database."""
    url = database_url(script, job, site)
    return "\n".join((command, str(app.folder.resolve()), database_identity(url) if url else ""))


def database_identity(url: str) -> str:
    """Return a database URL without what does not change which database it is.

    User, password, driver, an explicit default port and the case of the host are left out; query
    parameters too.
    """
    parts = urlsplit(url)
    family = {"postgres": "postgresql"}.get(base := parts.scheme.partition("+")[0].lower(), base)
    try:
        port = parts.port
    except ValueError:
        port = None
    return f"{family}://{parts.hostname or ''}:{port or DEFAULT_PORTS.get(family, '')}{parts.path}"


def server_commit(app: ServerApp) -> str | None:
    """Return the git commit of the server app, `+dirty` behind it where files differ; None without git."""
    # No hook or helper that the repository configures may run: its folder need not be the operator's own.
    git = (
        "git",
        "--no-optional-locks",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.hooksPath=",
        "-C",
        str(app.folder),
    )
    head = _git_says(*git, "rev-parse", "--verify", "HEAD")
    if head is None:
        return None
    changed = _git_says(*git, "status", "--porcelain", "--", ".")
    return head.strip() + ("+dirty" if changed else "")


def _git_says(*argv: str) -> str | None:
    try:
        answer = subprocess.run(  # noqa: S603 # nosec B603 - a fixed program and an argument list
            argv, capture_output=True, timeout=GIT_TIMEOUT, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode(errors="replace") if answer.returncode == 0 else None


def counts_what_is_left(script: Script) -> bool:
    """Return whether the spec declares how the script counts what is left."""
    return bool(script.postcondition and script.postcondition.run)


def _not_checked(script: Script, selection: Selection, *, dry_run: bool, wanted: bool) -> str:
    """Return why what is left is not to be counted after this run, or nothing."""
    if script.postcondition is None or not script.postcondition.run:
        return ""
    if dry_run:
        return "a dry run changes nothing"
    if not wanted:
        return "--no-verify"
    skipped = [name for name in script.postcondition.skip_if_given if name in selection.given]
    return ", ".join(f"--{name}" for name in skipped) + " was given" if skipped else ""


def not_countable(script: Script, path: Path) -> str:
    """Return why the script at `path` must not be asked to count, or nothing."""
    unknown = unknown_words(script, path, script.postcondition.run if script.postcondition else ())
    return f"the script has no {' and no '.join(unknown)}" if unknown else ""


def unknown_words(script: Script, path: Path, words: Sequence[str]) -> tuple[str, ...]:
    """Return those of `words` that the parser of the script at `path`, read from its source, does not have.

    A script that ignores what it does not know would do all of its work when it is asked to count, or to work
    on some items alone. Where the parser can't be read nothing is known, and nothing returned.
    """
    # Here, not above: only a spec that counts, or a retry, pays for reading Python.
    from corpus_backfill_plugin.authoring import drift  # noqa: PLC0415
    from corpus_backfill_plugin.authoring.introspect_source import modules_beside, read_source  # noqa: PLC0415

    try:
        text = path.read_text(encoding="utf-8")
        with warnings.catch_warnings(action="ignore"):  # Python's own, of a script's text
            model = read_source(text, path.name, modules_beside(path, path.parent.parent))
    except Exception:  # noqa: BLE001 - whatever a reader stumbles over must not keep a script from its run
        return ()
    return drift.unknown_words(script, model, words)


def count_invocation(script: Script, selection: Selection, job: Invocation) -> Invocation:
    """Return `job` made to count what is left: the same records, no limit, with the postcondition's words.

    The run's own options are sent along, so that `--media-type video` counts videos alone.
    """
    left_out = {o.name for o in effective_options(script) if o.role in {"dry-run", "limit"}}
    kept = msgspec.structs.replace(
        selection, values={k: v for k, v in selection.values.items() if k not in left_out}
    )
    words = arguments(script, kept)
    at = len(words) - len(positional_words(script, kept))
    extra = script.postcondition.run if script.postcondition else ()
    return msgspec.structs.replace(job, arguments=(*words[:at], *extra, *words[at:]))
