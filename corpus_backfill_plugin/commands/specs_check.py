"""`backfill specs new` and `specs check`: a spec written from a script, and compared with it again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.command import site_of
from corpus_backfill_plugin.commands.shared import spec_named
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.prepare import unbroken
from corpus_backfill_plugin.specs.catalog import (
    SHIPPED_SOURCE,
    SUFFIX,
    BrokenSpec,
    LoadedSpec,
    SpecFile,
    load,
)
from corpus_backfill_plugin.specs.diagnostics import Diagnostic
from corpus_backfill_plugin.terminal.table import write_json
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import SCRIPTS_FOLDER, script_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from corpus_backfill_plugin.authoring.drift import Drift
    from corpus_backfill_plugin.parsers.model import ParserModel
    from corpus_backfill_plugin.workspace import Site

    _Spec = LoadedSpec | BrokenSpec

SCHEMA_FILE = "spec.schema.json"


def read_parser(script: Path, site: Site, *, run: bool) -> ParserModel:
    """Return what is known of a script's command line, from its source or from a run up to its parsing.

    Raises:
        BackfillError: it can't be read, or did not come to parse.
    """
    if run:
        from corpus_backfill_plugin.parsers.running import read_by_running

        return read_by_running(script, script.parent.parent, site.interpreter.program)
    from corpus_backfill_plugin.parsers.source import read_file

    return read_file(script, script.parent.parent)


@click.command()
@click.argument("script")
@click.option(
    "-o", "--output", metavar="FILE", help="Where to write it; - is stdout. Default: beside the script."
)
@click.option("--name", metavar="NAME", help="The command's name. Default: from the script's name.")
@click.option("--run", is_flag=True, help="Run the script up to its parsing, for parsers built by code.")
@click.pass_context
def new(ctx: click.Context, script: str, output: str | None, name: str | None, *, run: bool) -> None:
    """Write a spec for SCRIPT by reading its argument parser. Nothing is backfilled.

    SCRIPT is a file name in the server app's backfill folder, or a path. What could not be known stands in
    the spec as a TODO with the reason.
    """
    site = site_of(ctx)
    path = _found(site, script).absolute()
    command = name or path.stem.lower().replace("_", "-").strip("-")
    model = read_parser(path, site, run=run)
    from corpus_backfill_plugin.authoring.writer import write_specs

    beside = output is None or Path(output).absolute().parent == path.parent
    texts = write_specs(model, path.name, command, f"./{SCHEMA_FILE}" if beside else None)
    if output == "-":
        click.echo("\n".join(texts.values()), nl=False)
        return
    if output and len(texts) > 1:
        raise BackfillError(
            f"{path.name} has subcommands, each gets a spec of its own: {', '.join(texts)}",
            "Leave --output out, or give - for stdout.",
        )
    places = {command: Path(output or path.with_name(f"{command}{SUFFIX}")) for command in texts}
    _write_new({places[command]: text for command, text in texts.items()}, with_schema=beside)
    for command, place in places.items():
        todos = texts[command].count("# TODO")
        then = f"; {_next_step(site, place, command)}" if beside else ""
        click.echo(f"{place}: {todos} TODO{'s' * (todos != 1)}{then}", err=True)


def _next_step(site: Site, place: Path, command: str) -> str:
    if site.catalog.reads(place.parent):
        return f"try it: backfill {command} --help"
    return (
        f"no command yet: {one_line(str(place.parent))} is not a folder that is read, "
        "name it in CORPUS_BACKFILL_SPECS or use --server-path"
    )


def _found(site: Site, word: str) -> Path:
    """Return the file that a word means: a path, or a name in the server's backfill folder."""
    if os.sep in word or (Path(word).is_file() and site.server_trouble is not None):
        return Path(word)
    fault = script_fault(site.server, word)
    if fault:
        raise BackfillError(
            f"{one_line(word)} in {site.server.scripts}: {fault}",
            "Give a file name in the backfill folder, or a path.",
        )
    return site.server.scripts / word


def _write_new(texts: dict[Path, str], *, with_schema: bool) -> None:
    """Write new files, none over an old one, and beside them the schema if their first line names it."""
    import json

    from corpus_backfill_plugin.specs.schema import json_schema

    schema = json.dumps(json_schema(), indent=1) + "\n" if with_schema else ""
    for place in texts:
        if place.exists():
            raise BackfillError(f"{one_line(str(place))} is there already", "Give --name, or --output FILE.")
    try:
        for place, text in texts.items():
            with place.open("x", encoding="utf-8") as file:
                file.write(text)
            if schema:
                place.with_name(SCHEMA_FILE).write_text(schema, encoding="utf-8")
    except OSError as error:
        where = one_line(str(error.filename))
        raise BackfillError(f"{where} cannot be written: {error.strerror}", "Give --output FILE.") from error


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME|FILE]...")
@click.option("--run", is_flag=True, help="Run the scripts up to their parsing, for parsers built by code.")
@click.option("--fix", is_flag=True, help="Bring the specs into line with their scripts; comments stay.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for editors and CI.")
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], *, run: bool, fix: bool, as_json: bool) -> None:
    """Check specs, and whether they still fit their scripts. Exits 1 for a fault or drift.

    NAME is a command, FILE a spec or a script; without any, every spec active that is not hidden.
    """
    site = site_of(ctx)
    named = [pair for name in names for pair in _named(site, name)] if names else list(_every(site))
    specs: dict[Path, tuple[_Spec, Path | None]] = {}
    for spec, script in named:
        specs.setdefault(spec.file.path.absolute(), (spec, script))
    found = [one for pair in specs.values() for one in _diagnostics(*pair, site, run=run, fix=fix)]
    if as_json:
        write_json([one.facts() for one in found])
    else:
        click.echo("".join(f"{one_line(str(one))}\n" for one in found), nl=False)
    bad = sum(one.kind != "note" for one in found)
    counted = f"{len(specs)} spec{'s' * (len(specs) != 1)} checked"
    click.echo(f"{counted}: {bad or 'no'} fault{'s' * (bad != 1)} or drift", err=True)
    ctx.exit(1 if bad else 0)


def _every(site: Site) -> Iterator[tuple[_Spec, None]]:
    for spec in [load(file) for name in site.catalog.names() for file in site.catalog.contenders(name)]:
        if isinstance(spec, BrokenSpec) or not spec.script.hidden:
            yield spec, None


def _named(site: Site, name: str) -> Iterator[tuple[_Spec, Path | None]]:
    """Yield the specs that a word on the command line means, and the script if that was named.

    A script means the specs beside it that name it, and those of installed packages that no spec beside it
    replaces.
    """
    suffix = Path(name).suffix
    if suffix not in {SUFFIX, ".py"}:
        spec_named(site, name)
        yield from ((load(file), None) for file in site.catalog.contenders(name))
        return
    path = _found(site, name)
    if suffix == SUFFIX:
        yield load(SpecFile(path.stem, "file", path)), None
        return
    if not path.is_file():
        raise BackfillError(f"{one_line(str(path))} is not a file", "Check the path.")
    beside = [SpecFile(spec.stem, "file", spec) for spec in sorted(path.parent.glob(f"*{SUFFIX}"))]
    active = [file for name in site.catalog.names() if (file := site.catalog.find(name))]
    names = {file.name for file in beside}
    installed = [file for file in active if _is_installed(file) and file.name not in names]
    for spec in map(load, (*beside, *installed)):
        if isinstance(spec, LoadedSpec) and spec.script.script == path.name:
            yield spec, path


def _is_installed(file: SpecFile) -> bool:
    return file.source == SHIPPED_SOURCE or file.source.startswith("pack ")


def _diagnostics(
    spec: _Spec, script: Path | None, site: Site, *, run: bool, fix: bool
) -> Sequence[Diagnostic]:
    if isinstance(spec, BrokenSpec):
        return spec.faults
    from corpus_backfill_plugin.authoring.drift import compare, located

    shown = one_line(str(spec.file.path))
    try:
        model = read_parser(script or _script_of(spec, site), site, run=run)
        drifts = compare(spec.script, model)
        if fix and any(drift.certain for drift in drifts):
            drifts = compare(_fixed(spec, drifts).script, model)
    except BackfillError as error:
        return [Diagnostic((), error.problem, error.hint, "drift", shown, key="script")]
    return located(drifts, spec.file.path.read_text(encoding="utf-8"), shown)


def _script_of(spec: LoadedSpec, site: Site) -> Path:
    """Return the script that a spec is compared with: beside it, for a spec of the server or a file."""
    name = spec.script.script
    beside = spec.file.path.absolute().with_name(name)
    in_place = spec.file.source == "file" and (beside.parent.name == SCRIPTS_FOLDER or beside.exists())
    return beside if in_place or spec.file.source == "server" else site.server.scripts / name


def _fixed(spec: LoadedSpec, drifts: Sequence[Drift]) -> LoadedSpec:
    """Correct a spec's file, completely or not at all, and read it again."""
    from corpus_backfill_plugin.agent.files import write_whole
    from corpus_backfill_plugin.authoring.fix import fix
    from corpus_backfill_plugin.specs.reader import read_script

    path, shown = spec.file.path, one_line(str(spec.file.path))
    if _is_installed(spec.file):
        raise BackfillError(
            f"{shown} belongs to an installed package and is not edited",
            "Copy it beside the script, where it replaces the package's, and fix the copy.",
        )
    text = fix(path.read_bytes().decode(), drifts)  # not `read_text`, which turns \r\n into \n
    script, faults = read_script(text, shown, name=spec.file.name)
    if script is None:
        raise BackfillError(f"the corrected spec would have faults: {faults[0]}", "Correct it by hand.")
    try:
        mode = path.stat().st_mode & 0o777
        write_whole(path, text.encode())
        path.chmod(mode)  # the repository's file, not a private one of ours
    except OSError as error:
        raise BackfillError(f"{shown} cannot be written: {error.strerror}") from error
    return unbroken(load(spec.file))
