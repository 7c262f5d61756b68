"""What a run is asked to do: an Invocation, and the facts about it that are worth remembering."""

from __future__ import annotations

from typing import Any

import msgspec

from corpus_backfill_plugin.invocation import Invocation
from corpus_backfill_plugin.spec.model import Output, Postcondition

ITEMS_FILE = "@corpus-backfill:items@"
"""Stands for the path of a run's file of items."""


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One run, before it is started. Nothing in it is secret but `invocation`.

    Attributes:
        command: the command's name, `duration`.
        spec_source: which source the spec came from (`shipped`, `server`, ...).
        spec_path: the spec file.
        spec_hash: sha256 of the spec file, hexadecimal.
        script_path: absolute path of the script.
        script_hash: sha256 of the script, hexadecimal.
        options: what the operator chose, by option name; secrets masked. Values are JSON's.
        given: names of the options that the operator gave, defaults left out.
        database: the database's URL without its password, or None.
        server: absolute path of the server app.
        server_commit: git commit of the server app, with `+dirty` when it has changes; None without git.
        interpreter: what runs the script, as shown to people.
        dry_run: whether the script was asked to change nothing.
        lock_key: runs with the same key exclude one another; None takes no lock.
        success_codes: exit codes that mean success.
        timeout: seconds the run may take, None is no limit.
        output: what the script's lines mean, from its spec.
        postcondition: what proves the run, from its spec.
        verify: the Invocation that counts what is left, None when nothing is counted.
        not_checked: why the postcondition is not to be checked in this run, else empty.
        not_countable: why the script can't be asked to count although its spec says how, else empty.
        parent: number of the run that this one retries or repeats.
        items: what a retry is limited to. They go into a file of the run's folder, an item a line, whose path
            takes the place of `ITEMS_FILE` wherever that stands: the folder is known last.
    """

    invocation: Invocation
    command: str
    spec_source: str
    spec_path: str
    spec_hash: str
    script_path: str
    script_hash: str
    options: dict[str, Any]
    given: tuple[str, ...] = ()
    database: str | None = None
    server: str
    server_commit: str | None = None
    interpreter: str = ""
    dry_run: bool = False
    lock_key: str | None = None
    success_codes: tuple[int, ...] = (0,)
    timeout: float | None = None
    output: Output | None = None
    postcondition: Postcondition | None = None
    verify: Invocation | None = None
    not_checked: str = ""
    not_countable: str = ""
    parent: int | None = None
    items: tuple[str, ...] = ()


def with_items_file(request: RunRequest, path: str) -> RunRequest:
    """Return `request` with `path` in the place of `ITEMS_FILE`, and the items left to that file."""
    return msgspec.structs.replace(
        request,
        invocation=_told(request.invocation, path),
        verify=None if request.verify is None else _told(request.verify, path),
        options={name: path if value == ITEMS_FILE else value for name, value in request.options.items()},
        items=(),
    )


def _told(job: Invocation, path: str) -> Invocation:
    return msgspec.structs.replace(
        job,
        arguments=tuple(path if word == ITEMS_FILE else word for word in job.arguments),
        environ={name: path if value == ITEMS_FILE else value for name, value in job.environ.items()},
        stdin=path if job.stdin == ITEMS_FILE else job.stdin,
    )
