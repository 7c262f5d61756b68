"""A script started under its supervisor."""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import memory_file
from corpus_backfill_plugin.agent.plain import dump

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.folder import RunFolder
    from corpus_backfill_plugin.agent.link import Link
    from corpus_backfill_plugin.agent.records import RunRequest

_ROOT = Path(__file__).parent
_PACKAGE = _ROOT.parent


def start(
    link: Link,
    folder: RunFolder,
    request: RunRequest,
    descriptors: tuple[int, ...],
    environ: dict[str, str],
    *,
    kept: Path | None = None,
) -> None:
    """Have the supervisor at the other end of `link` start the script of `request`; return at once.

    Secrets go to the supervisor in nameless files, never by argument. `descriptors` are the run's lock and
    its one-at-a-time locks; `kept` is the folder for a copy of the agent, which the finisher runs from.
    """
    job, code = request.invocation, bundle(kept) if kept else None
    facts = (
        str(folder.path), job.folder, folder.token, str(_PACKAGE.parent), code is not None,
        request.timeout or 0.0, list(job.argv), environ,
    )  # fmt: skip
    opened = [
        memory_file(marshal.dumps(facts)), memory_file(job.input), *folder.open_logs(),
        memory_file(None) if code is None else code, memory_file(dump(request)),
    ]  # fmt: skip
    try:
        link.start([*opened, *descriptors])
    finally:
        for descriptor in opened:
            os.close(descriptor)


def wait_for_start(link: Link, folder: RunFolder, request: RunRequest) -> None:
    """Wait until the script runs, or its failure to start is known. The caller holds no lock of the run.

    Raises:
        AgentError: the supervisor failed before the script was started.
    """
    link.wait_for_start()
    if link.broken and folder.process() is None:
        link.close(finished=True)
        raise not_started(request, f"its supervisor failed; see {folder.log('stderr')}")
    # Else, if its supervisor was killed and the script may run, it is watched by its lock.


def not_started(request: RunRequest, why: str) -> AgentError:
    """Return the error for a script that could not be started."""
    return AgentError(
        f"{request.command} was not started: {why}",
        f"Tried `{' '.join(request.invocation.argv[:2])} ...` in {request.invocation.folder}.",
    )


def bundle(folder: Path) -> int | None:
    """Return a descriptor of a zip of the agent's modules, to import from through /dev/fd.

    So an upgrade during a run changes nothing for its finisher. The zip is kept in `folder`, one for all
    runs, and made anew when a module has changed. None, and the installed agent, where it can't be made.
    """
    state = _modules()
    path = folder / f"code-{hashlib.sha256(state.encode()).hexdigest()[:16]}.zip"
    try:
        if not path.exists():
            _make_bundle(path)
            if _modules() != state:
                path.unlink()
                return None
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _modules() -> str:
    """Return what differs when a module does, or Python."""
    seen = [sys.version, str(_ROOT)]
    for module in sorted(os.listdir(_ROOT)):  # noqa: PTH208  a third of the time of pathlib
        if module.endswith(".py"):
            status = os.stat(f"{_ROOT}/{module}")  # noqa: PTH116  same
            seen.append(f"{module} {status.st_mtime_ns} {status.st_size}")
    return "\n".join(seen)


def _make_bundle(path: Path) -> None:
    """Write the zip, compiled modules in it, and remove those of former states."""
    from zipfile import PyZipFile

    temporary = path.with_suffix(f".{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w+b") as stream, PyZipFile(stream, "w") as archive:
            archive.writestr(f"{_PACKAGE.name}/__init__.py", "")
            archive.writepy(str(_ROOT), _PACKAGE.name)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    for other in path.parent.glob("code-*.zip"):
        if other != path:
            other.unlink(missing_ok=True)
