"""The state folder: where runs are remembered, and that nobody else can read it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.escape import is_text, one_line
from corpus_backfill_plugin.agent.files import absolute_path

VARIABLE = "CORPUS_BACKFILL_STATE"


class State:
    """Paths inside a state folder; `open_state` makes sure of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ledger = root / "ledger.sqlite3"
        self.runs = root / "runs"
        self.locks = root / "locks"

    def run_folder(self, number: int) -> Path:
        """Return the folder of run `number`, which may not exist."""
        return self.runs / str(number)


def state_root() -> Path:
    """Return the state folder's path: `CORPUS_BACKFILL_STATE`, or the user's own by the platform's rules."""
    given = os.environ.get(VARIABLE)
    root = absolute_path(given, VARIABLE) if given else _default_root()
    if not is_text(str(root)):
        raise AgentError(
            f"The name of the state folder {one_line(str(root))} is not UTF-8, and can't be recorded",
            f"Name another folder in {VARIABLE}.",
        )
    return root


def _default_root() -> Path:
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    if named.is_absolute():
        return named / "corpus-backfill"
    own = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
    try:
        return Path.home() / own / "corpus-backfill"
    except RuntimeError:
        raise AgentError(
            "there is no state folder: this user has no home folder",
            f"Name a folder in {VARIABLE}, or set HOME.",
        ) from None


def open_state() -> State:
    """Return the state folder, made when it is missing, closed to others when it is too open."""
    state = State(state_root())
    try:
        for folder in (state.root, state.runs, state.locks):
            _make_private(folder, state)
        if not os.access(state.root, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise AgentError(
            f"The state folder {state.root} can't be used: {error.strerror or error}",
            f"Runs are recorded there. Correct it, name another folder in {VARIABLE}, "
            "or run without a record by --no-record.",
        ) from error
    return state


def _make_private(folder: Path, state: State) -> None:
    """Make a folder of `state` if it is missing, refuse another owner's, take access away from others."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise AgentError(
            f"The state folder {folder} belongs to {user_name(found.st_uid)}, not to you",
            f"Records of runs must not be another user's to change. Name a folder of your own in {VARIABLE}.",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        if folder == state.root and not _is_ours(state):
            raise AgentError(
                f"The state folder {folder} is open to others and holds files that are not ours",
                f"Closing it could shut others out. Name a folder of your own in {VARIABLE}.",
            )
        folder.chmod(0o700)


def _is_ours(state: State) -> bool:
    """Whether the folder is empty or made for state: `/tmp`, named by mistake, must not be closed."""
    held = {path.name for path in state.root.iterdir()}
    return state.ledger.name in held or held <= {"runs", "locks", "plans", "agent"}


def user_name(uid: int) -> str:
    """Return the account's name for `uid`, or the number where it has none (as in a container)."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def current_user() -> str:
    """Return who acts: the account, and under sudo the person behind it."""
    name = user_name(os.getuid())
    behind = os.environ.get("SUDO_USER")
    return f"{name} ({behind})" if behind and behind != name else name
