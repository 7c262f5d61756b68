"""Files of a run: written completely or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import one_line


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` at `path` (0600) so that a reader finds the old file or the new, never a part.

    It is not forced to the disk: when the machine goes down, so do the processes that it is about.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            write_all(stream.fileno(), content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write every byte of `content`, waiting where the target takes only a part or is not ready."""
    rest = memoryview(content)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # non-blocking, as some terminals and shells hand down their streams
            import select

            poller = select.poll()
            poller.register(descriptor, select.POLLOUT)
            poller.poll()


def open_regular(path: Path) -> int:
    """Return a descriptor to read the file at `path`, waiting for no pipe that was put in its place."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "no regular file", str(path))


def room_hint(error: OSError) -> str:
    """Return what to do when a file of the state folder can't be made."""
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "Allow more open files (`ulimit -n 256`)."
    return "Make room there, or name another state folder in CORPUS_BACKFILL_STATE."


def memory_file(content: bytes | None) -> int:
    """Return a descriptor at the start of a nameless file that holds `content` and never meets the disk.

    Where the system has no such files (macOS), it is a deleted temporary file. None is the null device.
    """
    if content is None:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("corpus-backfill", os.MFD_CLOEXEC)
    else:
        import tempfile

        descriptor, name = tempfile.mkstemp()
        Path(name).unlink()
    write_all(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def absolute_path(text: str, how: str) -> Path:
    """Return the absolute path that `text` means, `~` and `~user` put in."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        problem = f"no home folder is known for {one_line(text.partition(os.sep)[0])}"
    except FileNotFoundError:
        problem = "the current folder is gone"
    raise AgentError(
        f"{one_line(text)} (from {how}): {problem}", "Write the path from the root, like /srv/x."
    )
