"""Which specs there are: the sources in their order of precedence, and one name opens one file.

Listing names reads folders only; a file is opened when its command, or the list with its help lines,
is asked for. Trouble in one source or file costs its own commands and nothing else. Named tuples, as the
dataclasses of such a module would cost each start more than all else in it.
"""

from __future__ import annotations

import os
import stat
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from corpus_backfill_plugin.about import entry_points
from corpus_backfill_plugin.agent.files import absolute_path
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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


class Source(NamedTuple):
    """Folders of equal rank: one name in two of them is an error of both files."""

    label: str
    folders: tuple[Folder, ...]
    troubles: tuple[str, ...] = ()


class SpecFile(NamedTuple):
    """Where the spec of one command is.

    Attributes:
        name: the command's name, the file's stem.
        source: the label of the folder it is in.
        path: the file.
        rivals: other files of the same name in the same source; there should be none.
    """

    name: str
    source: str
    path: Path
    rivals: tuple[SpecFile, ...] = ()

    def seen_from(self, rival: SpecFile) -> SpecFile:
        """Return `rival` with this file among its own rivals."""
        others = (self._replace(rivals=()), *(r for r in self.rivals if r != rival))
        return rival._replace(rivals=others)


class LoadedSpec(NamedTuple):
    """A spec file that was read and has no errors.

    Attributes:
        file: where it is.
        script: the declaration.
        sha256: of the file's bytes, hexadecimal.
    """

    file: SpecFile
    script: Script
    sha256: str = ""


class BrokenSpec(NamedTuple):
    """A spec file that declares no script.

    Attributes:
        file: where it is.
        faults: everything that is wrong, by line; at least one.
    """

    file: SpecFile
    faults: tuple[Diagnostic, ...]


class Catalog:
    """The specs of all `sources`, the later source before the earlier."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self.sources = sources
        self._troubles: list[str] = []
        self._loaded: dict[str, LoadedSpec | BrokenSpec] = {}

    @cached_property
    def _stacks(self) -> dict[str, list[SpecFile]]:
        stacks: dict[str, list[SpecFile]] = {}
        for source in self.sources:
            for name, files in self._listed(source).items():
                first, *rivals = (SpecFile(name, folder.label, path) for folder, path in files)
                stacks.setdefault(name, []).insert(0, first._replace(rivals=tuple(rivals)))
        return stacks

    def _listed(self, source: Source) -> dict[str, list[tuple[Folder, Path]]]:
        names: dict[str, list[tuple[Folder, Path]]] = {}
        self._troubles.extend(source.troubles)
        for folder in source.folders:
            try:
                with os.scandir(folder.path) as entries:
                    found = [Path(e.path) for e in entries if e.name.endswith(SUFFIX) and e.name[0] != "."]
            except FileNotFoundError:
                continue
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                self._troubles.append(f"{folder.label} specs in {one_line(str(folder.path))}: {reason}")
                continue
            for path in found:
                names.setdefault(path.name.removesuffix(SUFFIX), []).append((folder, path))
        return names

    def reads(self, folder: Path) -> bool:
        """Whether specs in `folder` are commands."""
        place = folder.resolve()
        return any(one.path.resolve() == place for source in self.sources for one in source.folders)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What kept a source from being listed, one line each."""
        _ = self._stacks
        return tuple(self._troubles)

    def names(self) -> tuple[str, ...]:
        """Return the names of all commands, sorted. Opens no file."""
        return tuple(sorted(self._stacks))

    def find(self, name: str) -> SpecFile | None:
        """Return the file that is active for `name`. Opens no file."""
        stack = self._stacks.get(name)
        return stack[0] if stack else None

    def contenders(self, name: str) -> tuple[SpecFile, ...]:
        """Return the file active for `name` and its rivals of the same source: several are all at fault."""
        file = self.find(name)
        return (file, *map(file.seen_from, file.rivals)) if file else ()

    def shadowed(self, name: str) -> tuple[SpecFile, ...]:
        """Return the files of `name` that a later source replaced, the latest first."""
        return tuple(self._stacks.get(name, ())[1:])

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
    """Return the bytes of a plain file, one more than `most` where it has more.

    Raises:
        OSError: it can't be read, or is no plain file: a pipe would never end.
    """
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
    import hashlib

    return LoadedSpec(file, script, hashlib.sha256(data).hexdigest())


def pack_source(packs: Iterable[EntryPoint]) -> Source:
    """Return the specs of installed packs: entry points that name a module, or `module:folder`."""
    folders: list[Folder] = []
    troubles: list[str] = []
    for entry in packs:
        label = f"pack {one_line(entry.name)}"
        try:
            path = _pack_folder(entry)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a foreign package raises costs it alone
            troubles.append(f"{label}: {type(error).__name__}: {one_line(str(error))}")
            continue
        if not path.is_dir():
            troubles.append(f"{label}: {one_line(str(path))} is not a folder")
            continue
        folders.append(Folder(label, path))
    return Source("packs", tuple(folders), tuple(troubles))


def _pack_folder(entry: EntryPoint) -> Path:
    from importlib.util import find_spec

    module, _, folder = entry.value.partition(":")
    found = find_spec(module.strip())
    if found is None:
        raise ModuleNotFoundError(f"no module named {module.strip()}")
    places = list(found.submodule_search_locations or ())
    base = Path(places[0]) if places else Path(found.origin or "").parent
    return base / folder.strip() if folder.strip() else base


def operator_folder() -> Path:
    """Return the operator's own folder of specs, whether it is there or not.

    A user without a home folder has none: the path is then below /nonexistent, as Debian calls their home.
    """
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():  # the XDG standard has such a one ignored
        try:
            base = Path.home() / ("Library/Application Support" if sys.platform == "darwin" else ".config")
        except RuntimeError:
            base = Path("/nonexistent")
    return base / CONFIG_FOLDER / "specs"


def catalog(server_scripts: Path | None, environ: Mapping[str, str]) -> Catalog:
    """Return the catalog of this machine: shipped, packs, the server's, the operator's; later wins.

    Args:
        server_scripts: the server app's backfill folder, None when no server was found.
        environ: the operator's environment; `CORPUS_BACKFILL_SPECS` lists more folders.
    """
    listed, missing = _listed_folders(environ)
    server = (Folder("server", server_scripts),) if server_scripts else ()
    return Catalog(
        (
            Source(SHIPPED_SOURCE, (Folder(SHIPPED_SOURCE, SHIPPED),)),
            pack_source(entry_points(PACKS)),
            Source("server", server),
            Source("operator", (Folder("operator", operator_folder()),)),
            Source("environment", tuple(Folder(SPECS_VARIABLE, p) for p in listed), missing),
        )
    )


def _listed_folders(environ: Mapping[str, str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the folders that `CORPUS_BACKFILL_SPECS` lists, and what is wrong with the others."""
    folders: dict[Path, Path] = {}
    troubles = []
    for text in filter(None, environ.get(SPECS_VARIABLE, "").split(os.pathsep)):
        try:
            path = absolute_path(text, SPECS_VARIABLE)
        except BackfillError as error:
            troubles.append(error.problem)
            continue
        if path.is_dir():
            folders[path.resolve()] = path  # a folder that is listed twice is no rival of itself
        else:
            troubles.append(f"{SPECS_VARIABLE}: {one_line(str(path))} is not a folder")
    return tuple(folders.values()), tuple(troubles)
