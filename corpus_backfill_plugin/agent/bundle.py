"""This package as it was when a run began, so that an upgrade meanwhile changes nothing for its finisher."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import click
import msgspec

_ROOT = Path(__file__).parent.parent


def bundle(folder: Path) -> int | None:
    """Return a descriptor of a zip of this package's modules, to import from through /dev/fd.

    The zip is kept in `folder`, one for all runs, and made anew when a module has changed. Whoever holds the
    descriptor has its content also after that. None where it can't be made: then there is the package alone.
    """
    state = _state()
    path = folder / f"code-{hashlib.sha256(state.encode()).hexdigest()[:16]}.zip"
    try:
        if not path.exists():
            _make(path)
            if _state() != state:
                path.unlink()
                return None
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def import_folders() -> list[str]:
    """Return where this package's libraries were imported from, and last the package itself."""
    origins = [_origin(module.__file__) for module in (click, msgspec)]
    return list(dict.fromkeys([*origins, str(_ROOT.parent)]))


def _origin(file: str | None) -> str:
    return str(Path(file or "").absolute().parent.parent)


def _state() -> str:
    """Return what differs when a module does, or Python."""
    seen = [sys.version, str(_ROOT)]
    for place, folders, names in os.walk(_ROOT):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".py"):
                status = os.stat(f"{place}/{name}")  # noqa: PTH116  a third of the time of pathlib
                seen.append(f"{place}/{name} {status.st_mtime_ns} {status.st_size}")
    return "\n".join(seen)


def _make(path: Path) -> None:
    """Write the zip, compiled modules in it, and remove those of former states."""
    from zipfile import PyZipFile

    temporary = path.with_suffix(f".{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w+b") as stream, PyZipFile(stream, "w") as archive:
            archive.writepy(str(_ROOT))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    for other in path.parent.glob("code-*.zip"):
        if other != path:
            other.unlink(missing_ok=True)
