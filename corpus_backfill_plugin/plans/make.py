"""A plan made: the work counted, previewed by a dry run, and written down."""

from __future__ import annotations

import os
import shlex
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.about import own_version
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.records import without_secrets
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.redact import HIDDEN
from corpus_backfill_plugin.agent.state import current_user, open_state
from corpus_backfill_plugin.agent.verify import Counted, compare, count
from corpus_backfill_plugin.config import with_on_end
from corpus_backfill_plugin.database import identity
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.invocation import check_text
from corpus_backfill_plugin.plans.file import check_free, remember, write_plan
from corpus_backfill_plugin.plans.model import Plan, checksummed, differences
from corpus_backfill_plugin.prepare import (
    count_invocation,
    counts_what_is_left,
    not_countable,
    prepare,
    prepare_again,
)
from corpus_backfill_plugin.runs.execute import Run
from corpus_backfill_plugin.runs.viewer import Signals
from corpus_backfill_plugin.specs.model import Postcondition
from corpus_backfill_plugin.specs.selection import Selection, broken_rules
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.agent.records import RunRequest
    from corpus_backfill_plugin.specs.catalog import LoadedSpec
    from corpus_backfill_plugin.specs.model import Option, Script
    from corpus_backfill_plugin.workspace import Site

DATABASE_OPTION = "database-url"
"""The option whose value `runs apply` takes on its command line as well."""


def make_plan(
    spec: LoadedSpec,
    selection: Selection,
    site: Site,
    path: Path,
    *,
    timeout: str | None = None,
    verify: bool = True,
) -> int:
    """Count what is left, run the dry run of `selection`, and write the plan for the real run to `path`.

    The dry run is recorded as any run is, and shown as it goes.

    Args:
        spec: a spec without faults.
        selection: values that keep its rules; whether the dry run is asked for makes no difference.
        site: where it runs.
        path: where nothing is yet.
        timeout: the operator's limit like `12h`, for the dry run and the real one.
        verify: whether the real run's postcondition is to be checked.

    Returns:
        0, or the exit code of a dry run that did not succeed; then there is no plan.

    Raises:
        BackfillError: there can't be a plan; says why.
    """
    check_free(path)
    real, dry = both(spec.script, selection)
    request = prepare(spec, real, site, timeout=timeout, verify=verify)
    check_text(request)
    _check_writable(spec.script, request)
    if (request.server_commit or "").endswith("+dirty"):
        _say("Warning: the server app has changes that are in no commit; whether they change is not seen.")
    state = open_state()
    with Ledger(state.ledger) as ledger, Signals() as signals:
        recover(state, ledger)
        not_counted = why_not_counted(spec.script, request)
        counted = None
        if not not_counted:
            counted = count_to_do(spec.script, real, request, lambda: bool(signals.pending))
        if signals.pending:
            return 128 + signals.pending[0]
        if counted is not None and counted.reason:
            raise BackfillError(f"no plan: what is left to do is not known: {counted.reason}")
        run = Run(with_on_end(prepare(spec, dry, site, timeout=timeout)), state, ledger)
        code = run.watch(run.begin(), signals)
        record = ledger.get(run.number)
        if record is None or record.state != "succeeded":
            _say("No plan was written: the dry run did not succeed.")
            return code or 1
    plan = _plan(request, counted or not_counted, record.counts, run.number, timeout=timeout, verify=verify)
    changed = differences(plan, prepare_again(spec, real, site), now=plan.made)
    if changed:
        raise BackfillError("no plan: while the dry run ran, this changed:\n  " + "\n  ".join(changed))
    remember(state.root, plan)
    write_plan(path, plan)
    if not_counted:
        _say(f"What is left to do was not counted: {not_counted}.")
    _say(f"Plan written to {path}. To run it: backfill runs apply {shlex.quote(str(path))}")
    return 0


def both(script: Script, selection: Selection) -> tuple[Selection, Selection]:
    """Return what the operator chose as the real run, and as its dry run.

    Raises:
        BackfillError: the command has no dry run, or nothing else.
    """
    switch = next((o for o in script.options if o.role == "dry-run"), None)
    if switch is None:
        raise BackfillError(
            "this command has no dry run, so there is nothing to plan by",
            'Its spec would need an option with role = "dry-run".',
        )
    dry = Selection(values={**selection.values, switch.name: True}, given=selection.given | {switch.name})
    faults = broken_rules(script, dry)
    if faults:
        raise BackfillError(f"the dry run can't be called with these options: {'; '.join(faults)}")
    return _without(switch, selection), dry


def _without(switch: Option, selection: Selection) -> Selection:
    """Return `selection` with the dry run off."""
    if not selection.values.get(switch.name):
        return selection
    rest = {name: value for name, value in selection.values.items() if name != switch.name}
    if not switch.default:
        return Selection(values=rest, given=selection.given - {switch.name})
    if switch.negate is None:
        raise BackfillError("this command makes dry runs only, so there is nothing to plan for")
    return Selection(values={**rest, switch.name: False}, given=selection.given | {switch.name})


def _check_writable(script: Script, request: RunRequest) -> None:
    """Check that a plan can hold all of `request` without a secret, and `runs apply` get the secrets again.

    Raises:
        BackfillError: it can't; says why.
    """
    for option in script.options:
        if not option.secret or option.name not in request.options:
            continue
        if isinstance(request.options[option.name], list):
            raise BackfillError(f"--{option.name} holds several secrets, which a plan can't hold")
        if not option.envvar and option.name != DATABASE_OPTION:
            raise BackfillError(
                f"--{option.name} is secret and has no envvar, so nobody could apply the plan",
                "Its spec would need `envvar`.",
            )
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
    if not counts_what_is_left(script):
        return "the spec declares no count"
    return not_countable(script, Path(request.script_path))


def count_to_do(
    script: Script, selection: Selection, request: RunRequest, stopped: Callable[[], bool]
) -> Counted:
    """Count what is left to do for `selection`, the run's limit aside; its spec says how."""
    condition = script.postcondition or Postcondition()
    counted = count(
        count_invocation(script, selection, request.invocation),
        script.output,
        seconds=parse_duration(condition.timeout),
        environ=os.environ,
        stopped=stopped,
    )
    state, reason = compare(condition.expect, counted)
    return Counted(reason=reason) if state == "unknown" else counted


def _plan(
    request: RunRequest,
    counted: Counted | str,
    previewed: dict[str, int],
    number: int,
    *,
    timeout: str | None,
    verify: bool,
) -> Plan:
    expected = request.postcondition.expect if request.postcondition else {}
    return checksummed(
        Plan(
            id=uuid.uuid4().hex,
            arguments=request.invocation.arguments,
            timeout=timeout,
            verify=verify,
            script=request.invocation.script,
            database_identity=identity(request.database, request.server),
            left={} if isinstance(counted, str) else {name: counted.counts[name] for name in expected},
            not_counted=counted if isinstance(counted, str) else "",
            previewed=previewed,
            run=number,
            user=current_user(),
            host=os.uname().nodename,
            made=datetime.now(UTC),
            plugin_version=own_version(),
            command=request.command,
            options=request.options,
            given=request.given,
            script_hash=request.script_hash,
            spec_hash=request.spec_hash,
            server=request.server,
            server_commit=request.server_commit,
            database=request.database,
        )
    )


def _say(text: str) -> None:
    click.echo(one_line(text), err=True)
