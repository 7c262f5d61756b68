"""`backfill doctor`: every part that a run rests on, looked at, with what to correct."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click
from importlib_metadata import PackageNotFoundError, distributions, entry_points, version

from corpus_backfill_plugin.about import DISTRIBUTION
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.bridge import is_bridged
from corpus_backfill_plugin.cli import PLUGIN_COMMANDS
from corpus_backfill_plugin.command import site_of
from corpus_backfill_plugin.commands.shared import json_option
from corpus_backfill_plugin.commands.specs_check import read_parser
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.specs.catalog import PACKS, SHIPPED_SOURCE, LoadedSpec, load
from corpus_backfill_plugin.terminal.table import write_json
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import script_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from importlib_metadata import EntryPoint

    from corpus_backfill_plugin.workspace import Site

HOST_PLUGINS = "corpus_client_cli.plugins"
HOST_LIBRARIES = ("click", "typer", "click-plugins", "rich-click", "cloup")
BROKEN_CLICK = "8.2.0"
_PROBE_BYTES = 1 << 16
_FEW_BYTES = 100_000_000
_FEW_FILES = 1000

_SENT = {"common", "count", "removed", "renamed"}
"""Differences between spec and script that make a script refuse what it is sent."""


class CheckResult(NamedTuple):
    """What one check found.

    Attributes:
        state: `error` makes doctor exit 1; a `warning` does not.
        text: what was found.
        hint: what to do about it; empty when all is well.
    """

    state: Literal["ok", "warning", "error"]
    text: str
    hint: str = ""


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Check host, server app, specs and state, and say what to correct. Exits 1 when there is an error."""
    results = tuple(examine(ctx))
    if as_json:
        write_json([{"area": area} | result._asdict() for area, result in results])
    else:
        for area, result in results:
            _print(area, result)
    ctx.exit(1 if any(result.state == "error" for _, result in results) else 0)


def _print(area: str, result: CheckResult) -> None:
    color = {"ok": "green", "warning": "yellow", "error": "red"}[result.state]
    click.echo(f"{click.style(f'{result.state:<7}', fg=color)}  {area}: {one_line(result.text)}")
    if result.hint:
        click.echo(f"         {one_line(result.hint)}")


def examine(ctx: click.Context) -> Iterator[tuple[str, CheckResult]]:
    """Yield what was checked and what was found; trouble in one part hides no other."""
    site = site_of(ctx)
    parts: tuple[tuple[str, Callable[[], Iterable[CheckResult]]], ...] = (
        ("host", lambda: _host(ctx)),
        ("installation", _installation),
        ("plugins", _plugins),
        ("server", lambda: _server(site)),
        ("interpreter", lambda: _interpreter(site)),
        ("database", lambda: _database(site)),
        ("specs", lambda: _specs(site)),
        ("config", lambda: _config(site)),
        ("state", _state),
        ("ledger", _ledger),
        ("disk", _disk),
    )
    for area, check in parts:
        try:
            for result in check():
                yield area, result
            continue
        except AgentError as error:
            yield area, CheckResult("error", error.problem, error.hint)
        except OSError as error:
            text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            yield area, CheckResult("error", text, "Look at that.")
        if area == "state":
            return  # without that folder there is neither a ledger nor a place to write


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _host(ctx: click.Context) -> Iterator[CheckResult]:
    found = {name: _version(name) for name in HOST_LIBRARIES}
    libraries = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    bridge = "in use, the host's contexts are not click's" if is_bridged(ctx) else "not needed"
    program = ctx.find_root().info_name or sys.argv[0]
    yield CheckResult("ok", f"{program} on Python {platform.python_version()}; {libraries}; bridge {bridge}")
    if found["click"] == BROKEN_CLICK:
        yield CheckResult("error", f"click {BROKEN_CLICK} breaks nested completion", "Install another click.")


def _installation() -> Iterator[CheckResult]:
    places = [(_version_of(d), str(d.locate_file(""))) for d in distributions(name=DISTRIBUTION)]
    shown = ", ".join(f"{number or 'no version'} in {place}" for number, place in places)
    half = [place for number, place in places if not number]
    if half:
        hint = "Install the package anew: pip install --force-reinstall corpus-backfill-plugin."
        yield CheckResult("error", f"half removed, its metadata is gone: {shown}", hint)
    elif not places:
        yield CheckResult("warning", "runs from a folder, not from an installed package")
    elif len(places) > 1:
        yield CheckResult("error", f"installed more than once: {shown}", "Uninstall all but one.")
    else:
        yield CheckResult("ok", shown)


def _version_of(distribution: Any) -> str | None:  # noqa: ANN401 - its public types differ between releases
    try:
        number: str | None = distribution.version
    except (OSError, KeyError):  # no METADATA in its folder, or no version in that
        return None
    return number


def _owner(entry: EntryPoint) -> str:
    try:
        return f"{entry.value} of {entry.dist.name if entry.dist else 'an unknown package'}"
    except (OSError, KeyError):  # as above
        return f"{entry.value} of a package without metadata"


def _plugins() -> Iterator[CheckResult]:
    seen: dict[str, str] = {}
    for entry in entry_points(group=HOST_PLUGINS):
        owner = _owner(entry)
        if entry.name in seen:
            yield CheckResult(
                "error",
                f"two packages register '{entry.name}': {seen[entry.name]} and {owner}",
                "Uninstall one of them; which of them the host shows is chance.",
            )
        seen.setdefault(entry.name, owner)
        yield _loaded(entry, owner)
    if "backfill" not in seen:
        yield CheckResult(
            "warning",
            f"'backfill' is not registered in {HOST_PLUGINS}; only corpus-backfill runs it",
            "Install this package into the host's environment.",
        )
    for entry in entry_points(group=PLUGIN_COMMANDS):
        yield _loaded(entry, _owner(entry))


def _loaded(entry: EntryPoint, owner: str) -> CheckResult:
    try:
        found = entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a foreign package raises is its fault
        reason = f"{type(error).__name__}: {error}"
        return CheckResult(
            "error",
            f"'{entry.name}' ({owner}) fails to load: {reason}",
            "Correct or uninstall it.",
        )
    if entry.group == PLUGIN_COMMANDS and not isinstance(found, click.Command):
        what = f"'{entry.name}' ({owner}) is a {type(found).__name__}, not a click command"
        return CheckResult("error", what, "Correct or uninstall it.")
    return CheckResult("ok", f"'{entry.name}' is {owner}")


def _server(site: Site) -> Iterator[CheckResult]:
    app = site.server
    yield CheckResult("ok", f"{app.folder} (from {app.found})")
    for script in sorted(_scripts_wanted(site)):
        fault = script_fault(app, script)
        if fault:
            hint = "Update the server app, or take away the spec that names it."
            yield CheckResult("error", f"{script}: {fault}", hint)


def _scripts_wanted(site: Site) -> set[str]:
    """Return the scripts that the commands active ask for; what is hidden asks for none."""
    loaded = [spec for name in site.catalog.names() if (spec := site.catalog.load(name))]
    good = [spec for spec in loaded if isinstance(spec, LoadedSpec)]
    wanted = {spec.script.script for spec in good if not spec.script.hidden}
    shipped = any(spec.file.source == SHIPPED_SOURCE for spec in loaded)
    return wanted | (site.catalog.shipped_scripts() if shipped else set())


def _interpreter(site: Site) -> Iterator[CheckResult]:
    uv = shutil.which("uv", path=site.environ.get("PATH"))
    if site.server_trouble is None:
        choice = site.interpreter
        words = " ".join(choice.program)
        if choice.warning:
            yield CheckResult(
                "warning",
                f"{words}: {choice.warning}",
                "Install uv, or name one with --python.",
            )
        else:
            yield CheckResult("ok", f"{words} ({choice.found})")
    elif uv:
        yield CheckResult("ok", f"uv at {uv}")
    else:
        yield CheckResult("warning", "uv is not on PATH", "Install uv, or name an interpreter with --python.")


def _database(site: Site) -> Iterator[CheckResult]:
    if site.environ.get("DATABASE_URL"):
        # Not even its host: this is read over shoulders and pasted into tickets.
        yield CheckResult("ok", "DATABASE_URL is set")
    else:
        hint = "Set it, or give --database-url with each command."
        yield CheckResult("warning", "DATABASE_URL is not set; the scripts use their own default", hint)


def _specs(site: Site) -> Iterator[CheckResult]:
    catalog = site.catalog
    names = catalog.names()
    sources = sorted({file.source for name in names if (file := catalog.find(name))})
    yield CheckResult("ok", f"{len(names)} commands from: {', '.join(sources) or 'nowhere'}")
    for trouble in catalog.troubles:
        yield CheckResult("error", trouble, f"Correct the folder, or remove the pack (group {PACKS}).")
    replaced: dict[tuple[str, str], list[str]] = {}
    for name in names:
        active = catalog.contenders(name)
        for file in active:
            spec = load(file)
            if isinstance(spec, LoadedSpec):
                yield from _unfit(spec, site)
            else:
                yield from (CheckResult("error", str(fault)) for fault in spec.faults)
        for file in catalog.shadowed(name):
            replaced.setdefault((file.source, active[0].source), []).append(name)
    for (source, by), shadowed in replaced.items():
        verb = "are" if shadowed[1:] else "is"
        text = f"{', '.join(map(repr, shadowed))} of {source} {verb} replaced by {by}"
        yield CheckResult("warning", text)


def _unfit(spec: LoadedSpec, site: Site) -> Iterator[CheckResult]:
    """Yield what a spec sends and its script, as far as it can be read, does not have."""
    from corpus_backfill_plugin.authoring.drift import compare, located

    script = spec.script
    if script.hidden or site.server_trouble or script_fault(site.server, script.script):
        return
    try:
        model = read_parser(site.server.scripts / script.script, site, run=False)
    except BackfillError as error:
        yield CheckResult("warning", error.problem, error.hint)
        return
    sent = [d for d in compare(script, model) if d.certain and d.change in _SENT]
    if sent and model.library == "argparse":
        text, shown = spec.file.path.read_text(encoding="utf-8"), one_line(str(spec.file.path))
        for fault in located(tuple(sent), text, shown):
            yield CheckResult("error", str(fault), "'specs check' names all that differs.")


def _config(site: Site) -> Iterator[CheckResult]:
    # Imported here: doctor must answer where a run's modules can't be loaded.
    from corpus_backfill_plugin.config import config_path, read_config

    path = config_path()
    config = read_config(path)
    if not config.on_end:
        yield CheckResult("ok", f"{path}: {'no on-end program' if path.exists() else 'not there'}")
        return
    program = os.path.expanduser(config.on_end[0])  # noqa: PTH111 - a bare name stays one
    place = str(path.parent / program) if os.sep in program else program
    found = shutil.which(place, path=site.environ.get("PATH"))
    if found:
        yield CheckResult("ok", f"{path}: {found} is told when a run ends")
    else:
        text = f"{path}: the on-end program {program} is not there, or can't be executed"
        yield CheckResult("error", text, "Correct on-end, or take it away.")


def _state() -> Iterator[CheckResult]:
    from corpus_backfill_plugin.agent.state import open_state, state_root

    root = state_root()
    before = root.stat().st_mode & 0o777 if root.is_dir() else None
    state = open_state()
    mode = state.root.stat().st_mode & 0o777
    if before is not None and before & 0o077:
        text = f"{root} was open to others, mode {before:o}, and is closed now, mode {mode:o}"
        yield CheckResult("warning", text, "See that nobody has put anything there.")
    else:
        yield CheckResult("ok", f"{root}, mode {mode:o}")


def _ledger() -> Iterator[CheckResult]:
    from corpus_backfill_plugin.agent.ledger import Ledger
    from corpus_backfill_plugin.agent.state import open_state

    path = open_state().ledger
    if not path.exists():
        yield CheckResult("ok", "no run has been recorded yet")
        return
    with Ledger(path) as ledger:
        runs = ledger.check()
    yield CheckResult("ok", f"{path}: {runs} run{'s' * (runs != 1)}")


def _disk() -> Iterator[CheckResult]:
    """Yield whether a run could be recorded: by writing, as only that proves it."""
    from corpus_backfill_plugin.agent.state import open_state

    state = open_state()
    for folder in (state.root, state.runs, state.locks):
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"\0" * _PROBE_BYTES)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            text = f"nothing can be written in {folder}: {error.strerror or error}"
            yield CheckResult("error", text, "Make room there, or name another folder for the state.")
            return
    disk = os.statvfs(state.root)
    free, files = disk.f_bavail * disk.f_frsize, disk.f_favail if disk.f_files else None
    text = f"{free / 1e9:.1f} GB free in {state.root}" + (
        "" if files is None else f", room for {files:,} files"
    )
    if free < _FEW_BYTES or (files is not None and files < _FEW_FILES):
        yield CheckResult("warning", text, "Make room: logs of runs grow with what scripts print.")
    else:
        yield CheckResult("ok", text)
