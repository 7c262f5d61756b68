"""What a server app has where it is: what runs its scripts, and the commit of its repository."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GIT_TIMEOUT = 10.0
"""Seconds; a repository on a network disk that answers later is recorded without its commit."""

GIT_ENVIRON = (
    "PATH", "HOME", "XDG_CONFIG_HOME", "SUDO_UID",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
)  # fmt: skip
"""What git needs to find the operator's own settings, such as `safe.directory`; it gets no other variable."""


class Interpreter(NamedTuple):
    """The words before a script, how they were chosen, and a warning or nothing."""

    program: tuple[str, ...]
    found: str
    warning: str = ""


def interpreter_of(server: Path, environ: Mapping[str, str]) -> Interpreter:
    """Return what runs a server app's scripts unless one is named: uv, its own python, or any."""
    from shutil import which

    if uv := which("uv", path=environ.get("PATH")):
        return Interpreter(("uv", "run", "python"), f"uv at {uv}")
    own = server / ".venv" / "bin" / "python"
    if os.access(own, os.X_OK):
        return Interpreter((str(own),), "the server's .venv", f"uv is not on PATH; using {own}")
    warning = "uv is not on PATH and the server has no .venv; using python from PATH"
    return Interpreter(("python",), "python on PATH", warning)


def server_commit(server: Path) -> str | None:
    """Return the git commit of the server app, `+dirty` behind it where files differ; None without git.

    The repository need not be the operator's own, so nothing that it configures is run: no hook, monitor or
    filter, nothing inside of submodules, and no transport for objects that it lacks.
    """
    # Git is not started where it would find no repository.
    real = server.resolve()
    if not any(os.path.exists(f"{place}/.git") for place in (real, *real.parents)):  # noqa: PTH110 - as above
        return None
    git = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", str(server))
    head = _git_says(*git, "rev-parse", "--verify", "HEAD")
    if head is None:
        return None
    keys = _git_says(*git, "config", "--null", "--name-only", "--list")
    filters = {key.rpartition(".")[0] for key in (keys or "").split("\0") if key.startswith("filter.")}
    changed = None
    # Git takes = in a filter's name for the end of the key: such a filter can't be switched off.
    if keys is not None and not any("=" in name for name in filters):
        values = [f"{name}.{key}" for name in filters for key in ("clean=", "process=", "required=false")]
        off = (word for value in values for word in ("-c", value))
        changed = _git_says(*git, *off, "status", "--porcelain", "--ignore-submodules=dirty", "--", ".")
    return head.strip() + ("" if changed == "" else "+dirty")


def _git_says(*argv: str) -> str | None:
    import subprocess  # nosec B404 - one fixed program, git, with an argument list

    environ = {name: os.environ[name] for name in GIT_ENVIRON if name in os.environ}
    environ |= {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }
    try:
        answer = subprocess.run(  # noqa: S603 # nosec B603 - a fixed program and an argument list
            argv, env=environ, capture_output=True, timeout=GIT_TIMEOUT, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(answer.stdout) if answer.returncode == 0 else None
