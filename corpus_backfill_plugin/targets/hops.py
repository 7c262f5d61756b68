"""The way to a target as one argument list: the system's own tools, one inside the other."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from corpus_backfill_plugin.config import Target

_ALIVE = ("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
_PLAIN = ("-T", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "PermitLocalCommand=no")
_PERSIST_SECONDS = 60
_LONGEST_FOLDER = 40
"""Characters: a socket's path has 107, and ssh adds 58."""

CONTAINERS = ("docker", "podman", "kubectl")


def argument_list(target: Target, words: Sequence[str], *, shared: bool = True) -> list[str]:
    """Return what runs `words` at `target`.

    Args:
        target: where; host keys are checked as the system's ssh is configured to.
        words: program and arguments; no secret, as all who can list processes see them.
        shared: use a connection that is there already, unless the target has that switched off.
    """
    made = list(words)
    for at, hop in reversed(list(enumerate(target.via))):
        kind, _, name = hop.partition(":")
        made = _hop(kind, name, made, _control(target, shared=shared) if at == 0 else [])
    return made


def _hop(kind: str, name: str, words: list[str], control: list[str]) -> list[str]:
    if kind == "ssh":
        # Whatever the login shell there is, it takes one line apart.
        return ["ssh", *_PLAIN, *_ALIVE, *control, "--", name, shell_line(words)]
    if kind in ("docker", "podman"):
        return [kind, "exec", "-i", name, *words]
    if kind == "kubectl":
        namespace, _, rest = name.partition("/")
        what, _, container = rest.partition(":")
        chosen = ["-c", container] if container else []
        return ["kubectl", "exec", "-i", "-n", namespace, what, *chosen, "--", *words]
    if kind == "sudo":
        return ["sudo", "-H", "-u", name, "--", *words]
    return words  # local


def _control(target: Target, *, shared: bool) -> list[str]:
    """Return the options of one connection for all channels; none where ssh's own configuration decides."""
    if not target.control_master:
        return []
    folder = _control_folder() if shared else None
    if folder is None:
        return ["-o", "ControlPath=none"]
    master = ("ControlMaster=auto", f"ControlPersist={_PERSIST_SECONDS}", f"ControlPath={folder}/%C")
    return [word for option in master for word in ("-o", option)]


def _control_folder() -> str | None:
    """Return a folder of ours alone, with a short path, for ssh's sockets; None where none can be had."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    short = runtime.startswith("/") and len(runtime) <= _LONGEST_FOLDER
    base = runtime if short else tempfile.gettempdir()
    folder = Path(base) / (f"corpus-backfill-{os.getuid()}" if not short else "corpus-backfill")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return str(folder) if ours and "%" not in str(folder) else None


def shell_line(words: Iterable[str]) -> str:
    """Return `words` as a line that bash, dash, zsh, fish and csh take apart in the same way.

    Inside single quotes fish obeys a backslash, and csh an exclamation mark: both stand outside.
    """
    return " ".join(map(_word, words))


def _word(text: str) -> str:
    pieces = re.findall(r"[^'\\!]+|.", text, re.DOTALL) or [""]
    return "".join(_OUTSIDE.get(piece) or f"'{piece}'" for piece in pieces)


_OUTSIDE = {"'": '"\'"', "\\": "\\\\", "!": "\\!"}
