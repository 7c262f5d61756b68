"""What a plan says, and how what would be run now differs from it. Pure: no file, no clock."""

from __future__ import annotations

import math
import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from corpus_backfill_plugin.agent.redact import HIDDEN, mask
from corpus_backfill_plugin.database import identity
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.text import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.agent.records import RunRequest
    from corpus_backfill_plugin.agent.verify import Counted

CLOCK_SKEW = 300.0
"""Seconds by which the clocks of two machines may differ before a plan counts as made in the future."""

_SHORT = 12

Amount = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run, previewed and not yet done. Nothing in it is secret.

    Attributes:
        id: names the plan in the state folder of who made it.
        arguments: what the script finds in `sys.argv[1:]`, without the switch for a dry run.
        script: path of the script, relative to the server app.
        database_identity: the database's URL but for the user; a path of SQLite's is absolute.
        left: what was left to do, as the postcondition counts it.
        not_counted: why that was not counted; then `left` is empty.
        previewed: what the dry run said it would do.
        run: number of the dry run in the ledger of who made it.
        sha256: of all the rest, hexadecimal.

    The others are as in `RunRequest`.
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

    def __post_init__(self) -> None:
        """Refuse a timeout that is no duration."""
        parse_duration(self.timeout or "1s")


def is_near(now: int, planned: int, tolerance: str) -> bool:
    """Return whether a count is off by at most `tolerance`: a number, or a part of `planned` like `5%`."""
    amount = float(tolerance.removesuffix("%"))
    return abs(now - planned) <= (planned * amount / 100 if tolerance.endswith("%") else amount)


def differences(
    plan: Plan,
    request: RunRequest,
    *,
    now: datetime,
    counted: Counted | None = None,
    max_age: float = math.inf,
    tolerance: str = "0",
) -> tuple[str, ...]:
    """Return everything in which running `request` would not be what was planned, a phrase each.

    Args:
        plan: what was previewed.
        request: what would be run.
        now: with its time zone.
        counted: what is left to do now; None when it is not to be compared.
        max_age: seconds that the plan may be old.
        tolerance: by how much the count may be off, see `is_near`.
    """
    found = [*_changes(plan, request)]
    age = (now - plan.made).total_seconds()
    if age > max_age:
        found.append(f"age: it was made {duration(age)} ago, more than {duration(max_age)}")
    elif age < -CLOCK_SKEW:
        found.append(f"age: it was made {duration(-age)} in the future, by this machine's clock")
    if counted is not None:
        found += _other_count(plan, counted, tolerance)
    return tuple(found)


def _changes(plan: Plan, request: RunRequest) -> Iterator[str]:
    words, database = request.invocation.arguments, identity(request.database, request.server)
    commit = plan.server_commit
    for name in ("script", "spec"):
        planned, found = getattr(plan, f"{name}_hash"), getattr(request, f"{name}_hash")
        if planned != found:
            yield f"{name}: sha256 {planned[:_SHORT]} was planned, it is {found[:_SHORT]}"
    if commit != request.server_commit:
        yield f"server commit: {_commit(commit)} was planned, it is {_commit(request.server_commit)}"
    elif plan.server != request.server and (commit is None or commit.endswith("+dirty")):
        yield f"server: {plan.server} was planned, and no commit proves that {request.server} is the same"
    if plan.arguments != words:
        shown = mask(shlex.join(words), request.invocation.secrets)
        yield f"arguments: `{shlex.join(plan.arguments)}` was planned, it would be `{shown}`"
    if plan.database_identity != database or database == HIDDEN:
        yield f"database: {plan.database or 'none'} was planned, it is {request.database or 'none'}"


def _commit(commit: str | None) -> str:
    name, plus, dirty = (commit or "none").partition("+")
    return name[:_SHORT] + plus + dirty


def _other_count(plan: Plan, counted: Counted, tolerance: str) -> Iterator[str]:
    if counted.reason:
        yield f"count to do: not known ({counted.reason})"
        return
    for name, planned in plan.left.items():
        found = counted.counts.get(name)
        if found is None:
            yield f"count to do: {planned} {name} were planned, the count does not say it now"
        elif not is_near(found, planned, tolerance):
            yield f"count to do: {planned} {name} were planned, there are {found} (tolerance {tolerance})"
