"""What is installed: which release of this package is at work, and what other packages add to it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint

DISTRIBUTION = "corpus-backfill-plugin"


def own_version() -> str:
    """Return this package's version; `unknown` where it runs without its metadata, half removed or copied."""
    for folder in _metadata_folders():
        if os.path.basename(folder).startswith(DISTRIBUTION.replace("-", "_") + "-"):  # noqa: PTH119 - no pathlib here
            lines = _read(f"{folder}/METADATA").partition(b"\n\n")[0].decode(errors="replace").splitlines()
            return next((line[8:].strip() for line in lines if line.startswith("Version:")), "") or "unknown"
    # An egg, or a folder that only an import hook of somebody's knows.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(DISTRIBUTION) or "unknown"
    except (PackageNotFoundError, KeyError):
        return "unknown"


def entry_points(group: str) -> list[EntryPoint]:
    """Return the entry points of `group` that installed packages declare, sorted by name."""
    # `importlib.metadata` costs a tenth of a short run, and most installations have no such package.
    files = (_read(f"{folder}/entry_points.txt") for folder in _metadata_folders())
    if _is_path_complete() and not any(group.encode() in text for text in files):
        return []
    from importlib.metadata import entry_points as read

    return sorted(read(group=group), key=lambda entry: entry.name)


def _metadata_folders() -> Iterator[str]:
    for place in sys.path:
        try:
            with os.scandir(place or ".") as entries:
                found = [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
        except OSError:
            continue
        yield from found


def _is_path_complete() -> bool:
    """Return whether all packages are found in the folders of `sys.path`: no eggs, archives, import hooks."""
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    return len(finders) <= 1 and not any(
        place.endswith(".egg") or os.path.isfile(place)  # noqa: PTH113 - no pathlib here
        for place in sys.path
    )


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - no pathlib here
            return file.read()
    except OSError:
        return b""
