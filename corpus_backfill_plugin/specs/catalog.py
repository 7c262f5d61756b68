"""Which specs there are: the sources in their order of precedence, and one name opens one file.

Listing names reads folders only; a file is opened when its command, or the list with its help lines,
is asked for. Trouble in one folder or file costs its own commands and nothing else. Named tuples, as
dataclasses would cost each start more than all else in this module.
"""

from __future__ import annotations

import os
import stat
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from corpus_backfill_plugin.about import entry_points
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import absolute_path
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.metadata import EntryPoint

    from corpus_backfill_plugin.specs.diagnostics import Diagnostic
    from corpus_backfill_plugin.specs.model import Script

SPECS_VARIABLE = "CORPUS_BACKFILL_SPECS"
CONFIG_FOLDER = "corpus-backfill"
PACKS = "corpus_backfill_plugin.specs"
SUFFIX = ".toml"
SHIPPED = Path(__file__).parent.parent / "builtin"
SHIPPED_SOURCE = "shipped"


class Folder(NamedTuple):
    """A folder of specs and what people call it: `shipped`, `pack NAME`, `server`, `operator`."""

    label: str
    path: Path


class SpecFile(NamedTuple):
    """Where the spec of one command is: the file's stem is its name, the folder's label its source."""

    name: str
    source: str
    path: Path
    rivals: tuple[SpecFile, ...] = ()  # other files of the same name and rank; there should be none


class LoadedSpec(NamedTuple):
    """A spec file that was read and has no errors."""

    file: SpecFile
    script: Script
    content: bytes = b""

    @property
    def sha256(self) -> str:
        """Of the file's bytes, hexadecimal."""
        import hashlib

        return hashlib.sha256(self.content).hexdigest()


class BrokenSpec(NamedTuple):
    """A spec file that declares no script, and all that is wrong with it, by line; at least one thing."""

    file: SpecFile
    faults: tuple[Diagnostic, ...]


class Catalog:
    """The specs of all folders, which come in ranks, the last first, and what is wrong with other folders."""

    def __init__(self, ranks: Iterable[tuple[Folder, ...]], troubles: Iterable[str]) -> None:
        self._ranks = tuple(ranks)
        self._troubles = list(troubles)
        self._loaded: dict[str, LoadedSpec | BrokenSpec] = {}

    @cached_property
    def _stacks(self) -> dict[str, list[tuple[SpecFile, ...]]]:
        """The files of each name, those of one rank together, the active ones first."""
        stacks: dict[str, list[tuple[SpecFile, ...]]] = {}
        for rank in self._ranks:
            found: dict[str, list[SpecFile]] = {}
            for folder in rank:
                for path in self._specs_in(folder):
                    file = SpecFile(path.name.removesuffix(SUFFIX), folder.label, path)
                    found.setdefault(file.name, []).append(file)
            for name, files in found.items():
                equals = [f._replace(rivals=tuple(r for r in files if r is not f)) for f in files]
                stacks.setdefault(name, []).insert(0, tuple(equals))
        return stacks

    def _specs_in(self, folder: Folder) -> list[Path]:
        try:
            with os.scandir(folder.path) as entries:
                return [Path(e.path) for e in entries if e.name.endswith(SUFFIX) and e.name[0] != "."]
        except FileNotFoundError:
            return []
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self._troubles.append(f"{folder.label} specs in {one_line(str(folder.path))}: {reason}")
            return []

    def reads(self, folder: Path) -> bool:
        """Whether specs in `folder` are commands."""
        return any(one.path.resolve() == folder.resolve() for rank in self._ranks for one in rank)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What kept a folder from being listed, one line each."""
        _ = self._stacks
        return tuple(self._troubles)

    def names(self) -> tuple[str, ...]:
        """Return the names of all commands, sorted. Opens no file."""
        return tuple(sorted(self._stacks))

    def find(self, name: str) -> SpecFile | None:
        """Return the file that is active for `name`. Opens no file."""
        return next(iter(self.contenders(name)), None)

    def contenders(self, name: str) -> tuple[SpecFile, ...]:
        """Return the file active for `name` and its rivals of the same rank: several are all wrong."""
        return self._stacks[name][0] if name in self._stacks else ()

    def shadowed(self, name: str) -> tuple[SpecFile, ...]:
        """Return the files of `name` that a later rank replaced, the latest first."""
        return tuple(files[0] for files in self._stacks.get(name, ())[1:])

    def load(self, name: str) -> LoadedSpec | BrokenSpec | None:
        """Read the file that is active for `name`, once; None when there is none."""
        file = self.find(name)
        if file and name not in self._loaded:
            self._loaded[name] = load(file)
        return self._loaded.get(name)

    def shipped_scripts(self) -> set[str]:
        """Return the scripts that specs are shipped for, also those of specs that a later source replaced."""
        files = [SpecFile(path.stem, SHIPPED_SOURCE, path) for path in SHIPPED.glob(f"*{SUFFIX}")]
        specs = [self.load(file.name) if self.find(file.name) == file else load(file) for file in files]
        return {spec.script.script for spec in specs if isinstance(spec, LoadedSpec)}


def read_plain(path: Path, most: int) -> bytes:
    """Return the bytes of a plain file, one more than `most` where it has more. A pipe would never end."""
    # Without O_NONBLOCK the opening of a pipe would wait for a writer.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "not a plain file")
        return file.read(most + 1)


def load(file: SpecFile) -> LoadedSpec | BrokenSpec:
    """Read one spec file, with everything that is wrong with it: its name and its rivals too."""
    # Here, not above: listing names and completing them must not pay for msgspec.
    from corpus_backfill_plugin.specs.reader import MAX_BYTES, Diagnostic, read_script

    shown = one_line(str(file.path))
    try:
        data = read_plain(file.path, MAX_BYTES)
    except OSError as error:
        problem = f"cannot be read: {(error.strerror or str(error)).lower()}"
        return BrokenSpec(file, (Diagnostic((), problem, "check the file", file=shown),))
    script, faults = read_script(data, shown, name=file.name)
    for rival in file.rivals:
        problem = f"{one_line(str(rival.path))} has the same name in the same source"
        faults += (Diagnostic((), problem, "rename one of them", file=shown),)
    if script is None or faults:
        return BrokenSpec(file, faults)

    return LoadedSpec(file, script, data)


def _packs(troubles: list[str]) -> Iterator[Folder]:
    """Yield the specs of installed packs: entry points that name a module, or `module:folder`."""
    for entry in entry_points(PACKS):
        label = f"pack {one_line(entry.name)}"
        try:
            yield from _folder(label, _pack_folder(entry), troubles)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a foreign package raises costs it alone
            troubles.append(f"{label}: {type(error).__name__}: {one_line(str(error))}")


def _folder(label: str, path: Path, troubles: list[str]) -> Iterator[Folder]:
    if path.is_dir():
        yield Folder(label, path)
    else:
        troubles.append(f"{label}: {one_line(str(path))} is not a folder")


def _pack_folder(entry: EntryPoint) -> Path:
    from importlib.util import find_spec

    module, _, folder = entry.value.partition(":")
    found = find_spec(module.strip())
    if found is None:
        raise ModuleNotFoundError(f"no module named {module.strip()}")
    places = list(found.submodule_search_locations or ()) or [os.path.dirname(found.origin or "")]  # noqa: PTH120
    return Path(places[0], folder.strip())


def operator_folder() -> Path:
    """Return the operator's own folder of specs, or where it would be."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():  # the XDG standard has such a one ignored
        try:
            base = Path.home() / ("Library/Application Support" if sys.platform == "darwin" else ".config")
        except RuntimeError:
            base = Path("/nonexistent")  # as Debian calls the home of a user who has none
    return base / CONFIG_FOLDER / "specs"


def catalog(server_scripts: Path | None, environ: Mapping[str, str]) -> Catalog:
    """Return the catalog of this machine: shipped, packs, the server's, the operator's; later wins."""
    troubles: list[str] = []
    ranks = (
        (Folder(SHIPPED_SOURCE, SHIPPED),),
        tuple(_packs(troubles)),
        (Folder("server", server_scripts),) if server_scripts else (),
        (Folder("operator", operator_folder()),),
        tuple(_listed_folders(environ, troubles)),
    )
    return Catalog(ranks, troubles)


def _listed_folders(environ: Mapping[str, str], troubles: list[str]) -> Iterator[Folder]:
    """Yield the folders that `CORPUS_BACKFILL_SPECS` lists."""
    seen: set[Path] = set()
    for text in filter(None, environ.get(SPECS_VARIABLE, "").split(os.pathsep)):
        try:
            path = absolute_path(text, SPECS_VARIABLE)
        except AgentError as error:
            troubles.append(error.problem)
            continue
        if path.resolve() not in seen:  # a folder that is listed twice is no rival of itself
            yield from _folder(SPECS_VARIABLE, path, troubles)
        seen.add(path.resolve())
