"""Plans that one person previews and another applies: made, written, read, and compared with what is now."""

from __future__ import annotations

import hashlib
import math
import os
import shlex
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from corpus_backfill_plugin.about import own_version
from corpus_backfill_plugin.agent.database import identity
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.files import write_whole
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.link import Link
from corpus_backfill_plugin.agent.records import Postcondition, RunRequest, without_secrets
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.redact import HIDDEN, mask
from corpus_backfill_plugin.agent.state import current_user, open_state
from corpus_backfill_plugin.agent.verify import Counted, compare, count
from corpus_backfill_plugin.config import with_on_end
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.invocation import check_text
from corpus_backfill_plugin.prepare import count_invocation, not_countable, prepare, prepare_again
from corpus_backfill_plugin.runs.execute import Run
from corpus_backfill_plugin.runs.signals import Signals
from corpus_backfill_plugin.runs.viewer import watch_run
from corpus_backfill_plugin.specs.catalog import LoadedSpec, read_plain
from corpus_backfill_plugin.specs.selection import Selection, broken_rules
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.text import duration, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from corpus_backfill_plugin.specs.model import Script
    from corpus_backfill_plugin.workspace import Site

CLOCK_SKEW = 300.0  # seconds by which the clocks of two machines may differ
MAX_BYTES = 4 << 20  # a plan is a few thousand bytes; what is larger is none, and is not read
DATABASE_OPTION = "database-url"  # the option whose value `runs apply` takes on its command line as well
_SHORT = 12
_OF_REQUEST = (
    "command", "options", "given", "script_hash", "spec_hash", "server", "server_commit", "database",
)  # fmt: skip

Amount = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run, previewed and not yet done. Nothing in it is secret."""

    format: Literal[1] = 1
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]  # its name in its maker's state folder
    command: str
    arguments: tuple[str, ...]  # without the switch for a dry run
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
    database_identity: str | None  # the URL but for the user; a path of SQLite's is absolute
    left: dict[str, Amount]  # what was left to do, as the postcondition counts it
    not_counted: str = ""  # why that was not counted; then `left` is empty
    previewed: dict[str, Amount]  # what the dry run said it would do
    run: Annotated[int, msgspec.Meta(ge=1, le=2**53)]  # number of the dry run in its maker's ledger
    user: str
    host: str
    made: Annotated[datetime, msgspec.Meta(tz=True)]
    plugin_version: str
    sha256: str = ""  # of all the rest, hexadecimal

    def __post_init__(self) -> None:
        """Refuse a timeout that is none."""
        parse_duration(self.timeout or "1s")


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
    amount = float(tolerance.removesuffix("%"))
    for name, planned in plan.left.items():
        found, most = counted.counts.get(name), planned * amount / 100 if "%" in tolerance else amount
        if found is None:
            yield f"count to do: {planned} {name} were planned, the count does not say it now"
        elif abs(found - planned) > most:
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
    """Write `plan` to `path`, never over anything; its sha256 is kept in the state folder `root` as well."""
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
    problem = f"{one_line(str(path))} exists already; a plan is never written over anything"
    return BackfillError(problem, "Name another file, or remove that one.")


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
        problem = f"{shown} is no plan that this version can read: {one_line(str(error))}"
        raise BackfillError(problem, "A plan is made by --plan FILE on a command.") from error
    if checksummed(plan) != plan or sha256 not in {None, plan.sha256}:
        problem = f"{shown} was changed after it was made: its content does not fit its sha256"
        raise BackfillError(problem, "Make a new plan with the options that you want.")
    return plan, sha256 is not None


def make_plan(spec: LoadedSpec, selection: Selection, site: Site, path: Path, **limits: Any) -> int:  # noqa: ANN401
    """Count what is left, run the dry run of `selection`, and write the plan for the real run to `path`.

    The dry run is recorded as any run is, and shown as it goes; where it does not succeed, its exit code is
    returned and there is no plan. The `limits` are the real run's `timeout` and `verify`, as of `prepare`.
    """
    check_free(path)
    real, dry = both(spec.script, selection)
    request = prepare(spec, real, site, **limits)
    check_text(request)
    _check_writable(spec.script, request)
    if (request.server_commit or "").endswith("+dirty"):
        notify("Warning: the server app has changes that are in no commit; whether they change is not seen.")
    state = open_state()
    with Ledger(state.ledger) as ledger, Signals() as signals:
        recover(state, ledger)
        not_counted, counted = why_not_counted(spec.script, request), Counted()
        if not not_counted:
            counted = count_left(spec.script, real, request, lambda: bool(signals.pending))
        if signals.pending:
            return 128 + signals.pending[0]
        if counted.reason:
            raise BackfillError(f"no plan: what is left to do is not known: {counted.reason}")
        run = Run(with_on_end(prepare(spec, dry, site, timeout=limits.get("timeout"))), state, ledger)
        with Link() as link, closing(run):
            run.begin(link)
            code = watch_run(run, link, signals)
        record = ledger.get(run.number)
        if record is None or record.state != "succeeded":
            notify("No plan was written: the dry run did not succeed.")
            return code or 1
    expected = request.postcondition.expect if request.postcondition and not not_counted else ()
    plan = checksummed(
        Plan(
            **{name: getattr(request, name) for name in _OF_REQUEST},
            **{name: getattr(request.invocation, name) for name in ("arguments", "script")},
            **limits,
            id=uuid.uuid4().hex,
            database_identity=identity(request.database, request.server),
            left={name: counted.counts[name] for name in expected},
            not_counted=not_counted,
            previewed=record.counts,
            run=record.number,
            user=current_user(),
            host=os.uname().nodename,
            made=datetime.now(UTC),
            plugin_version=own_version(),
        )
    )
    changed = differences(plan, prepare_again(spec, real, site), now=plan.made)
    if changed:
        raise BackfillError("no plan: while the dry run ran, this changed:\n  " + "\n  ".join(changed))
    write_plan(path, plan, state.root)
    if not_counted:
        notify(f"What is left to do was not counted: {not_counted}.")
    notify(f"Plan written to {path}. To run it: backfill runs apply {shlex.quote(str(path))}")
    return 0


def both(script: Script, selection: Selection) -> tuple[Selection, Selection]:
    """Return what the operator chose as the real run, and as its dry run."""
    switch = next((o for o in script.options if o.role == "dry-run"), None)
    if switch is None:
        problem = "this command has no dry run, so there is nothing to plan by"
        raise BackfillError(problem, 'Its spec would need an option with role = "dry-run".')
    dry = Selection(values={**selection.values, switch.name: True}, given=selection.given | {switch.name})
    if faults := broken_rules(script, dry):
        raise BackfillError(f"the dry run can't be called with these options: {'; '.join(faults)}")
    if not selection.values.get(switch.name):
        return selection, dry
    rest = {name: value for name, value in selection.values.items() if name != switch.name}
    if not switch.default:
        return Selection(values=rest, given=selection.given - {switch.name}), dry
    if switch.negate is None:
        raise BackfillError("this command makes dry runs only, so there is nothing to plan for")
    return Selection(values={**rest, switch.name: False}, given=dry.given), dry


def _check_writable(script: Script, request: RunRequest) -> None:
    """Check that a plan can hold all of `request`, and that `runs apply` gets its secrets again."""
    for option in (o for o in script.options if o.secret and o.name in request.options):
        has_source = option.envvar or option.name == DATABASE_OPTION
        if isinstance(request.options[option.name], list) or not has_source:
            reason = f"--{option.name} is secret, and it has several values or no envvar"
            raise BackfillError(f"nobody could apply the plan: {reason}")
    bare = without_secrets(request)
    written = {**bare.options, "": list(bare.invocation.arguments)}
    if written != {**request.options, "": list(request.invocation.arguments)}:
        problem = "an option holds a secret, or bytes that are no text, and a plan can't hold either"
        raise BackfillError(problem, "Hand the secret over by the option that is meant for it.")
    if request.database == HIDDEN:
        raise BackfillError(
            "the database's name can be read in several ways, so a plan can't distinguish it from another",
            "Name it by a URL such as postgresql://host/name, the password percent-encoded.",
        )


def why_not_counted(script: Script, request: RunRequest) -> str:
    """Return why the script is not asked what is left to do; nothing when it is to be asked."""
    if request.postcondition and request.postcondition.run:
        return not_countable(script, Path(request.script_path))
    return "the spec declares no count"


def count_left(
    script: Script, selection: Selection, request: RunRequest, stopped: Callable[[], bool], seconds: float = 0
) -> Counted:
    """Count what is left to do for `selection`, the run's limit aside; with a reason if something lacks."""
    condition = request.postcondition or Postcondition()
    job, seconds = count_invocation(script, selection, request.invocation), seconds or condition.timeout
    counted = count(job, request.output, seconds=seconds, environ=os.environ, stopped=stopped)
    state, reason = compare(condition.expect, counted)
    return counted._replace(reason=reason) if state == "unknown" else counted
