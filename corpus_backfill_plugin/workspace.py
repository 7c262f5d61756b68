"""The server app: where it is, whether it is complete, and what runs its scripts."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import absolute_path
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.specs.catalog import SHIPPED_SOURCE, Catalog, catalog
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping
    from typing import Any

    from corpus_backfill_plugin.specs.catalog import SpecFile


PATH_VARIABLE = "CORPUS_SERVER_APP_PATH"
PYTHON_VARIABLE = "CORPUS_BACKFILL_PYTHON"
SIBLING = "corpus-server-app"
SCRIPTS_FOLDER = "backfill"


class ServerNotFoundError(BackfillError):
    """No server app where one was looked for."""


class ServerUnusableError(BackfillError):
    """A server app was named or found, but its scripts can't be run."""


class ServerApp(NamedTuple):
    """A server app's folder, absolute, and the words that say how it was found."""

    folder: Path
    found: str

    @property
    def scripts(self) -> Path:
        """The folder that holds the backfill scripts, and the server's own specs."""
        return self.folder / SCRIPTS_FOLDER


class Interpreter(NamedTuple):
    """The words before a script, how they were chosen, and a warning or nothing."""

    program: tuple[str, ...]
    found: str
    warning: str = ""


def install_folders() -> tuple[Path, ...]:
    """Return where this CLI is installed: the package's folder, the environment, the program's folder."""
    program = Path(sys.argv[0]).resolve().parent if sys.argv and sys.argv[0] else None
    starts = (Path(__file__).resolve().parent, Path(sys.prefix).resolve(), program)
    return tuple(dict.fromkeys(start for start in starts if start is not None))


def siblings(starts: Iterable[Path]) -> Iterator[Path]:
    """Yield each place where a `corpus-server-app` beside an ancestor of `starts` could be, nearest first."""
    seen = set()
    for start in starts:
        for ancestor in (start, *start.parents):
            candidate = ancestor / SIBLING
            if candidate not in seen:
                seen.add(candidate)
                yield candidate


def locate(option: str | None, environ: Mapping[str, str], starts: Iterable[Path]) -> ServerApp:
    """Find the server app: the `option`, else the environment, else a sibling of an install folder.

    The current folder is never looked at: code would run from wherever the operator happens to be.

    Args:
        option: what `--server-path` was given, None when it was not.
        environ: the operator's environment.
        starts: folders to walk up from, see `install_folders`.

    Raises:
        ServerUnusableError: the path named is no folder with a `backfill` folder that can be read.
        ServerNotFoundError: none was named and none found; says what was tried, in order.
    """
    named = ((option, "--server-path"), (environ.get(PATH_VARIABLE), PATH_VARIABLE))
    for text, how in named:
        if text:
            return _usable(absolute_path(text, how), how)
    starts = tuple(starts)
    for candidate in siblings(starts):
        if candidate.is_dir():
            return _usable(candidate, f"beside {candidate.parent}")
    tried = ["--server-path (not given)", f"{PATH_VARIABLE} (not set)"]
    tried += [f"a {SIBLING} folder beside {one_line(str(start))} or any folder above it" for start in starts]
    raise ServerNotFoundError(
        f"no server app found; tried in this order: {'; '.join(tried)}",
        f"Give --server-path DIR, or set {PATH_VARIABLE} to the folder of corpus-server-app.",
    )


def _usable(folder: Path, how: str) -> ServerApp:
    app = ServerApp(folder, how)
    shown = f"{one_line(str(folder))} (from {how})"
    hint = "Name the folder of corpus-server-app, the one that has a backfill folder in it."
    try:
        if not folder.exists():
            raise ServerUnusableError(f"the server app {shown} does not exist", hint)
        if not folder.is_dir():
            raise ServerUnusableError(f"the server app {shown} is a file, not a folder", hint)
        if not app.scripts.is_dir():
            raise ServerUnusableError(f"the server app {shown} has no {SCRIPTS_FOLDER}/ folder", hint)
        with os.scandir(app.scripts):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ServerUnusableError(
            f"the server app {shown} cannot be read: {reason}",
            "Run as a user who may read it, or ask its owner for access.",
        ) from error
    return app


def script_path(app: ServerApp, script: str) -> Path:
    """Return the path of a script of `app`.

    Raises:
        ServerUnusableError: it is missing, no plain file, unreadable, or a link that leads out of the folder.
    """
    path = app.scripts / script
    fault = script_fault(app, script)
    if fault:
        raise ServerUnusableError(
            f"{one_line(str(path))}: {fault}",
            "Check that the server app is complete and its version is the one you mean to run.",
        )
    return path


def script_fault(app: ServerApp, script: str) -> str:
    """Say why `script` can't be run from `app`; an empty text when it can."""
    folder = app.scripts
    path = folder / script
    if path.parent != folder or script in {"", ".", ".."}:
        return "a script is a bare file name inside the backfill folder"
    try:
        if not path.exists():
            return "missing"
        if not path.resolve().is_relative_to(folder.resolve()):
            return "a link that leads out of the backfill folder"
        if not path.is_file():
            return "not a file"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return "" if os.access(path, os.R_OK) else "not readable"


def check(app: ServerApp, scripts: Iterable[str]) -> None:
    """Check that `app` holds every one of `scripts`.

    Raises:
        ServerUnusableError: lists all that are missing or unusable, each with why.
    """
    faults = {script: script_fault(app, script) for script in sorted(set(scripts))}
    bad = [f"  {one_line(script)}: {fault}" for script, fault in faults.items() if fault]
    if bad:
        raise ServerUnusableError(
            f"{len(bad)} of {len(faults)} scripts can't be run from {one_line(str(app.scripts))}:\n"
            + "\n".join(bad),
            "Update the server app. One that is not meant to have them all brings its own specs, which ask "
            "for their own script alone.",
        )


def choose_interpreter(app: ServerApp, option: str | None, environ: Mapping[str, str]) -> Interpreter:
    """Choose what runs the scripts: the `option`, the environment, uv, the server's own, or any python.

    Raises:
        ServerUnusableError: the interpreter that was named is not there or can't be executed.
    """
    for text, how in ((option, "--python"), (environ.get(PYTHON_VARIABLE), PYTHON_VARIABLE)):
        if text:
            return Interpreter((_named_program(text, how, environ),), how)
    uv = _which("uv", environ)
    if uv:
        return Interpreter(("uv", "run", "python"), f"uv at {uv}")
    own = app.folder / ".venv" / "bin" / "python"
    if os.access(own, os.X_OK):
        return Interpreter((str(own),), "the server's .venv", f"uv is not on PATH; using {own}")
    return Interpreter(
        ("python",), "python on PATH", "uv is not on PATH and the server has no .venv; using python from PATH"
    )


def _which(program: str, environ: Mapping[str, str]) -> str | None:
    from shutil import which

    return which(program, path=environ.get("PATH"))


def _named_program(text: str, how: str, environ: Mapping[str, str]) -> str:
    if os.sep not in text:
        found = _which(text, environ)
        if found:
            return found
        raise ServerUnusableError(f"{one_line(text)} (from {how}) is not on PATH", "Give a path instead.")
    path = absolute_path(text, how)
    # By os.path, which takes a folder that may not be entered for one that has nothing in it.
    if not os.path.exists(path):  # noqa: PTH110
        raise ServerUnusableError(f"{one_line(str(path))} (from {how}) does not exist", f"Correct {how}.")
    if os.path.isdir(path) or not os.access(path, os.X_OK):  # noqa: PTH112
        raise ServerUnusableError(f"{one_line(str(path))} (from {how}) cannot be executed", f"Correct {how}.")
    return str(path)


SITE_KEY = "corpus_backfill_plugin.workspace"


class Site:
    """Options of the operator that choose where scripts run, and what follows from them, found once.

    Args:
        environ: the operator's environment.
        server_path: what `--server-path` was given.
        python: what `--python` was given.
    """

    def __init__(
        self, environ: Mapping[str, str], server_path: str | None = None, python: str | None = None
    ) -> None:
        self.environ, self.server_path, self.python = environ, server_path, python

    def anew(self) -> Site:
        """Return the same choice with nothing found yet: files may have changed since."""
        return Site(self.environ, self.server_path, self.python)

    @cached_property
    def _located(self) -> ServerApp | BackfillError:
        try:
            return locate(self.server_path, self.environ, install_folders())
        except AgentError as error:
            return BackfillError.of(error)

    @property
    def server(self) -> ServerApp:
        """The server app.

        Raises:
            BackfillError: there is none, or it can't be used.
        """
        if isinstance(self._located, BackfillError):
            raise self._located
        return self._located

    @property
    def server_trouble(self) -> BackfillError | None:
        """Why there is no server app; None when there is one."""
        return self._located if isinstance(self._located, BackfillError) else None

    @cached_property
    def catalog(self) -> Catalog:
        """The specs active; without a server app its specs are not there."""
        located = self._located
        return catalog(None if isinstance(located, BackfillError) else located.scripts, self.environ)

    def checked_server(self, spec: SpecFile) -> ServerApp:
        """Return the server app, once it holds what the command of `spec` needs beside its own script.

        The four scripts that specs are shipped for come and go together: when one is missing, the server app
        is half updated or the wrong one. Any other command asks for its own script alone.

        Raises:
            BackfillError: no server app, or the list of what is missing from it.
        """
        if spec.source == SHIPPED_SOURCE:
            check(self.server, self.catalog.shipped_scripts())
        return self.server

    @cached_property
    def interpreter(self) -> Interpreter:
        """What runs the scripts.

        Raises:
            BackfillError: no server app, or the interpreter that was named can't be executed.
        """
        return choose_interpreter(self.server, self.python, self.environ)


def site_in(meta: MutableMapping[str, Any], made: Site) -> Site:
    """Return the Site of this call, which is `made` when the call has none yet.

    Args:
        meta: click's `ctx.meta`, shared by all contexts of a call; `ctx.obj` belongs to the host.
        made: what the options at hand make.
    """
    site = meta.setdefault(SITE_KEY, made)
    return site if isinstance(site, Site) else made
