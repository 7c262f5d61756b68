"""`corpus-backfill`, and `python -m corpus_backfill_plugin`: the group without a host."""

from __future__ import annotations

import atexit
import gc
import sys

_GARBAGE = 50_000
"""Objects made between two collections of garbage, in place of 700: imports make many and throw none away."""


def main(name: str = "corpus-backfill") -> None:
    """Run the group, and spend no time on what a host would want of its process and we do not."""
    gc.set_threshold(_GARBAGE)
    # At the end nothing is collected either: the system takes all memory back at once.
    atexit.register(gc.freeze)
    if "typing_extensions" not in sys.modules:
        _import_msgspec_alone()
    from corpus_backfill_plugin.cli import backfill

    backfill(prog_name=name)


def _import_msgspec_alone() -> None:
    """Import msgspec without typing_extensions, which this Python does not need: a tenth of a short run."""
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # documented: importing it fails
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]


if __name__ == "__main__":
    main("python -m corpus_backfill_plugin")
