"""The machine that an agent was sent to: what is there, and whether runs can be remembered there."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import absolute_path
from corpus_backfill_plugin.agent.processes import machine_id
from corpus_backfill_plugin.agent.state import VARIABLE, State, current_user, open_state, state_root
from corpus_backfill_plugin.agent.value import replace

if TYPE_CHECKING:
    from corpus_backfill_plugin.agent.commit import Interpreter
    from corpus_backfill_plugin.agent.records import RunRequest

SERVER_VARIABLE = "CORPUS_SERVER_APP_PATH"
SCRIPTS_FOLDER = "backfill"
PYTHON_VARIABLE = "CORPUS_BACKFILL_PYTHON"
_MAX_FILE = 1 << 20
_MAX_FILES = 2000
_REMOTE = (
    "nfs",
    "cifs",
    "smb",
    "fuse.sshfs",
    "fuse.glusterfs",
    "ceph",
    "lustre",
    "gpfs",
    "afs",
    "9p",
    "beegfs",
)
"""File systems whose locks are another machine's word, or nobody's, by how their names begin."""


def mount_of(path: Path) -> tuple[str, str]:
    """Return where the file system that holds `path` is mounted, and its type; empty where nothing tells."""
    found = ("", "")
    with suppress(OSError):
        real = path.resolve()
        for line in _mounts():
            before, _, after = line.partition(" - ")
            point = before.split()[4].encode().decode("unicode_escape")  # a space is written \040
            if real.is_relative_to(point) and len(point) >= len(found[0]):
                found = (point, after.split()[0])
    return found


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


def doubt(root: Path, *, contained: bool, ephemeral: bool) -> str:
    """Return why runs can't be remembered in the state folder `root`; empty when they can.

    Args:
        root: the folder, or where it would be.
        contained: whether we are in a container.
        ephemeral: whether the operator accepts that the folder is gone when the container is.
    """
    while not root.exists():
        root = root.parent
    point, kind = mount_of(root)
    if kind.startswith(_REMOTE):
        return f"it is on {kind}, where a lock proves nothing"
    if contained and not ephemeral and (point == "/" or kind == "tmpfs"):
        return "it is gone when the container is"
    return ""


def usable_state(*, contained: bool, ephemeral: bool) -> State:
    """Return the state folder, made when it is missing.

    Raises:
        AgentError: it can't be used, or would prove or keep nothing.
    """
    root = state_root()
    if why := doubt(root, contained=contained, ephemeral=ephemeral):
        raise AgentError(
            f"The state folder {root} can't be used: {why}",
            "Name one on a local disk or volume as `state` of the target"
            + (", or say ephemeral-state = true." if contained else "."),
        )
    return open_state()


def server_folder(named: str) -> Path | None:
    """Return the server app's folder: the one `named`, else that of the environment; None without either.

    Raises:
        AgentError: it has no folder of scripts that can be read.
    """
    how = f"{SERVER_VARIABLE} there" if not named else "server-path of the target"
    if not (text := named or os.environ.get(SERVER_VARIABLE, "")):
        return None
    folder = absolute_path(text, how)
    if not os.access(folder / SCRIPTS_FOLDER, os.R_OK | os.X_OK):
        raise AgentError(f"the server app {folder} (from {how}) has no {SCRIPTS_FOLDER}/ folder to be read")
    return folder


def about(named: str, *, contained: bool, ephemeral: bool) -> dict[str, Any]:
    """Return what `targets --check` shows, and what an argument list is built from."""
    from corpus_backfill_plugin.agent.commit import server_commit

    root = state_root()
    problems = []
    if why := doubt(root, contained=contained, ephemeral=ephemeral):
        problems.append(f"the state folder can't be used: {why}")
    elif not root.exists() or not os.access(root, os.W_OK):
        with suppress(AgentError, OSError):
            open_state()
        if not os.access(root, os.W_OK):
            problems.append(f"the state folder {root} can't be made or written; name another in {VARIABLE}")
    server = None
    try:
        server = server_folder(named)
    except AgentError as error:
        problems.append(error.problem)
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "executable": sys.executable,
        "uv": _uv(),
        "host": os.uname().nodename,
        "machine": machine_id(),
        "user": current_user(),
        "server": str(server) if server else "",
        "venv": _program(server / ".venv/bin/python") if server else "",
        "commit": (server_commit(server) or "") if server else "",
        "state": str(root),
        "free": _free(root),
        "clock": time.time(),
        "problems": problems,
    }


def inspect(named: str, have: list[str]) -> dict[str, Any]:
    """Return what commands are made from: scripts and specs, what runs them, the commit, the database's name.

    The texts of files whose hashes the near end does not `have` are among it, a byte a character.
    """
    import hashlib

    from corpus_backfill_plugin.agent import database
    from corpus_backfill_plugin.agent.commit import server_commit

    server = server_folder(named)
    if server is None:
        raise AgentError(
            "no server app is known there", f"Set server-path of the target, or {SERVER_VARIABLE} there."
        )
    files, texts = {}, {}
    for path in sorted((server / SCRIPTS_FOLDER).iterdir())[:_MAX_FILES]:
        if path.suffix in {".toml", ".py"} and path.is_file() and path.stat().st_size <= _MAX_FILE:
            content = path.read_bytes()
            files[path.name] = found = hashlib.sha256(content).hexdigest()
            if found not in have:
                texts[found] = content.decode("latin-1")
    url = os.environ.get("DATABASE_URL")
    return {
        "server": str(server),
        "commit": server_commit(server),
        "interpreter": _interpreter(server),
        "database": database.shown(url, os.environ) if url else "",
        "files": files,
        "texts": texts,
    }


def _interpreter(server: Path) -> Interpreter:
    from corpus_backfill_plugin.agent.commit import Interpreter, interpreter_of

    if named := os.environ.get(PYTHON_VARIABLE):
        return Interpreter((named,), f"{PYTHON_VARIABLE} there")
    found, uv = interpreter_of(server, os.environ), _uv()
    if found.warning and uv:  # not on PATH, as a shell without login has none of its own
        return Interpreter((uv, "run", "python"), f"uv at {uv}")
    return found


def completed(request: RunRequest, urls: list[str], databases: list[str]) -> RunRequest:
    """Return `request` with what this account alone knows: its secrets, its database, the lock of that.

    The variables `urls` name databases; `databases` are those that were chosen for this run.
    """
    from corpus_backfill_plugin.agent import database

    job = request.invocation
    environ = job.environment(os.environ)
    found = (*job.secrets, *database.secrets_around(job.secret_names, urls, environ))
    named = tuple(dict.fromkeys(url for url in (*databases, environ.get("DATABASE_URL")) if url))
    locked = request.lock_key and database.lock_key(request.command, Path(request.server), named, environ)
    secrets = tuple(dict.fromkeys(found))
    return replace(
        request,
        invocation=replace(job, secrets=secrets),
        verify=request.verify and replace(request.verify, secrets=secrets),
        database=database.shown(named[0], environ) if named else None,
        lock_key=locked,
    )


def missing(paths: dict[str, str], folder: str) -> str:
    """Return which of the files that options name is not there, in words; empty when all are."""
    for option, path in paths.items():
        if not os.path.exists(os.path.join(folder, path)):  # noqa: PTH110, PTH118 - the text as it was given
            return f"{option}: {path} does not exist there"
    return ""


def changed(expected: dict[str, str]) -> list[str]:
    """Return the files that no longer have the hash expected of them, by path."""
    return [path for path, wanted in expected.items() if _hash(path) != wanted]


def _hash(path: str) -> str:
    import hashlib

    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def fingerprint(key: str) -> str:
    """Return the fingerprint of an ssh key in base64, as `ssh-keygen -l` shows it."""
    import base64
    import hashlib

    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _uv() -> str:
    """Return uv's path: a shell without login has no ~/.local/bin, where its installer puts it."""
    from shutil import which

    return which("uv") or _program(Path("~/.local/bin/uv").expanduser())


def _program(path: Path) -> str:
    return str(path) if os.access(path, os.X_OK) else ""


def _free(root: Path) -> int:
    from shutil import disk_usage

    while not root.exists():
        root = root.parent
    return disk_usage(root).free
