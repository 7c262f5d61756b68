"""The agent as it was when a run began, so that an upgrade meanwhile changes nothing for its finisher."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

_ROOT = Path(__file__).parent
PACKAGE = _ROOT.parent


def bundle(folder: Path) -> int | None:
    """Return a descriptor of a zip of the agent's modules, to import from through /dev/fd.

    The zip is kept in `folder`, one for all runs, and made anew when a module has changed. Whoever holds the
    descriptor has its content also after that. None where it can't be made: then there is the
    installed agent alone.
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


def _state() -> str:
    """Return what differs when a module does, or Python."""
    seen = [sys.version, str(_ROOT)]
    for module in sorted(os.listdir(_ROOT)):  # noqa: PTH208  a third of the time of pathlib
        if module.endswith(".py"):
            status = os.stat(f"{_ROOT}/{module}")  # noqa: PTH116  same
            seen.append(f"{module} {status.st_mtime_ns} {status.st_size}")
    return "\n".join(seen)


def _make(path: Path) -> None:
    """Write the zip, compiled modules in it, and remove those of former states."""
    from zipfile import PyZipFile

    temporary = path.with_suffix(f".{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w+b") as stream, PyZipFile(stream, "w") as archive:
            archive.writestr(f"{PACKAGE.name}/__init__.py", "")
            archive.writepy(str(_ROOT), PACKAGE.name)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    for other in path.parent.glob("code-*.zip"):
        if other != path:
            other.unlink(missing_ok=True)
