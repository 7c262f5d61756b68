"""What concerns several keys of a spec at once."""

from __future__ import annotations

from corpus_backfill_plugin.spec.fault import Finding, KeyPath
from corpus_backfill_plugin.spec.model import Script


def check_script(script: Script, name: str, unsound: frozenset[KeyPath] = frozenset()) -> list[Finding]:
    """Return all that is wrong with `script` as the command `name`."""
    return []
