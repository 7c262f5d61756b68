"""A target's server app as commands have it here: its scripts and specs mirrored, all else as it said."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from corpus_backfill_plugin.agent.commit import Interpreter
from corpus_backfill_plugin.agent.plain import build
from corpus_backfill_plugin.config import target_named
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.specs.catalog import Catalog, catalog
from corpus_backfill_plugin.targets.channel import Place, ask
from corpus_backfill_plugin.workspace import SCRIPTS_FOLDER, ServerApp, Site

_KEPT_SECONDS = 30 * 86400.0


class FarSite(Site):
    """The Site of a target. One that does not `connect` has what was last known, for help and completion."""

    is_here = False

    def __init__(self, place: Place, python: str | None, *, connect: bool = True) -> None:
        self.reads_environment = place.target.env_from == "here"
        names = ("DATABASE_URL",) if self.reads_environment else ()
        super().__init__({n: os.environ[n] for n in names if n in os.environ}, None, python)
        self.place, self._connect = place, connect

    def anew(self) -> FarSite:
        """Return the same choice with nothing found yet."""
        return FarSite(self.place, self.python)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the target said of its server app."""
        return _inspected(self.place) if self._connect else _remembered(self.place)

    @cached_property
    def server(self) -> ServerApp:
        """The server app there."""
        if not self.facts:
            raise BackfillError(f"nothing is known yet of the server app on {self.place.name}")
        mirror = _cache() / "files" / _name_of(self.facts["files"])
        return ServerApp(Path(self.facts["server"]), f"the target {self.place.name}", mirror)

    @cached_property
    def catalog(self) -> Catalog:
        """The specs active: the server's from there, all others from here."""
        return catalog(None if self.server_trouble else self.server.scripts, os.environ)

    @property
    def commit(self) -> str | None:
        """The commit there, as it was said."""
        commit: str | None = self.facts["commit"]
        return commit

    @cached_property
    def interpreter(self) -> Interpreter:
        """What runs the scripts there."""
        if self.python:
            return Interpreter((self.python,), "--python")
        return build(Interpreter, self.facts["interpreter"])


def far_site(name: str, server_path: str | None, python: str | None, *, connect: bool) -> FarSite:
    """Return the Site of the target called `name`."""
    target = target_named(name)
    if server_path:
        target = msgspec.structs.replace(target, server_path=server_path)
    return FarSite(Place(name, target), python, connect=connect)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "corpus-backfill"


def _name_of(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _facts_file(place: Place) -> Path:
    return _cache() / f"{_name_of([place.target.via, place.target.server_path])}.json"


def _remembered(place: Place) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(_facts_file(place).read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if (_cache() / "files" / _name_of(facts["files"])).is_dir() else {}


def _inspected(place: Place) -> dict[str, Any]:
    """Ask the target, and mirror its scripts and specs: only what is not here yet is sent."""
    before = _remembered(place)
    former = _cache() / "files" / _name_of(before["files"]) / SCRIPTS_FOLDER if before else None
    have = {found: name for name, found in before.get("files", {}).items()}
    facts = ask(place, "inspect", have=list(have))
    texts = facts.pop("texts")
    _mirror(facts["files"], lambda found: _content(texts, found, former, have))
    _write(_facts_file(place), json.dumps(facts).encode())
    return facts


def _content(texts: dict[str, str], found: str, former: Path | None, have: dict[str, str]) -> bytes:
    if found not in texts and former:
        return (former / have[found]).read_bytes()
    content = texts[found].encode("latin-1")
    if hashlib.sha256(content).hexdigest() != found:
        raise BackfillError("what the target sent is not what it named", "Try again.")
    return content


def _mirror(files: dict[str, str], content: Any) -> None:  # noqa: ANN401 - a function
    """Put `files` into a folder named by their hashes, all at once; those long unused go."""
    folder = _cache() / "files" / _name_of(files)
    folder.parent.mkdir(0o700, parents=True, exist_ok=True)
    if folder.is_dir():
        os.utime(folder)
        return
    for other in folder.parent.iterdir():
        if other.stat().st_mtime < time.time() - _KEPT_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent))
    (made / SCRIPTS_FOLDER).mkdir()
    for name, found in files.items():
        if Path(name).name != name or "\0" in name:
            raise BackfillError(f"the target names a file {name!r}")
        (made / SCRIPTS_FOLDER / name).write_bytes(content(found))
    try:
        made.rename(folder)
    except OSError:  # another was faster
        shutil.rmtree(made, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    descriptor, made = tempfile.mkstemp(dir=path.parent)
    with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor
        stream.write(content)
    Path(made).rename(path)
