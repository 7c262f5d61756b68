"""The server app: where it is, whether it is complete, and what runs its scripts."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from corpus_backfill_plugin.agent.commit import Interpreter, interpreter_of, server_commit
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import absolute_path
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.specs.catalog import SHIPPED_SOURCE, Catalog, SpecFile, catalog
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import click


PATH_VARIABLE = "CORPUS_SERVER_APP_PATH"
PYTHON_VARIABLE = "CORPUS_BACKFILL_PYTHON"
SIBLING = "corpus-server-app"
SCRIPTS_FOLDER = "backfill"


class ServerError(BackfillError):
    """There is no server app, or its scripts can't be run."""


class ServerApp(NamedTuple):
    """A server app's folder, absolute, and the words that say how it was found."""

    folder: Path
    found: str
    mirror: Path | None = None
    """A folder here that has the scripts and specs of a server app elsewhere."""

    @property
    def scripts(self) -> Path:
        """The folder that holds the backfill scripts, and the server's own specs."""
        return (self.mirror or self.folder) / SCRIPTS_FOLDER

    def there(self, path: Path) -> Path:
        """Return where a file of its scripts is when its server app is elsewhere; any other as it is."""
        mirrored = self.mirror is not None and path.parent == self.scripts
        return self.folder / SCRIPTS_FOLDER / path.name if mirrored else path


def install_folders() -> tuple[Path, ...]:
    """Return where this CLI is installed: the package's folder, the environment, the program's folder."""
    program = Path(sys.argv[0]).resolve().parent if sys.argv and sys.argv[0] else None
    starts = (Path(__file__).resolve().parent, Path(sys.prefix).resolve(), program)
    return tuple(dict.fromkeys(start for start in starts if start is not None))


def locate(option: str | None, environ: Mapping[str, str], starts: Iterable[Path]) -> ServerApp:
    """Find the server app: the `option`, else the environment, else a sibling of an install folder.

    The current folder is never looked at: code would run from wherever the operator happens to be.
    """
    for text, how in ((option, "--server-path"), (environ.get(PATH_VARIABLE), PATH_VARIABLE)):
        if text:
            return _usable(ServerApp(absolute_path(text, how), how))
    starts = tuple(starts)
    for candidate in dict.fromkeys(above / SIBLING for start in starts for above in (start, *start.parents)):
        if candidate.is_dir():
            return _usable(ServerApp(candidate, f"beside {candidate.parent}"))
    tried = ["--server-path (not given)", f"{PATH_VARIABLE} (not set)"]
    tried += [f"a {SIBLING} folder beside {one_line(str(start))} or any folder above it" for start in starts]
    raise ServerError(
        f"no server app found; tried in this order: {'; '.join(tried)}",
        f"Give --server-path DIR, or set {PATH_VARIABLE} to the folder of corpus-server-app.",
    )


def _usable(app: ServerApp) -> ServerApp:
    hint = "Name the folder of corpus-server-app, the one that has a backfill folder in it."
    try:
        with os.scandir(app.scripts):
            return app
    except (FileNotFoundError, NotADirectoryError):
        problem = "is a file, not a folder" if app.folder.exists() else "does not exist"
        problem = f"has no {SCRIPTS_FOLDER}/ folder" if app.folder.is_dir() else problem
    except OSError as error:
        problem = f"cannot be read: {(error.strerror or str(error)).lower()}"
        hint = "Run as a user who may read it, or ask its owner for access."
    raise ServerError(f"the server app {one_line(str(app.folder))} (from {app.found}) {problem}", hint)


def script_path(app: ServerApp, script: str) -> Path:
    """Return the path of a script of `app`; a ServerError says why it can't be run."""
    if fault := script_fault(app, script):
        raise ServerError(
            f"{one_line(str(app.scripts / script))}: {fault}",
            "Check that the server app is complete and its version is the one you mean to run.",
        )
    return app.scripts / script


def script_fault(app: ServerApp, script: str) -> str:
    """Return why `script` can't be run from `app`; an empty text when it can."""
    path = app.scripts / script
    if path.parent != app.scripts or script in {"", ".", ".."}:
        return "a script is a bare file name inside the backfill folder"
    try:
        if not path.exists():
            return "missing"
        if not path.resolve().is_relative_to(app.scripts.resolve()):
            return "a link that leads out of the backfill folder"
        if not path.is_file():
            return "not a file"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return "" if os.access(path, os.R_OK) else "not readable"


def choose_interpreter(app: ServerApp, option: str | None, environ: Mapping[str, str]) -> Interpreter:
    """Choose what runs the scripts: the `option`, the environment, uv, the server's own, or any python."""
    for text, how in ((option, "--python"), (environ.get(PYTHON_VARIABLE), PYTHON_VARIABLE)):
        if text:
            return Interpreter((_named_program(text, how, environ),), how)
    return interpreter_of(app.folder, environ)


def _named_program(text: str, how: str, environ: Mapping[str, str]) -> str:
    if os.sep not in text:
        from shutil import which

        found = which(text, path=environ.get("PATH"))
        if found:
            return found
        raise ServerError(f"{one_line(text)} (from {how}) is not on PATH", "Give a path instead.")
    path = str(absolute_path(text, how))
    # By os.path, which takes a folder that may not be entered for one that has nothing in it.
    if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
        return path
    problem = "cannot be executed" if os.path.exists(path) else "does not exist"  # noqa: PTH110
    raise ServerError(f"{one_line(path)} (from {how}) {problem}", f"Correct {how}.")


SITE_KEY = "corpus_backfill_plugin.workspace"


class Site:
    """Options of the operator that choose where scripts run, and what follows from them, found once.

    Attributes:
        environ: what the scripts get of the operator's environment.
        is_here: whether they run on this machine.
        reads_environment: whether options may take their values from this process's environment.
    """

    is_here = reads_environment = True

    def __init__(
        self, environ: Mapping[str, str], server_path: str | None = None, python: str | None = None
    ) -> None:
        self.environ, self.server_path, self.python = environ, server_path, python

    @classmethod
    def of(cls, ctx: click.Context) -> Site:
        """Return the Site of this call, made from the group's options when there is none yet."""
        made = cls(dict(os.environ), ctx.params.get("server_path"), ctx.params.get("python"))
        # In `ctx.meta`, which all contexts of a call share: `ctx.obj` belongs to the host.
        site: Site = ctx.meta.setdefault(SITE_KEY, made)
        return site

    def anew(self) -> Site:
        """Return the same choice with nothing found yet: files may have changed since."""
        return Site(self.environ, self.server_path, self.python)

    @cached_property
    def server_trouble(self) -> AgentError | None:
        """Why there is no server app; None when there is one."""
        try:
            _ = self.server
        except AgentError as error:
            return error
        return None

    @cached_property
    def server(self) -> ServerApp:
        """The server app; an error where there is none or it can't be used."""
        return locate(self.server_path, self.environ, install_folders())

    @cached_property
    def catalog(self) -> Catalog:
        """The specs active; without a server app its specs are not there."""
        return catalog(None if self.server_trouble else self.server.scripts, self.environ)

    def checked_server(self, spec: SpecFile) -> ServerApp:
        """Return the server app, once it holds what the command of `spec` needs beside its own script.

        The four scripts that specs are shipped for come and go together: when one is missing, the server app
        is half updated or the wrong one. Any other command asks for its own script alone.
        """
        if spec.source != SHIPPED_SOURCE:
            return self.server
        faults = {s: script_fault(self.server, s) for s in sorted(self.catalog.shipped_scripts())}
        bad = [f"  {one_line(script)}: {fault}" for script, fault in faults.items() if fault]
        if not bad:
            return self.server
        where = f"{len(bad)} of {len(faults)} scripts can't be run from {one_line(str(self.server.scripts))}:"
        raise ServerError(
            "\n".join((where, *bad)),
            "Update the server app. One that is not meant to have them all brings its own specs, which ask "
            "for their own script alone.",
        )

    @property
    def commit(self) -> str | None:
        """The commit of the server app now, as of `server_commit`."""
        return server_commit(self.server.folder)

    @cached_property
    def interpreter(self) -> Interpreter:
        """What runs the scripts."""
        return choose_interpreter(self.server, self.python, self.environ)
