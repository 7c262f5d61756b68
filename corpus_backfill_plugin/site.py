"""What this machine and its operator have settled: the server app, its interpreter, the specs in force."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.server import (
    Interpreter,
    ServerApp,
    check,
    choose_interpreter,
    install_folders,
    locate,
)
from corpus_backfill_plugin.spec.catalog import SHIPPED_SOURCE, Catalog, catalog

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import Any

    from corpus_backfill_plugin.spec.catalog import SpecFile

SITE_KEY = "corpus_backfill_plugin.site"


@dataclass(frozen=True)
class Site:
    """Options of the operator that choose where scripts run, and what follows from them, found once.

    Attributes:
        environ: the operator's environment.
        server_path: what `--server-path` was given.
        python: what `--python` was given.
    """

    environ: Mapping[str, str]
    server_path: str | None = None
    python: str | None = None

    @cached_property
    def _located(self) -> ServerApp | BackfillError:
        try:
            return locate(self.server_path, self.environ, install_folders())
        except BackfillError as error:
            return error

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
        """The specs in force; without a server app its specs are not there."""
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
