"""Which release of this package is at work."""

from __future__ import annotations

DISTRIBUTION = "corpus-backfill-plugin"


def own_version() -> str:
    """Return this package's version; `unknown` where it runs without its metadata, half removed or copied."""
    # Here, not above: looking through the installed distributions is slow.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(DISTRIBUTION) or "unknown"
    except (PackageNotFoundError, KeyError):
        return "unknown"
