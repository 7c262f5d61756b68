"""A plan: what it says, how what would be run now differs from it, and its file."""

from __future__ import annotations

import hashlib
import math
import os
import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from corpus_backfill_plugin.agent.database import identity
from corpus_backfill_plugin.agent.files import write_whole
from corpus_backfill_plugin.agent.redact import HIDDEN, mask
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.specs.catalog import read_plain
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.text import duration, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from corpus_backfill_plugin.agent.records import RunRequest
    from corpus_backfill_plugin.agent.verify import Counted

CLOCK_SKEW = 300.0
"""Seconds by which the clocks of two machines may differ before a plan counts as made in the future."""

_SHORT = 12

MAX_BYTES = 4 << 20
"""A plan is a few thousand bytes; what is larger is none, and is not read."""

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
        """Refuse a timeout that is none."""
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
    """Return everything in which running `request` would not be what was planned, a phrase each."""
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


def checksummed(plan: Plan) -> Plan:
    """Return `plan` with the sha256 of all the rest."""
    content = msgspec.json.encode(msgspec.structs.replace(plan, sha256=""), order="sorted")
    return msgspec.structs.replace(plan, sha256=hashlib.sha256(content).hexdigest())


def check_free(path: Path) -> None:
    """Check that a plan can be written to `path`, before anything is run for it."""
    if os.path.lexists(path):
        raise _taken(path)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise BackfillError(f"no file can be made in {one_line(str(path.parent))}", "Name another place.")


def write_plan(path: Path, plan: Plan, root: Path) -> None:
    """Write `plan` to `path`, never over anything; its sha256 is kept in the state folder `root` as well.

    It is made to be handed on and holds nothing secret, so it gets the permissions of any new file. The state
    folder is closed to most who can edit it.
    """
    at = path
    try:
        with path.open("xb") as file:
            try:
                file.write(msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")
                file.flush()
                os.fsync(file.fileno())
                at = root / "plans"
                at.mkdir(mode=0o700, exist_ok=True)
                write_whole(at / plan.id, plan.sha256.encode())
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        raise BackfillError(f"the plan can't be written to {one_line(str(at))}: {error.strerror}") from error


def _taken(path: Path) -> BackfillError:
    return BackfillError(
        f"{one_line(str(path))} exists already; a plan is never written over anything",
        "Name another file, or remove that one.",
    )


def read_plan(path: Path, root: Path) -> tuple[Plan, bool]:
    """Return the plan in a file, and whether it is as the state folder `root` knows it: it was made here."""
    shown = one_line(str(path))
    try:
        content = read_plain(path, MAX_BYTES)
        if len(content) > MAX_BYTES:
            raise msgspec.ValidationError("too large")
        plan = msgspec.json.decode(content, type=Plan)
        known = root / "plans" / plan.id
        sha256 = known.read_text(encoding="ascii", errors="replace") if known.exists() else None
    except OSError as error:
        raise BackfillError(f"{one_line(error.filename or shown)} can't be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BackfillError(
            f"{shown} is no plan that this version can read: {one_line(str(error))}",
            "A plan is made by --plan FILE on a command.",
        ) from error
    if checksummed(plan) != plan or sha256 not in {None, plan.sha256}:
        raise BackfillError(
            f"{shown} was changed after it was made: its content does not fit its sha256",
            "Make a new plan with the options that you want.",
        )
    return plan, sha256 is not None
