"""What a run is asked to do: an Invocation, and the facts about it that are worth remembering."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from corpus_backfill_plugin.agent.output import Failure, Output  # noqa: TC001  `plain` reads the annotations
from corpus_backfill_plugin.agent.progress import View  # noqa: TC001  `plain` reads the annotations
from corpus_backfill_plugin.agent.redact import HIDDEN, Secret, mask

if TYPE_CHECKING:
    from collections.abc import Mapping

ITEMS_FILE = "@corpus-backfill:items@"
"""Stands for the path of a run's file of items."""

DROPPED = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")
"""They name the CLI's own environment; in the script they would shadow the server's."""

_LAST_MOMENT = 253402214400.0
"""Seconds since the epoch, in the year 9999; an age that is as long is none either."""

RunState: TypeAlias = Literal[
    "running", "succeeded", "incomplete", "unverified", "failed", "stopped", "lost"
]  # fmt: skip
STATES: tuple[RunState, ...] = get_args(RunState)

ProofState: TypeAlias = Literal["", "none declared", "held", "failed", "unknown", "skipped"]
"""Of a postcondition: empty until the script has ended by its own claim with success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One way to run a script, whole and serialisable: any machine that has the folder can carry it out.

    Attributes:
        program: the words before the script, such as `uv run python`.
        script: path of the script, relative to `folder`.
        arguments: what the script finds in `sys.argv[1:]`.
        folder: absolute path of the working folder, the server app.
        environ: variables set on top of the caller's environment; values may be secret.
        dropped: variables of the caller's that the script must not see.
        stdin: text for the script's standard input; None is an empty input.
        secrets: what to mask wherever something is shown or stored.
        secret_names: variables, also inherited ones, whose value is never shown, password in it or not.
    """

    program: tuple[str, ...]
    script: str
    arguments: tuple[str, ...]
    folder: str
    environ: dict[str, str]
    dropped: tuple[str, ...] = DROPPED
    stdin: str | None = None
    secrets: tuple[Secret, ...] = ()
    secret_names: tuple[str, ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole argument list, the program first."""
        return (*self.program, self.script, *self.arguments)

    def environment(self, caller: Mapping[str, str]) -> dict[str, str]:
        """Return the script's environment, made from that of the `caller`."""
        return {k: v for k, v in caller.items() if k not in self.dropped} | self.environ


@dataclass(frozen=True, slots=True, kw_only=True)
class Postcondition:
    """What proves that a run did its work.

    Attributes:
        run: arguments that make the script count what is left; empty when nothing is counted.
        expect: counts that must come out, by name.
        max_failed: failures that still count as success, None for any number.
        timeout: seconds that the count may take.
    """

    run: tuple[str, ...] = ()
    expect: dict[str, int] = field(default_factory=dict)
    max_failed: int | None = None
    timeout: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OnEnd:
    """The operator's program for the end of a run.

    Attributes:
        program: the program and its arguments.
        folder: where it is started.
        when: `failed` calls it unless the run succeeded.
        timeout: seconds that it may take.
    """

    program: tuple[str, ...]
    folder: str
    when: Literal["always", "failed"] = "always"
    timeout: float = 30.0

    def is_due(self, state: RunState) -> bool:
        """Return whether it is to be called for a run that ended in `state`."""
        return self.when == "always" or state != "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
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
        destructive: whether the spec says that its work can't be undone.
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
        on_end: the operator's program for its end; None when there is none.
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
    destructive: bool = False
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
    on_end: OnEnd | None = None


_FACTS = {
    "the script": "script_hash", "the spec": "spec_hash", "the server's commit": "server_commit",
    "the database": "database", "what is called": "invocation", "the lock": "lock_key",
}  # fmt: skip


def changed_facts(before: RunRequest, after: RunRequest) -> list[str]:
    """Return what is no longer as it was when `before` was prepared, a noun each."""
    return [name for name, field in _FACTS.items() if getattr(before, field) != getattr(after, field)]


def with_items_file(request: RunRequest, path: str) -> RunRequest:
    """Return `request` with `path` in the place of `ITEMS_FILE`, and the items left to that file."""
    return replace(
        request,
        invocation=_told(request.invocation, path),
        verify=None if request.verify is None else _told(request.verify, path),
        options={name: path if value == ITEMS_FILE else value for name, value in request.options.items()},
        items=(),
    )


def _told(job: Invocation, path: str) -> Invocation:
    return replace(
        job,
        arguments=tuple(path if word == ITEMS_FILE else word for word in job.arguments),
        environ={name: path if value == ITEMS_FILE else value for name, value in job.environ.items()},
        stdin=path if job.stdin == ITEMS_FILE else job.stdin,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One row of the ledger. The fields are its columns, but for `failed`; no scalars are stored as JSON.

    Attributes:
        number: counted from 1, never given twice.
        token: marks the run's processes, unlike the number also without a ledger.
        state: `running` until the end is proved; `incomplete` when the script claims success and its
            postcondition, counted, does not bear it out; `unverified` when a declared postcondition could not
            be evaluated; `lost` when dead is all that is known.
        user: who started it, `root (ann)` under sudo.
        boot: which boot of the machine it runs in.
        started: seconds since the epoch, as `ended`.
        took: seconds by a clock that nobody sets.
        exit_code: the script's own; None when a signal ended it or nothing is known.
        signal: the signal that ended the script.
        pid: the direct child: the script, or what runs it. Written with the end; until then the run's folder
            has it.
        reason: why the state is what it is, where that is not plain.
        stopped_by: who asked it to stop.
        arguments: the whole argument list, the program first.
        masked: whether a secret was found in the logs and taken out; None when they could not be searched.
        masked_options: those whose value is not as it was given: it held a secret, or bytes that are no text.
            Options that are secret as a whole are not among them.
        view: how far it is, as last noted by who watched, or at its end; None while it has not said so.
        seen: when that was, in seconds since the epoch.
        counts: what the script said it did, by name.
        failures: how many items failed. The first of them, with reasons, are in the ledger.
        proof: what came of the postcondition.
        proof_reason: why, such as `0 left (pending = 0)`.
        on_end: what came of the operator's program for the end: empty when there is none, `due`, `called`,
            `ok`, or `failed: ` and why.
        failed: the items that failed, as far as they are kept. No column: a run that has just been finished
            has them here, and any other in `Ledger.failed_items`.

    The others are as in `RunRequest`.
    """

    number: int
    token: str
    parent: int | None = None
    command: str
    state: RunState = "running"
    user: str
    host: str
    boot: str
    started: float
    ended: float | None = None
    took: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    reason: str = ""
    stopped_by: str = ""
    spec_source: str
    spec_path: str
    spec_hash: str
    script_path: str
    script_hash: str
    options: dict[str, Any]
    given: tuple[str, ...] = ()
    arguments: tuple[str, ...]
    database: str | None = None
    server: str
    server_commit: str | None = None
    interpreter: str = ""
    dry_run: bool = False
    lock_key: str | None = None
    timeout: float | None = None
    plugin_version: str = ""
    masked: bool | None = False
    masked_options: tuple[str, ...] = ()
    view: View | None = None
    seen: float | None = None
    counts: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    proof: ProofState = ""
    proof_reason: str = ""
    on_end: str = ""
    failed: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a time that no clock shows: it can't be written as a date.

        Raises:
            ValueError: `started`, `ended` or `took` is beyond all measure.
        """
        moments = (self.started, self.ended or 0.0, max(self.took or 0.0, 0.0))
        if not all(0 <= moment <= _LAST_MOMENT for moment in moments):
            raise ValueError("a time in it is none that a clock shows")


def record_of(request: RunRequest, **facts: Any) -> RunRecord:  # noqa: ANN401  the fields of RunRecord
    """Return the record of a run about to start: what `request` says, and the `facts` it can't know."""
    shared = {name: getattr(request, name) for name in _SHARED}
    return RunRecord(**(shared | {"arguments": request.invocation.argv} | facts))


def masked_options(request: RunRequest) -> tuple[str, ...]:
    """Return the options and arguments of `request` that a record can't keep as they are."""
    kept = _hide(request.options, request.invocation.secrets)
    return tuple(name for name, value in request.options.items() if kept[name] != value)


_SHARED = {
    "parent", "command", "spec_source", "spec_path", "spec_hash", "script_path", "script_hash", "options",
    "given", "database", "server", "server_commit", "interpreter", "dry_run", "lock_key",
    "timeout",
}  # fmt: skip


def without_secrets(request: RunRequest) -> RunRequest:
    """Return `request` fit to be written down: secrets out of options, arguments, environment; no stdin."""
    secrets, verify = request.invocation.secrets, request.verify
    return replace(
        request,
        invocation=_bare(request.invocation, secrets),
        verify=None if verify is None else _bare(verify, secrets),
        options=_hide(request.options, secrets),
    )


def _bare(invocation: Invocation, secrets: tuple[Secret, ...]) -> Invocation:
    hidden = {name: HIDDEN for name in invocation.secret_names if name in invocation.environ}
    return replace(
        invocation,
        arguments=tuple(_hide(list(invocation.arguments), secrets)),
        environ=_hide(invocation.environ, secrets) | hidden,
        stdin=None,
        secrets=(),
    )


def _hide(value: Any, secrets: tuple[Secret, ...]) -> Any:  # noqa: ANN401  any JSON value
    """Return JSON-like `value` with each secret masked in every text, and bytes that are no text escaped."""
    if isinstance(value, str):
        return mask(value, secrets).encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _hide(item, secrets) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(item, secrets) for item in value]
    return value
