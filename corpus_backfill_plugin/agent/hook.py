"""The operator's program for the end of a run, named in `config.toml` of their configuration folder.

It belongs to the operator, so no spec and no server can name one: the near end reads the file, and what it
says comes in the request. What becomes of the program is reported and recorded, and changes nothing else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.child import run_child
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import notify, one_line
from corpus_backfill_plugin.agent.facts import all_facts
from corpus_backfill_plugin.agent.plain import dump
from corpus_backfill_plugin.agent.redact import AMBIENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import Invocation, OnEnd, RunRequest


def call_hook(
    ledger: Ledger, number: int, request: RunRequest | None, should_cancel: Callable[[], bool] = lambda: False
) -> None:
    """Give an ended run to the operator's program, without secrets, if that is due and nobody else does."""
    try:
        if not ledger.claim_end(number):
            return
        problem = "what was asked for is gone with the run's folder"
        if request and request.on_end and (record := ledger.get(number)):
            facts = dump(all_facts(record, ledger))
            problem = _call(request.on_end, facts, request.invocation, should_cancel)
        ledger.hook_called(number, f"failed: {problem}" if problem else "ok")
    except AgentError as error:
        problem = error.problem
    if problem:
        notify(f"on-end for run {number} failed: {problem}. The run is as it was recorded.")


def _call(on_end: OnEnd, facts: bytes, job: Invocation, should_cancel: Callable[[], bool]) -> str:
    """Run the program; return what was wrong with it, on one line, or nothing."""
    withheld = (*AMBIENT, *job.secret_names)
    program = os.path.expanduser(on_end.program[0])  # noqa: PTH111  a bare name stays one
    ended = run_child(
        [program, *on_end.program[1:]],
        folder=on_end.folder,
        environ={name: text for name, text in os.environ.items() if name not in withheld},
        seconds=on_end.timeout,
        stdin=facts,
        should_cancel=should_cancel,
    )
    problem = ended.problem(job.secrets)
    return f"{one_line(on_end.program[0])} {problem}" if problem else ""
