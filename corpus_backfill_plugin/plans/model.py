"""What a plan says, and how what would be run now differs from it. Pure: no file, no clock."""

from __future__ import annotations

import hashlib
import math
import re
import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from corpus_backfill_plugin.agent.redact import HIDDEN, mask
from corpus_backfill_plugin.database import identity
from corpus_backfill_plugin.text import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.agent.records import RunRequest
    from corpus_backfill_plugin.agent.verify import Counted

CLOCK_SKEW = 300.0
"""Seconds by which the clocks of two machines may differ before a plan counts as made in the future."""

_SHORT = 12
_TOLERANCE = re.compile(r"(?P<amount>\d{1,15}(\.\d{1,6})?)(?P<relative>%?)", re.ASCII)

Amount = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run, previewed and not yet done. Nothing in it is secret.

    Attributes:
        format: of this file.
        id: names the plan in the state folder of who made it.
        command: the command's name.
        arguments: what the script finds in `sys.argv[1:]`, without the switch for a dry run.
        options: the values by option name; secrets masked.
        given: names of the options that were given, defaults left out.
        timeout: the operator's limit, such as `12h`.
        verify: whether the postcondition is to be checked.
        script: path of the script, relative to the server app.
        script_hash: sha256 of the script, hexadecimal.
        spec_hash: sha256 of the spec file, hexadecimal.
        server: absolute path of the server app.
        server_commit: its git commit, with `+dirty` when it has changes; None without git.
        database: the database's URL without its password.
        database_identity: all of it but the user; a path of SQLite's is absolute.
        left: what was left to do, as the postcondition counts it.
        not_counted: why that was not counted; then `left` is empty.
        previewed: what the dry run said it would do.
        run: number of the dry run in the ledger of who made it.
        user: who made it.
        host: where.
        made: when.
        plugin_version: by which version of this package.
        sha256: of all the rest, hexadecimal.
    """

    format: Literal[1] = 1
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    command: str
    arguments: tuple[str, ...]
    options: dict[str, Any]
    given: tuple[str, ...]
    timeout: str | None = None
    verify: bool = True
    script: str
    script_hash: str
    spec_hash: str
    server: str
    server_commit: str | None
    database: str | None
    database_identity: str | None
    left: dict[str, Amount]
    not_counted: str = ""
    previewed: dict[str, Amount]
    run: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    user: str
    host: str
    made: Annotated[datetime, msgspec.Meta(tz=True)]
    plugin_version: str
    sha256: str = ""


def digest(plan: Plan) -> str:
    """Return the sha256 of all that `plan` says but its own, hexadecimal."""
    content = msgspec.json.encode(msgspec.structs.replace(plan, sha256=""), order="sorted")
    return hashlib.sha256(content).hexdigest()


def checksummed(plan: Plan) -> Plan:
    """Return `plan` with its sha256."""
    return msgspec.structs.replace(plan, sha256=digest(plan))


class Tolerance(msgspec.Struct, frozen=True):
    """By how much the count to do may be off: a number, or a part of what was planned."""

    amount: float = 0
    relative: bool = False

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Read `5%` or `20`.

        Raises:
            ValueError: it is neither.
        """
        found = _TOLERANCE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is neither a number like 20 nor a part like 5%")
        return cls(float(found["amount"]), bool(found["relative"]))

    def allows(self, planned: int, now: int) -> bool:
        """Return whether `now` is near enough to `planned`."""
        return abs(now - planned) <= (planned * self.amount / 100 if self.relative else self.amount)

    def __str__(self) -> str:
        """Return it as it is typed."""
        return f"{self.amount:g}{'%' if self.relative else ''}"


def differences(
    plan: Plan,
    request: RunRequest,
    *,
    now: datetime,
    counted: Counted | None = None,
    max_age: float = math.inf,
    tolerance: Tolerance = Tolerance(),  # noqa: B008 - frozen
) -> tuple[str, ...]:
    """Return everything in which running `request` would not be what was planned, a phrase each.

    Args:
        plan: what was previewed.
        request: what would be run.
        now: with its time zone.
        counted: what is left to do now; None when it is not to be compared.
        max_age: seconds that the plan may be old.
        tolerance: by how much the count may be off.
    """
    return (
        *_changes(plan, request),
        *_too_old(plan, now, max_age),
        *_other_count(plan, counted, tolerance),
    )


def _changes(plan: Plan, request: RunRequest) -> Iterator[str]:
    words, database = request.invocation.arguments, identity(request.database, request.server)
    shown = mask(shlex.join(words), request.invocation.secrets)
    commit = plan.server_commit
    for name in ("script", "spec"):
        planned, found = getattr(plan, f"{name}_hash"), getattr(request, f"{name}_hash")
        if planned != found:
            yield f"{name}: sha256 {planned[:_SHORT]} was planned, it is {found[:_SHORT]}"
    if commit != request.server_commit:
        yield f"server commit: {_commit(commit)} was planned, it is {_commit(request.server_commit)}"
    elif plan.server != request.server and (commit is None or commit.endswith("+dirty")):
        yield f"server: {plan.server} was planned, and no commit proves that {request.server} is the same"
    if plan.command != request.command:
        yield f"command: {plan.command} was planned, it is {request.command}"
    if plan.arguments != words:
        yield f"arguments: `{shlex.join(plan.arguments)}` was planned, it would be `{shown}`"
    if plan.database_identity != database or database == HIDDEN:
        yield f"database: {plan.database or 'none'} was planned, it is {request.database or 'none'}"


def _commit(commit: str | None) -> str:
    if commit is None:
        return "none"
    name, plus, dirty = commit.partition("+")
    return name[:_SHORT] + plus + dirty


def _too_old(plan: Plan, now: datetime, max_age: float) -> Iterator[str]:
    age = (now - plan.made).total_seconds()
    if age > max_age:
        yield f"age: it was made {duration(age)} ago, more than {duration(max_age)}"
    elif age < -CLOCK_SKEW:
        yield f"age: it was made {duration(-age)} in the future, by this machine's clock"


def _other_count(plan: Plan, counted: Counted | None, tolerance: Tolerance) -> Iterator[str]:
    if counted is None:
        return
    if counted.reason:
        yield f"count to do: not known ({counted.reason})"
        return
    for name, planned in plan.left.items():
        found = counted.counts.get(name)
        if found is None:
            yield f"count to do: {planned} {name} were planned, the count does not say it now"
        elif not tolerance.allows(planned, found):
            yield f"count to do: {planned} {name} were planned, there are {found} (tolerance {tolerance})"
