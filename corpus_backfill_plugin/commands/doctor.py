"""`backfill doctor`: every part that a run rests on, looked at, with what to correct."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec
from importlib_metadata import PackageNotFoundError, distributions, entry_points, version

from corpus_backfill_plugin.about import DISTRIBUTION
from corpus_backfill_plugin.bridge import is_bridged
from corpus_backfill_plugin.cli import PLUGIN_COMMANDS
from corpus_backfill_plugin.command import site_of
from corpus_backfill_plugin.commands.specs_check import read_parser
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.specs.catalog import PACKS, SHIPPED_SOURCE, LoadedSpec, load
from corpus_backfill_plugin.terminal.table import write_json
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import script_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from importlib_metadata import EntryPoint

    from corpus_backfill_plugin.agent.state import State
    from corpus_backfill_plugin.workspace import Site

HOST_PLUGINS = "corpus_client_cli.plugins"
HOST_LIBRARIES = ("click", "typer", "click-plugins", "rich-click", "cloup")
BROKEN_CLICK = "8.2.0"
_PROBE_BYTES = 1 << 16
_FEW_BYTES = 100_000_000
_FEW_FILES = 1000

_SENT = {"common", "count", "removed", "renamed"}
"""Differences between spec and script that make a script refuse what it is sent."""


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at.

    Attributes:
        area: what was looked at.
        state: `fault` makes doctor exit 1; a `note` is worth knowing and no fault.
        text: what was found.
        hint: what to do about it; empty when all is well.
    """

    area: str
    state: Literal["ok", "note", "fault"]
    text: str
    hint: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Check host, server app, specs and state, and say what to correct. Exits 1 when there is a fault."""
    findings = tuple(examine(ctx))
    if as_json:
        write_json([msgspec.to_builtins(finding) for finding in findings])
    else:
        _print(findings)
    ctx.exit(1 if any(finding.state == "fault" for finding in findings) else 0)


def _print(findings: Iterable[Finding]) -> None:
    marks = {"ok": ("ok   ", "green"), "note": ("note ", "yellow"), "fault": ("FAULT", "red")}
    for finding in findings:
        mark, color = marks[finding.state]
        click.echo(f"{click.style(mark, fg=color)}  {finding.area}: {one_line(finding.text)}")
        if finding.hint:
            click.echo(f"       {one_line(finding.hint)}")


def examine(ctx: click.Context) -> Iterator[Finding]:
    """Yield what is found, part by part; trouble in one part hides no other."""
    site = site_of(ctx)
    parts: tuple[tuple[str, Callable[[], Iterable[Finding]]], ...] = (
        ("host", lambda: _host(ctx)),
        ("installation", _installation),
        ("plugins", _plugins),
        ("server", lambda: _server(site)),
        ("interpreter", lambda: _interpreter(site)),
        ("database", lambda: _database(site)),
        ("specs", lambda: _specs(site)),
        ("config", lambda: _config(site)),
        ("state", _state),
    )
    for area, look in parts:
        try:
            yield from look()
        except BackfillError as error:
            yield Finding(area, "fault", error.problem, error.hint)
        except OSError as error:
            text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            yield Finding(area, "fault", text, "Look at that.")


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _host(ctx: click.Context) -> Iterator[Finding]:
    found = {name: _version(name) for name in HOST_LIBRARIES}
    libraries = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    bridge = "in use, the host's contexts are not click's" if is_bridged(ctx) else "not needed"
    program = ctx.find_root().info_name or sys.argv[0]
    yield Finding(
        "host", "ok", f"{program} on Python {platform.python_version()}; {libraries}; bridge {bridge}"
    )
    if found["click"] == BROKEN_CLICK:
        yield Finding(
            "host", "fault", f"click {BROKEN_CLICK} breaks nested completion", "Install another click."
        )


def _installation() -> Iterator[Finding]:
    places = [(_version_of(d), str(d.locate_file(""))) for d in distributions(name=DISTRIBUTION)]
    shown = ", ".join(f"{number or 'no version'} in {place}" for number, place in places)
    half = [place for number, place in places if not number]
    if half:
        hint = "Install the package anew: pip install --force-reinstall corpus-backfill-plugin."
        yield Finding("installation", "fault", f"half removed, its metadata is gone: {shown}", hint)
    elif not places:
        yield Finding("installation", "note", "runs from a folder, not from an installed package")
    elif len(places) > 1:
        yield Finding("installation", "fault", f"installed more than once: {shown}", "Uninstall all but one.")
    else:
        yield Finding("installation", "ok", shown)


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


def _plugins() -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for entry in entry_points(group=HOST_PLUGINS):
        owner = _owner(entry)
        if entry.name in seen:
            yield Finding(
                "plugins",
                "fault",
                f"two packages register '{entry.name}': {seen[entry.name]} and {owner}",
                "Uninstall one of them; which of them the host shows is chance.",
            )
        seen.setdefault(entry.name, owner)
        yield _loaded(entry, owner)
    if "backfill" not in seen:
        yield Finding(
            "plugins",
            "note",
            f"'backfill' is not registered in {HOST_PLUGINS}; only corpus-backfill runs it",
            "Install this package into the host's environment.",
        )
    for entry in entry_points(group=PLUGIN_COMMANDS):
        yield _loaded(entry, _owner(entry))


def _loaded(entry: EntryPoint, owner: str) -> Finding:
    try:
        found = entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a foreign package raises is its fault
        reason = f"{type(error).__name__}: {error}"
        return Finding(
            "plugins",
            "fault",
            f"'{entry.name}' ({owner}) fails to load: {reason}",
            "Correct or uninstall it.",
        )
    if entry.group == PLUGIN_COMMANDS and not isinstance(found, click.Command):
        what = f"'{entry.name}' ({owner}) is a {type(found).__name__}, not a click command"
        return Finding("plugins", "fault", what, "Correct or uninstall it.")
    return Finding("plugins", "ok", f"'{entry.name}' is {owner}")


def _server(site: Site) -> Iterator[Finding]:
    app = site.server
    yield Finding("server", "ok", f"{app.folder} (from {app.found})")
    for script in sorted(_scripts_wanted(site)):
        fault = script_fault(app, script)
        if fault:
            hint = "Update the server app, or take away the spec that names it."
            yield Finding("server", "fault", f"{script}: {fault}", hint)


def _scripts_wanted(site: Site) -> set[str]:
    """Return the scripts that the commands active ask for; what is hidden asks for none."""
    loaded = [spec for name in site.catalog.names() if (spec := site.catalog.load(name))]
    good = [spec for spec in loaded if isinstance(spec, LoadedSpec)]
    wanted = {spec.script.script for spec in good if not spec.script.hidden}
    shipped = any(spec.file.source == SHIPPED_SOURCE for spec in loaded)
    return wanted | (site.catalog.shipped_scripts() if shipped else set())


def _interpreter(site: Site) -> Iterator[Finding]:
    uv = shutil.which("uv", path=site.environ.get("PATH"))
    if site.server_trouble is None:
        choice = site.interpreter
        words = " ".join(choice.program)
        if choice.warning:
            yield Finding(
                "interpreter", "note", f"{words}: {choice.warning}", "Install uv, or name one with --python."
            )
        else:
            yield Finding("interpreter", "ok", f"{words} ({choice.found})")
    elif uv:
        yield Finding("interpreter", "ok", f"uv at {uv}")
    else:
        yield Finding(
            "interpreter", "note", "uv is not on PATH", "Install uv, or name an interpreter with --python."
        )


def _database(site: Site) -> Iterator[Finding]:
    if site.environ.get("DATABASE_URL"):
        # Not even its host: this is read over shoulders and pasted into tickets.
        yield Finding("database", "ok", "DATABASE_URL is set")
    else:
        hint = "Set it, or give --database-url with each command."
        yield Finding("database", "note", "DATABASE_URL is not set; the scripts use their own default", hint)


def _specs(site: Site) -> Iterator[Finding]:
    catalog = site.catalog
    names = catalog.names()
    sources = sorted({file.source for name in names if (file := catalog.find(name))})
    yield Finding("specs", "ok", f"{len(names)} commands from: {', '.join(sources) or 'nowhere'}")
    for trouble in catalog.troubles:
        yield Finding(
            "specs", "fault", trouble, f"Correct the folder, or remove the pack (group {PACKS})."
        )
    for name in names:
        in_force = catalog.contenders(name)
        for file in in_force:
            spec = load(file)
            if isinstance(spec, LoadedSpec):
                yield from _unfit(spec, site)
            else:
                yield from (Finding("specs", "fault", str(fault)) for fault in spec.faults)
        for file in catalog.shadowed(name):
            text = f"'{name}' of {file.source} is replaced by {in_force[0].source}"
            yield Finding("specs", "note", text)


def _unfit(spec: LoadedSpec, site: Site) -> Iterator[Finding]:
    """Yield what a spec sends and its script, as far as it can be read, does not have."""
    # Here, not above: only this reads Python.
    from corpus_backfill_plugin.authoring.drift import compare, located

    script = spec.script
    if script.hidden or site.server_trouble or script_fault(site.server, script.script):
        return
    try:
        model = read_parser(site.server.scripts / script.script, site, run=False)
    except BackfillError as error:
        yield Finding("specs", "note", error.problem, error.hint)
        return
    sent = [d for d in compare(script, model) if d.certain and d.change in _SENT]
    if sent and model.library == "argparse":
        text, shown = spec.file.path.read_text(encoding="utf-8"), one_line(str(spec.file.path))
        for fault in located(tuple(sent), text, shown):
            yield Finding("specs", "fault", str(fault), "'specs check' tells all that differs.")


def _config(site: Site) -> Iterator[Finding]:
    # Here, not above: it exists for runs alone, and doctor must answer where runs can't.
    from corpus_backfill_plugin.agent.hook import config_path, read_config

    path = config_path()
    config = read_config(path)
    if not config.on_end:
        yield Finding("config", "ok", f"{path}: {'no on-end program' if path.exists() else 'not there'}")
        return
    program = os.path.expanduser(config.on_end[0])  # noqa: PTH111 - a bare name stays one
    place = str(path.parent / program) if os.sep in program else program
    found = shutil.which(place, path=site.environ.get("PATH"))
    if found:
        yield Finding("config", "ok", f"{path}: {found} is told when a run ends")
    else:
        text = f"{path}: the on-end program {program} is not there, or can't be executed"
        yield Finding("config", "fault", text, "Correct on-end, or take it away.")


def _state() -> Iterator[Finding]:
    # Here, not above: as in `_config`.
    from corpus_backfill_plugin.agent.state import open_state, state_root

    root = state_root()
    before = root.stat().st_mode & 0o777 if root.is_dir() else None
    state = open_state()
    mode = state.root.stat().st_mode & 0o777
    if before is not None and before & 0o077:
        text = f"{root} was open to others, mode {before:o}, and is closed now, mode {mode:o}"
        yield Finding("state", "note", text, "See that nobody has put anything there.")
    else:
        yield Finding("state", "ok", f"{root}, mode {mode:o}")
    yield _ledger(state)
    yield from _disk(state)


def _ledger(state: State) -> Finding:
    # Here, not above: as in `_config`.
    from corpus_backfill_plugin.agent.ledger import Ledger

    if not state.ledger.exists():
        return Finding("ledger", "ok", "no run has been recorded yet")
    try:
        with Ledger(state.ledger) as ledger:
            runs = ledger.check()
    except BackfillError as error:
        return Finding("ledger", "fault", error.problem, error.hint)
    return Finding("ledger", "ok", f"{state.ledger}: {runs} run{'s' * (runs != 1)}")


def _disk(state: State) -> Iterator[Finding]:
    """Yield whether a run could be recorded: by writing, as only that proves it."""
    for folder in (state.root, state.runs, state.locks):
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"\0" * _PROBE_BYTES)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            text = f"nothing can be written in {folder}: {error.strerror or error}"
            yield Finding("disk", "fault", text, "Make room there, or name another folder for the state.")
            return
    disk = os.statvfs(state.root)
    free, files = disk.f_bavail * disk.f_frsize, disk.f_favail if disk.f_files else None
    text = f"{free / 1e9:.1f} GB free in {state.root}" + (
        "" if files is None else f", room for {files:,} files"
    )
    if free < _FEW_BYTES or (files is not None and files < _FEW_FILES):
        yield Finding("disk", "note", text, "Make room: logs of runs grow with what scripts print.")
    else:
        yield Finding("disk", "ok", text)
