"""A plan made: the work counted, previewed by a dry run, and written down."""

from __future__ import annotations

import os
import shlex
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpus_backfill_plugin.about import own_version
from corpus_backfill_plugin.agent.database import identity
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.link import Link
from corpus_backfill_plugin.agent.records import Postcondition, without_secrets
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.redact import HIDDEN
from corpus_backfill_plugin.agent.state import current_user, open_state
from corpus_backfill_plugin.agent.verify import Counted, compare, count
from corpus_backfill_plugin.config import with_on_end
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.invocation import check_text
from corpus_backfill_plugin.plans.plan import Plan, check_free, checksummed, differences, write_plan
from corpus_backfill_plugin.prepare import count_invocation, not_countable, prepare, prepare_again
from corpus_backfill_plugin.runs.execute import Run
from corpus_backfill_plugin.runs.viewer import Signals
from corpus_backfill_plugin.specs.selection import Selection, broken_rules
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.agent.records import RunRequest
    from corpus_backfill_plugin.specs.catalog import LoadedSpec
    from corpus_backfill_plugin.specs.model import Script
    from corpus_backfill_plugin.workspace import Site

DATABASE_OPTION = "database-url"
"""The option whose value `runs apply` takes on its command line as well."""

_OF_REQUEST = (
    "command", "options", "given", "script_hash", "spec_hash", "server", "server_commit", "database",
)  # fmt: skip


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
        _print("Warning: the server app has changes that are in no commit; whether they change is not seen.")
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
        with Link() as link:
            run.begin(link)
            code = run.watch(link, signals)
        record = ledger.get(run.number)
        if record is None or record.state != "succeeded":
            _print("No plan was written: the dry run did not succeed.")
            return code or 1
    expected = request.postcondition.expect if request.postcondition and not not_counted else ()
    plan = checksummed(
        Plan(
            **{name: getattr(request, name) for name in _OF_REQUEST},
            **limits,
            id=uuid.uuid4().hex,
            arguments=request.invocation.arguments,
            script=request.invocation.script,
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
        _print(f"What is left to do was not counted: {not_counted}.")
    _print(f"Plan written to {path}. To run it: backfill runs apply {shlex.quote(str(path))}")
    return 0


def both(script: Script, selection: Selection) -> tuple[Selection, Selection]:
    """Return what the operator chose as the real run, and as its dry run."""
    switch = next((o for o in script.options if o.role == "dry-run"), None)
    if switch is None:
        raise BackfillError(
            "this command has no dry run, so there is nothing to plan by",
            'Its spec would need an option with role = "dry-run".',
        )
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
        raise BackfillError(
            "an option holds a secret, or bytes that are no text, and a plan can't hold either",
            "Hand the secret over by the option that is meant for it.",
        )
    if request.database == HIDDEN:
        raise BackfillError(
            "the database's name can be read in several ways, so a plan can't distinguish it from another",
            "Name it by a URL such as postgresql://host/name, the password percent-encoded.",
        )


def why_not_counted(script: Script, request: RunRequest) -> str:
    """Return why the script is not asked what is left to do; nothing when it is to be asked."""
    if request.postcondition is None or not request.postcondition.run:
        return "the spec declares no count"
    return not_countable(script, Path(request.script_path))


def count_left(
    script: Script,
    selection: Selection,
    request: RunRequest,
    stopped: Callable[[], bool],
    seconds: float | None = None,
) -> Counted:
    """Count what is left to do for `selection`, the run's limit aside, as its spec says.

    Returns:
        The count; with a reason where it lacks what the postcondition expects.
    """
    condition = request.postcondition or Postcondition()
    counted = count(
        count_invocation(script, selection, request.invocation),
        request.output,
        seconds=seconds or condition.timeout,
        environ=os.environ,
        stopped=stopped,
    )
    state, reason = compare(condition.expect, counted)
    return counted._replace(reason=reason) if state == "unknown" else counted


def _print(text: str) -> None:
    click.echo(one_line(text), err=True)
