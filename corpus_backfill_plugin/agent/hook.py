"""The operator's program that is told when a run ends, named in `config.toml` of their configuration folder.

It belongs to the operator, so no spec and no server can name one. What becomes of it is told and recorded,
and changes nothing about the run.
"""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404 - the operator's own program, with an argument list
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from corpus_backfill_plugin.agent.files import memory_file
from corpus_backfill_plugin.agent.processes import has_ended
from corpus_backfill_plugin.agent.redact import mask
from corpus_backfill_plugin.database import AMBIENT
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.runs.report import all_facts
from corpus_backfill_plugin.runs.viewer import say
from corpus_backfill_plugin.specs import reader
from corpus_backfill_plugin.specs.catalog import operator_folder, read_plain
from corpus_backfill_plugin.specs.model import Duration, Word
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.records import RunRequest, RunState

_TICK = 0.02
_TAIL = 4096
_SHOWN = 200


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """`config.toml`: what the operator has settled for all runs."""

    on_end: Annotated[tuple[Word, ...], Meta(description="program and arguments, told when a run ends")] = ()
    on_end_when: Annotated[
        Literal["always", "failed"], Meta(description="'failed': unless the run succeeded")
    ] = "always"
    on_end_timeout: Annotated[Duration, Meta(description="how long the program may take")] = "30s"


def config_path() -> Path:
    """Return where the operator's configuration is, or would be."""
    return operator_folder().parent / "config.toml"


def read_config(path: Path) -> Config:
    """Return the configuration in the file at `path`; without one, that of nobody.

    Raises:
        BackfillError: with each fault, as `file:line: key: problem; hint`.
    """
    try:
        data = read_plain(path, reader.MAX_BYTES)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise BackfillError(
            f"{one_line(str(path))} can't be read: {error.strerror or error}", "Correct it or take it away."
        ) from None
    shown = one_line(str(path))
    try:
        text, raw = reader.read_toml(data)
        config = msgspec.convert(raw, Config)
        parse_duration(config.on_end_timeout)
    except reader.UnreadableError as error:
        faults: tuple[reader.Diagnostic, ...] = (error.diagnostic(shown),)
    except msgspec.ValidationError:
        from corpus_backfill_plugin.specs.shape import fit

        faults = reader.located(fit(raw, Config)[1], raw, text, shown)
    except ValueError as error:
        faults = (reader.Diagnostic((), str(error), file=shown, key="on-end-timeout"),)
    else:
        return config
    raise BackfillError("\n".join(map(str, faults)), "Correct the file; nothing was started.")


def is_due(state: RunState) -> bool:
    """Return whether there is a program that is to be called for a run that ended in `state`."""
    try:
        config = read_config(config_path())
    except BackfillError:
        return True  # calling it will fail, and report why
    return bool(config.on_end) and not (config.on_end_when == "failed" and state == "succeeded")


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
        record = ledger.get(number)
        try:
            config = read_config(config_path())
            facts = msgspec.json.encode(all_facts(record, ledger)) if record else b""
            fault = _call(config, facts, request, stopped) if config.on_end and record else ""
        except BackfillError as error:
            fault = error.problem
        ledger.hook_called(number, f"failed: {fault}" if fault else "ok")
    except BackfillError as error:
        fault = error.problem
    if fault:
        say(f"on-end for run {number} failed: {fault}. The run is as it was recorded.")


def _call(config: Config, facts: bytes, request: RunRequest | None, stopped: Callable[[], bool]) -> str:
    """Run the program; return what was wrong with it, on one line, or nothing."""
    job = request.invocation if request else None
    withheld = (*AMBIENT, *(job.secret_names if job else ()))
    environ = {name: text for name, text in os.environ.items() if name not in withheld}
    name = one_line(config.on_end[0])
    stdin = memory_file(facts)
    with os.fdopen(memory_file(b""), "r+b") as errors:
        try:
            process = subprocess.Popen(  # noqa: S603  # nosec B603 - the operator's own argument list
                [os.path.expanduser(config.on_end[0]), *config.on_end[1:]],  # noqa: PTH111  a bare name stays one
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=config_path().parent,
                env=environ,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"{name} was not started: {getattr(error, 'strerror', None) or error}"
        finally:
            os.close(stdin)
        try:
            until = time.monotonic() + parse_duration(config.on_end_timeout)
            while not (ended := has_ended(process)):
                if stopped() or time.monotonic() > until:
                    break
                time.sleep(_TICK)
        finally:
            with suppress(ProcessLookupError, PermissionError):  # gone, or (macOS) nothing but a zombie
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        if not ended:
            why = "a stop was asked for" if stopped() else f"it took longer than {config.on_end_timeout}"
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
