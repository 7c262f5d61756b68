"""Old runs forgotten: rows first, then folders, so that a kill in between leaves nothing that looks whole."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.state import State

_DOOMED = ".pruned"


def prune(state: State, ledger: Ledger, older_than: float, keep: int) -> Sequence[int]:
    """Forget runs that ended more than `older_than` seconds ago, but for the newest `keep`.

    Folders that have no row, because a kill or a lost ledger left them, go when they are as old.

    Returns:
        The numbers of the runs forgotten.
    """
    moment = time.time() - older_than
    numbers = ledger.ended_before(moment, keep)
    ledger.forget(numbers)
    _set_aside(state, ledger, {str(number) for number in numbers}, moment)
    for folder in state.runs.glob(f"*{_DOOMED}"):
        if folder.is_dir():  # of a pipe, rmtree would wait for a writer
            shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.unlink(missing_ok=True)
    return numbers


def _set_aside(state: State, ledger: Ledger, forgotten: Collection[str], moment: float) -> None:
    """Rename the folders that are to go, while nobody can be making one whose row is not yet to be seen."""
    with ledger.alone() as numbers:
        known = {str(number) for number in numbers}
        for folder in state.runs.iterdir():
            if folder.name in known or folder.name.endswith(_DOOMED):
                continue
            if folder.name in forgotten or folder.stat().st_mtime < moment:
                folder.rename(folder.with_name(folder.name + _DOOMED))
