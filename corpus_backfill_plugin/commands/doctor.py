"""`backfill doctor`: every part that a run rests on, looked at, with what to correct."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import click
from importlib_metadata import EntryPoint, PackageNotFoundError, distributions, entry_points, version

from corpus_backfill_plugin.about import DISTRIBUTION
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.state import open_state, state_root
from corpus_backfill_plugin.bridge import is_bridged
from corpus_backfill_plugin.cli import PLUGIN_COMMANDS
from corpus_backfill_plugin.command import site_of
from corpus_backfill_plugin.commands.shared import json_option
from corpus_backfill_plugin.commands.specs_list import read_parser
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.specs.catalog import PACKS, SHIPPED_SOURCE, LoadedSpec, load
from corpus_backfill_plugin.terminal.table import write_json
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import Site, script_fault

if TYPE_CHECKING:
    from collections.abc import Iterator


HOST_PLUGINS = "corpus_client_cli.plugins"
HOST_LIBRARIES = ("click", "typer", "click-plugins", "rich-click", "cloup")
BROKEN_CLICK = "8.2.0"
_COLORS = {"ok": "green", "warning": "yellow", "error": "red"}
_PROBE_BYTES = 1 << 16
_FEW_BYTES = 100_000_000
_FEW_FILES = 1000

_SENT = {"common", "count", "removed", "renamed"}
"""Differences between spec and script that make a script refuse what it is sent."""


class CheckResult(NamedTuple):
    """What one check found: an `error` makes doctor exit 1, a `warning` does not; the hint may be empty."""

    state: Literal["ok", "warning", "error"]
    text: str
    hint: str = ""


_ok = partial(CheckResult, "ok")
_warning = partial(CheckResult, "warning")
_error = partial(CheckResult, "error")


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Check host, server app, specs and state, and say what to correct. Exits 1 when there is an error."""
    results = tuple(examine(site_of(ctx)))
    if as_json:
        write_json([{"area": area} | result._asdict() for area, result in results])
    else:
        for area, (state, text, hint) in results:
            click.echo(f"{click.style(f'{state:<7}', fg=_COLORS[state])}  {area}: {one_line(text)}")
            if hint:
                click.echo(f"         {one_line(hint)}")
    ctx.exit(1 if any(result.state == "error" for _, result in results) else 0)


def examine(site: Site) -> Iterator[tuple[str, CheckResult]]:
    """Yield what was checked and what was found; trouble in one part hides no other."""
    for area, check in _AREAS.items():
        try:
            for result in check(site):
                yield area, result
            continue
        except AgentError as error:
            yield area, _error(error.problem, error.hint)
        except OSError as error:
            text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            yield area, _error(text, "Look at that.")
        if area == "state":
            return  # without that folder there is neither a ledger nor a place to write


def _host(_: Site) -> Iterator[CheckResult]:
    ctx, found = click.get_current_context(), {}
    for name in HOST_LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    libraries = ", ".join(f"{name} {number}" for name, number in found.items())
    bridge = "in use, the host's contexts are not click's" if is_bridged(ctx) else "not needed"
    program = ctx.find_root().info_name or sys.argv[0]
    yield _ok(f"{program} on Python {platform.python_version()}; {libraries}; bridge {bridge}")
    if found.get("click") == BROKEN_CLICK:
        yield _error(f"click {BROKEN_CLICK} breaks nested completion", "Install another click.")


def _installation(_: Site) -> Iterator[CheckResult]:
    places, is_half = [], False
    for distribution in distributions(name=DISTRIBUTION):
        try:
            number = distribution.version
        except (OSError, KeyError):  # no METADATA in its folder, or no version in that
            number = None
        is_half = is_half or not number
        places.append(f"{number or 'no version'} in {distribution.locate_file('')}")
    shown = ", ".join(places)
    if is_half:
        hint = "Install the package anew: pip install --force-reinstall corpus-backfill-plugin."
        yield _error(f"half removed, its metadata is gone: {shown}", hint)
    elif not places:
        yield _warning("runs from a folder, not from an installed package")
    elif len(places) > 1:
        yield _error(f"installed more than once: {shown}", "Uninstall all but one.")
    else:
        yield _ok(shown)


def _plugins(_: Site) -> Iterator[CheckResult]:
    seen: dict[str, str] = {}
    for entry in (*entry_points(group=HOST_PLUGINS), *entry_points(group=PLUGIN_COMMANDS)):
        try:
            owner = f"{entry.value} of {entry.dist.name if entry.dist else 'an unknown package'}"
        except (OSError, KeyError):  # as above
            owner = f"{entry.value} of a package without metadata"
        if entry.group == HOST_PLUGINS:
            if entry.name in seen:
                text = f"two packages register '{entry.name}': {seen[entry.name]} and {owner}"
                yield _error(text, "Uninstall one of them; which of them the host shows is chance.")
            seen.setdefault(entry.name, owner)
        fault = _load_fault(entry)
        text = f"'{entry.name}' ({owner}) {fault}"
        yield _error(text, "Correct or uninstall it.") if fault else _ok(f"'{entry.name}' is {owner}")
    if "backfill" not in seen:
        text = f"'backfill' is not registered in {HOST_PLUGINS}; only corpus-backfill runs it"
        yield _warning(text, "Install this package into the host's environment.")


def _load_fault(entry: EntryPoint) -> str:
    try:
        found = entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a foreign package raises is its fault
        return f"fails to load: {type(error).__name__}: {error}"
    if entry.group == PLUGIN_COMMANDS and not isinstance(found, click.Command):
        return f"is a {type(found).__name__}, not a click command"
    return ""


def _server(site: Site) -> Iterator[CheckResult]:
    app = site.server
    yield _ok(f"{app.folder} (from {app.found})")
    loaded = [spec for name in site.catalog.names() if (spec := site.catalog.load(name))]
    good = [spec.script for spec in loaded if isinstance(spec, LoadedSpec)]
    wanted = {script.script for script in good if not script.hidden}
    if any(spec.file.source == SHIPPED_SOURCE for spec in loaded):
        wanted |= site.catalog.shipped_scripts()
    for script in sorted(wanted):
        if fault := script_fault(app, script):
            yield _error(f"{script}: {fault}", "Update the server app, or take away the spec that names it.")


def _interpreter(site: Site) -> Iterator[CheckResult]:
    if site.server_trouble is None:
        choice = site.interpreter
        words = " ".join(choice.program)
        found, warning = f"{words} ({choice.found})", choice.warning and f"{words}: {choice.warning}"
    else:
        uv = shutil.which("uv", path=site.environ.get("PATH"))
        found, warning = f"uv at {uv}", "" if uv else "uv is not on PATH"
    yield _warning(warning, "Install uv, or name one with --python.") if warning else _ok(found)


def _database(site: Site) -> Iterator[CheckResult]:
    text = "DATABASE_URL is not set; the scripts use their own default"
    no_url = _warning(text, "Set it, or give --database-url with each command.")
    # Not even its host is shown: this is read over shoulders and pasted into tickets.
    yield _ok("DATABASE_URL is set") if site.environ.get("DATABASE_URL") else no_url


def _specs(site: Site) -> Iterator[CheckResult]:
    catalog = site.catalog
    names = catalog.names()
    sources = sorted({file.source for name in names if (file := catalog.find(name))})
    yield _ok(f"{len(names)} commands from: {', '.join(sources) or 'nowhere'}")
    for trouble in catalog.troubles:
        yield _error(trouble, f"Correct the folder, or remove the pack (group {PACKS}).")
    replaced: dict[tuple[str, str], list[str]] = {}
    for name in names:
        active = catalog.contenders(name)
        for spec in map(load, active):
            if isinstance(spec, LoadedSpec):
                yield from _unfit(spec, site)
            else:
                yield from (_error(str(fault)) for fault in spec.faults)
        for file in catalog.shadowed(name):
            replaced.setdefault((file.source, active[0].source), []).append(repr(name))
    for (source, by), shadowed in replaced.items():
        verb = "are" if shadowed[1:] else "is"
        yield _warning(f"{', '.join(shadowed)} of {source} {verb} replaced by {by}")


def _unfit(spec: LoadedSpec, site: Site) -> Iterator[CheckResult]:
    """Yield what a spec sends and its script, as far as it can be read, does not have."""
    from corpus_backfill_plugin.authoring.drift import compare, located

    script = spec.script
    if script.hidden or site.server_trouble or script_fault(site.server, script.script):
        return
    try:
        model = read_parser(site.server.scripts / script.script, site, run=False)
    except BackfillError as error:
        yield _warning(error.problem, error.hint)
        return
    sent = [d for d in compare(script, model) if d.certain and d.change in _SENT]
    if sent and model.library == "argparse":
        text, shown = spec.file.path.read_text(encoding="utf-8"), one_line(str(spec.file.path))
        for fault in located(tuple(sent), text, shown):
            yield _error(str(fault), "'specs check' names all that differs.")


def _config(site: Site) -> Iterator[CheckResult]:
    # Imported here: doctor must answer where a run's modules can't be loaded.
    from corpus_backfill_plugin.config import config_path, read_config

    path = config_path()
    config = read_config(path)
    if not config.on_end:
        yield _ok(f"{path}: {'no on-end program' if path.exists() else 'not there'}")
        return
    program = os.path.expanduser(config.on_end[0])  # noqa: PTH111 - a bare name stays one
    place = str(path.parent / program) if os.sep in program else program
    found = shutil.which(place, path=site.environ.get("PATH"))
    fault = f"{path}: the on-end program {program} is not there, or can't be executed"
    notified = _ok(f"{path}: {found} is told when a run ends")
    yield notified if found else _error(fault, "Correct on-end, or take it away.")


def _state(_: Site) -> Iterator[CheckResult]:
    root = state_root()
    before = root.stat().st_mode & 0o777 if root.is_dir() else 0
    mode = open_state().root.stat().st_mode & 0o777
    text = f"{root} was open to others, mode {before:o}, and is closed now, mode {mode:o}"
    was_open = _warning(text, "See that nobody has put anything there.")
    yield was_open if before & 0o077 else _ok(f"{root}, mode {mode:o}")


def _ledger(_: Site) -> Iterator[CheckResult]:
    from corpus_backfill_plugin.agent.ledger import Ledger

    path = open_state().ledger
    text = "no run has been recorded yet"
    if path.exists():
        with Ledger(path) as ledger:
            runs = ledger.check()
        text = f"{path}: {runs} run{'s' * (runs != 1)}"
    yield _ok(text)


def _disk(_: Site) -> Iterator[CheckResult]:
    """Yield whether a run could be recorded: by writing, as only that proves it."""
    state = open_state()
    for folder in (state.root, state.runs, state.locks):
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"\0" * _PROBE_BYTES)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            text = f"nothing can be written in {folder}: {error.strerror or error}"
            yield _error(text, "Make room there, or name another folder for the state.")
            return
    disk = os.statvfs(state.root)
    free = disk.f_bavail * disk.f_frsize
    files = f", room for {disk.f_favail:,} files" if disk.f_files else ""
    text = f"{free / 1e9:.1f} GB free in {state.root}{files}"
    is_full = free < _FEW_BYTES or (files and disk.f_favail < _FEW_FILES)
    hint = "Make room: logs of runs grow with what scripts print."
    yield _warning(text, hint) if is_full else _ok(text)


_AREAS = {
    "host": _host, "installation": _installation, "plugins": _plugins, "server": _server,
    "interpreter": _interpreter, "database": _database, "specs": _specs, "config": _config, "state": _state,
    "ledger": _ledger, "disk": _disk,
}  # fmt: skip
