"""Plans on disk: the file that is handed on, and what the state folder remembers of it."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import msgspec

from corpus_backfill_plugin.agent.files import write_whole
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.plans.model import Plan
from corpus_backfill_plugin.specs.catalog import read_plain
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 4 << 20
"""A plan is a few thousand bytes; what is larger is none, and is not read."""


def checksummed(plan: Plan) -> Plan:
    """Return `plan` with the sha256 of all the rest."""
    content = msgspec.json.encode(msgspec.structs.replace(plan, sha256=""), order="sorted")
    return msgspec.structs.replace(plan, sha256=hashlib.sha256(content).hexdigest())


def check_free(path: Path) -> None:
    """Check that a plan can be written to `path`, before anything is run for it.

    Raises:
        BackfillError: something is there already, or the folder can't be written.
    """
    if os.path.lexists(path):
        raise _taken(path)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise BackfillError(f"no file can be made in {one_line(str(path.parent))}", "Name another place.")


def write_plan(path: Path, plan: Plan) -> None:
    """Write `plan` to `path`, never over anything.

    It is made to be handed on and holds nothing secret, so it gets the permissions of any new file.

    Raises:
        BackfillError: it can't be written, or something is there.
    """
    try:
        with path.open("xb") as file:
            try:
                file.write(msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        raise BackfillError(
            f"the plan can't be written to {one_line(str(path))}: {error.strerror}", "Name another place."
        ) from error


def _taken(path: Path) -> BackfillError:
    return BackfillError(
        f"{one_line(str(path))} exists already; a plan is never written over anything",
        "Name another file, or remove that one.",
    )


def read_plan(path: Path) -> Plan:
    """Return the plan in a file, once it fits its sha256.

    Raises:
        BackfillError: it can't be read, is no plan, or was changed.
    """
    shown = one_line(str(path))
    try:
        content = read_plain(path, MAX_BYTES)
        if len(content) > MAX_BYTES:
            raise msgspec.ValidationError("too large")
        plan = msgspec.json.decode(content, type=Plan)
    except OSError as error:
        raise BackfillError(f"{shown} can't be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BackfillError(
            f"{shown} is no plan that this version can read: {one_line(str(error))}",
            "A plan is made by --plan FILE on a command.",
        ) from error
    if checksummed(plan) != plan:
        raise changed(path)
    return plan


def changed(path: Path) -> BackfillError:
    """Return the error for a plan that is not as it was written."""
    return BackfillError(
        f"{one_line(str(path))} was changed after it was made: its content does not fit its sha256",
        "Make a new plan with the options that you want.",
    )


def remember(root: Path, plan: Plan) -> None:
    """Keep the sha256 of `plan` in the state folder `root`, where who can edit the file need not come.

    Raises:
        BackfillError: it can't be written.
    """
    folder = root / "plans"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        write_whole(folder / plan.id, plan.sha256.encode())
    except OSError as error:
        raise BackfillError(
            f"the plan can't be remembered in {one_line(str(folder))}: {error.strerror or error}",
            "Correct that, or name another folder in CORPUS_BACKFILL_STATE.",
        ) from error


def remembered(root: Path, plan: Plan) -> str | None:
    """Return the sha256 that the state folder `root` keeps for `plan`; None when it was made elsewhere.

    Raises:
        BackfillError: it can't be read.
    """
    path = root / "plans" / plan.id
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BackfillError(f"{one_line(str(path))} can't be read: {error.strerror}") from error
