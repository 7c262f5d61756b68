"""The operator's program that is told when a run ends, named in `config.toml` of their configuration folder.

It belongs to the operator, so no spec and no server can name one: the near end reads the file, and what it
says comes in the request. What becomes of the program is reported and recorded, and changes nothing else.
"""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404 - the operator's own program, with an argument list
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import duration, notify, one_line
from corpus_backfill_plugin.agent.facts import all_facts
from corpus_backfill_plugin.agent.files import memory_file
from corpus_backfill_plugin.agent.plain import dump
from corpus_backfill_plugin.agent.processes import has_ended
from corpus_backfill_plugin.agent.redact import AMBIENT, mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import OnEnd, RunRequest

_TICK = 0.02
_TAIL = 4096
_SHOWN = 200


def call_hook(
    ledger: Ledger, number: int, request: RunRequest | None, stopped: Callable[[], bool] = lambda: False
) -> None:
    """Give an ended run to the operator's program, if that is due and nobody else does.

    Args:
        ledger: where the run is recorded.
        number: the run's.
        request: what it was asked for, to keep its secrets from the program, and from what is recorded of it.
        stopped: asked now and then; once it is true, the program is ended.
    """
    try:
        if not ledger.claim_end(number):
            return
        record, on_end = ledger.get(number), request.on_end if request else None
        fault = "what was asked for is gone with the run's folder"
        if record and on_end:
            fault = _call(on_end, dump(all_facts(record, ledger)), request, stopped)
        ledger.hook_called(number, f"failed: {fault}" if fault else "ok")
    except AgentError as error:
        fault = error.problem
    if fault:
        notify(f"on-end for run {number} failed: {fault}. The run is as it was recorded.")


def _call(on_end: OnEnd, facts: bytes, request: RunRequest | None, stopped: Callable[[], bool]) -> str:
    """Run the program; return what was wrong with it, on one line, or nothing."""
    job = request.invocation if request else None
    withheld = (*AMBIENT, *(job.secret_names if job else ()))
    environ = {name: text for name, text in os.environ.items() if name not in withheld}
    name = one_line(on_end.program[0])
    stdin = memory_file(facts)
    with os.fdopen(memory_file(b""), "r+b") as errors:
        try:
            process = subprocess.Popen(  # noqa: S603  # nosec B603 - the operator's own argument list
                [os.path.expanduser(on_end.program[0]), *on_end.program[1:]],  # noqa: PTH111  a bare name stays one
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=on_end.folder,
                env=environ,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"{name} was not started: {getattr(error, 'strerror', None) or error}"
        finally:
            os.close(stdin)
        try:
            until = time.monotonic() + on_end.timeout
            while not (ended := has_ended(process)):
                if stopped() or time.monotonic() > until:
                    break
                time.sleep(_TICK)
        finally:
            with suppress(ProcessLookupError, PermissionError):  # gone, or (macOS) nothing but a zombie
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        if not ended:
            why = "a stop was asked for" if stopped() else f"it took longer than {duration(on_end.timeout)}"
            return f"{name} was ended: {why}"
        if code == 0:
            return ""
        cut = errors.seek(0, os.SEEK_END) > _TAIL
        errors.seek(-_TAIL if cut else 0, os.SEEK_END if cut else os.SEEK_SET)
        tail = errors.read()
    if cut:
        tail = tail.partition(b"\n")[2]  # its first line may be the end of a secret, which no mask knows
    said = tail.decode(errors="replace").strip().splitlines()
    last = one_line(mask(said[-1], job.secrets if job else ()))[:_SHOWN] if said else ""
    return f"{name} ended with exit code {code}" + (f": {last}" if last else "")
