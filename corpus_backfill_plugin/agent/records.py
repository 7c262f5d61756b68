"""What a run is asked to do, how it ended, and the record that holds both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from corpus_backfill_plugin.agent.progress import View  # noqa: TC001  `plain` reads the annotations
from corpus_backfill_plugin.agent.redact import HIDDEN, Secret, mask
from corpus_backfill_plugin.agent.value import Value, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


class Invocation(Value):
    """One way to run a script, complete and serialisable: any machine that has the folder can carry it out.

    Attributes:
        program: the words before the script, such as `uv run python`.
        environ: variables set on top of the caller's environment; values may be secret.
        dropped: variables of the caller's that the script must not see.
        stdin: text for the script's standard input; None is an empty input.
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
        """The complete argument list, the program first."""
        return (*self.program, self.script, *self.arguments)

    @property
    def input(self) -> bytes | None:
        """`stdin` as the bytes that the operator typed."""
        return None if self.stdin is None else self.stdin.encode(errors="surrogateescape")

    def environment(self, caller: Mapping[str, str]) -> dict[str, str]:
        """Return the script's environment, made from that of the `caller`."""
        return {k: v for k, v in caller.items() if k not in self.dropped} | self.environ


class Output(Value):
    """What the lines that a script prints mean, as templates; `progress` may be `tqdm` instead."""

    progress: str | tuple[str, ...] | None = None
    failed: str | tuple[str, ...] | None = None
    result: tuple[str, ...] = ()


class Failure(Value, kw_only=False):
    """One item that failed, as the script printed it."""

    item: str
    reason: str = ""
    masked: bool = False  # whether a secret was taken out of `item`, which names nothing any more


class Postcondition(Value):
    """What proves that a run did its work.

    Attributes:
        run: arguments that make the script count what is left; empty when nothing is counted.
        max_failed: failures that still count as success, None for any number.
        timeout: seconds that the count may take.
    """

    run: tuple[str, ...] = ()
    expect: dict[str, int] = {}  # noqa: RUF012  never changed
    max_failed: int | None = None
    timeout: float = 600.0


class OnEnd(Value):
    """The operator's program for the end of a run: `failed` calls it unless the run succeeded."""

    program: tuple[str, ...]
    folder: str
    when: Literal["always", "failed"] = "always"
    timeout: float = 30.0

    def is_due(self, state: RunState) -> bool:
        """Return whether it is to be called for a run that ended in `state`."""
        return self.when == "always" or state != "succeeded"


class RunFacts(Value):
    """What is known of a run before it starts, and recorded. Nothing in it is secret but `options`.

    Attributes:
        parent: number of the run that this one retries or repeats.
        spec_hash: sha256 of the spec file, hexadecimal, as `script_hash` of the script.
        options: what the operator chose, by option name; values are JSON's.
        database: the database's URL without its password, or None.
        server_commit: git commit of the server app, with `+dirty` when it has changes; None without git.
        lock_key: runs with the same key exclude one another; None takes no lock.
    """

    parent: int | None = None
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
    timeout: float | None = None


class RunRequest(RunFacts):
    """One run, before it is started. Nothing in it is secret but its invocations and options.

    Attributes:
        output: what the script's lines mean, from its spec, as `postcondition`.
        verify: the Invocation that counts what is left, None when nothing is counted.
        not_checked: why the postcondition is not to be checked in this run, else empty.
        not_countable: why the script can't be asked to count although its spec says how, else empty.
        items: what a retry is limited to. They go into a file of the run's folder, an item a line, whose path
            takes the place of `ITEMS_FILE` wherever that is: the folder is known last.
        on_end: the operator's program for its end; None when there is none.
    """

    invocation: Invocation
    destructive: bool = False
    success_codes: tuple[int, ...] = (0,)
    output: Output | None = None
    postcondition: Postcondition | None = None
    verify: Invocation | None = None
    not_checked: str = ""
    not_countable: str = ""
    items: tuple[str, ...] = ()
    on_end: OnEnd | None = None


class Outcome(Value):
    """What the end of a run adds to its record, and what the file `verdict` says.

    Attributes:
        state: `running` until the end is proved; `incomplete` when the script claims success and its
            postcondition, counted, does not bear it out; `unverified` when a declared postcondition could not
            be evaluated; `lost` when dead is all that is known.
        ended: seconds since the epoch.
        took: seconds by a clock that nobody sets.
        exit_code: the script's own; None when a signal ended it or nothing is known.
        pid: the direct child: the script, or what runs it. Until the end the run's folder has it.
        masked: whether a secret was found in the logs and taken out; None when they could not be searched.
        view: how far it is, as last noted by who watched, or at its end; None while it has not said so.
        proof_reason: why, such as `0 left (pending = 0)`.
        failed: the items that failed, as far as they are kept. No column: a run that has just been finished
            has them here, and any other in `Ledger.failed_items`.
    """

    state: RunState = "running"
    ended: float | None = None
    took: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    reason: str = ""
    stopped_by: str = ""
    masked: bool | None = False
    view: View | None = None
    counts: dict[str, int] = {}  # noqa: RUF012  never changed
    failures: int = 0
    proof: ProofState = ""
    proof_reason: str = ""
    failed: tuple[Failure, ...] = ()


class RunRecord(RunFacts, Outcome):
    """One row of the ledger. The fields are its columns, but for `failed`; no scalars are stored as JSON.

    Attributes:
        number: counted from 1, never given twice; 0 for a run without a record.
        token: marks the run's processes, unlike the number also without a ledger.
        started: seconds since the epoch, as `seen`.
        arguments: the complete argument list, the program first.
        masked_options: those whose value is not as it was given: it held a secret, or bytes that are no text.
            Options that the spec calls secret are not among them.
        on_end: what came of the operator's program for the end: empty when there is none, `due`, `called`,
            `ok`, or `failed: ` and why.
    """

    number: int
    token: str
    user: str
    host: str
    boot: str
    started: float
    arguments: tuple[str, ...]
    plugin_version: str = ""
    masked_options: tuple[str, ...] = ()
    seen: float | None = None
    on_end: str = ""

    def __post_init__(self) -> None:
        """Refuse a time that no clock shows, with a ValueError: it can't be written as a date."""
        moments = (self.started, self.ended or 0.0, max(self.took or 0.0, 0.0))
        if not all(0 <= moment <= _LAST_MOMENT for moment in moments):
            raise ValueError("a time in it is none that a clock shows")


_NOUNS = {
    "the script": "script_hash", "the spec": "spec_hash", "the server's commit": "server_commit",
    "the database": "database", "what is called": "invocation", "the lock": "lock_key",
}  # fmt: skip


def changed_facts(before: RunRequest, after: RunRequest) -> list[str]:
    """Return what is no longer as it was when `before` was prepared, a noun each."""
    return [noun for noun, name in _NOUNS.items() if getattr(before, name) != getattr(after, name)]


def record_of(request: RunRequest, **facts: Any) -> RunRecord:  # noqa: ANN401  the fields of RunRecord
    """Return the record of a run: what `request` says, secrets masked, and the `facts` it can't know."""
    bare = without_secrets(request)
    return RunRecord(
        **{name: getattr(bare, name) for name in RunFacts._fields},
        arguments=bare.invocation.argv,
        masked_options=tuple(n for n, value in request.options.items() if bare.options[n] != value),
        **facts,
    )


def with_items_file(request: RunRequest, path: str) -> RunRequest:
    """Return `request` with `path` in the place of `ITEMS_FILE`, and the items left to that file."""
    return replace(_each_text(request, lambda text: path if text == ITEMS_FILE else text), items=())


def without_secrets(request: RunRequest) -> RunRequest:
    """Return `request` fit to be written down: secrets out of options, arguments, environment; no stdin."""
    secrets = request.invocation.secrets

    def bare(job: Invocation) -> Invocation:
        hidden = {name: HIDDEN for name in job.secret_names if name in job.environ}
        return replace(job, environ=job.environ | hidden, stdin=None, secrets=())

    # What is no text can't be written down: its bytes are escaped.
    shown = _each_text(request, lambda t: mask(t, secrets).encode(errors="backslashreplace").decode())
    return replace(
        shown, invocation=bare(shown.invocation), verify=bare(shown.verify) if shown.verify else None
    )


def _each_text(request: RunRequest, change: Callable[[str], str]) -> RunRequest:
    """Return `request` with each text in options, arguments, environment and standard input changed."""

    def changed(value: Any) -> Any:  # noqa: ANN401  any JSON value
        if isinstance(value, str):
            return change(value)
        if isinstance(value, dict):
            return {name: changed(each) for name, each in value.items()}
        return [changed(each) for each in value] if isinstance(value, list | tuple) else value

    def of(job: Invocation) -> Invocation:
        arguments = tuple(changed(job.arguments))
        return replace(job, arguments=arguments, environ=changed(job.environ), stdin=changed(job.stdin))

    verify = of(request.verify) if request.verify else None
    return replace(
        request, invocation=of(request.invocation), verify=verify, options=changed(request.options)
    )
