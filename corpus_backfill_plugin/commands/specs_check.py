"""`backfill specs new` and `specs check`: a spec written from a script, and compared with it again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.command import site_of
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
    from collections.abc import Iterable, Iterator

    from corpus_backfill_plugin.authoring.drift import Drift
    from corpus_backfill_plugin.parsers.model import ParserModel
    from corpus_backfill_plugin.workspace import Site

SCHEMA_FILE = "spec.schema.json"


def read_parser(script: Path, site: Site, *, run: bool) -> ParserModel:
    """Return what is known of a script's command line.

    Args:
        script: the script's file, in the server app's backfill folder or another's.
        site: names the interpreter for a run.
        run: let the script run up to its parsing, instead of reading its source.

    Raises:
        BackfillError: it can't be read, or did not come to parse.
    """
    if run:
        from corpus_backfill_plugin.parsers.running import read_by_running

        return read_by_running(script, script.parent.parent, site.interpreter.program)
    # Here, not above: commands that look at no source must not pay for reading Python.
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
    # Here, not above: only this writes specs.
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
    """Say how to use a new spec, or why it is no command yet."""
    if site.catalog.reads(place.parent):
        return f"try it: backfill {command} --help"
    return (
        f"no command yet: {one_line(str(place.parent))} is not a folder that is read, "
        "name it in CORPUS_BACKFILL_SPECS or use --server-path"
    )


def _found(site: Site, word: str) -> Path:
    """Return the file that a word means: a path, or a name in the server's backfill folder.

    Raises:
        BackfillError: there is no such file in the folder.
    """
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
    # Here, not above: only this writes specs.
    import json

    from corpus_backfill_plugin.specs.schema import json_schema

    for place in texts:
        if place.exists():
            raise BackfillError(f"{one_line(str(place))} is there already", "Give --name, or --output FILE.")
    try:
        for place, text in texts.items():
            with place.open("x", encoding="utf-8") as file:
                file.write(text)
            if not with_schema:
                continue
            schema = place.with_name(SCHEMA_FILE)
            schema.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")
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
    specs = tuple(_chosen(site, names))
    remarks = [remark for spec, script in specs for remark in _remarks(spec, script, site, run=run, fix=fix)]
    if as_json:
        write_json([remark.facts() for remark in remarks])
    else:
        for remark in remarks:
            click.echo(_line(remark))
    bad = sum(remark.kind != "note" for remark in remarks)
    counted = f"{len(specs)} spec{'s' * (len(specs) != 1)} checked"
    click.echo(f"{counted}: {bad or 'no'} fault{'s' * (bad != 1)} or drift", err=True)
    ctx.exit(1 if bad else 0)


def _line(remark: Diagnostic) -> str:
    where = remark.file if remark.line is None else f"{remark.file}:{remark.line}"
    words = f"{remark.problem}; {remark.hint}" if remark.hint else remark.problem
    kind = "note: " if remark.kind == "note" else ""
    return one_line(": ".join(part for part in (where, remark.key, f"{kind}{words}") if part))


def _chosen(site: Site, names: Iterable[str]) -> Iterator[tuple[LoadedSpec | BrokenSpec, Path | None]]:
    """Yield the specs that the words on the command line mean, once each, and their script if one was named.

    A script means the specs beside it that name it, and those of installed packages that no spec beside it
    replaces.
    """
    seen: set[Path] = set()
    for spec, script in _named(site, names):
        place = spec.file.path.absolute()
        if place not in seen:
            seen.add(place)
            yield spec, script


def _named(site: Site, names: Iterable[str]) -> Iterator[tuple[LoadedSpec | BrokenSpec, Path | None]]:
    if not names:
        loaded = [load(file) for name in site.catalog.names() for file in site.catalog.contenders(name)]
        yield from ((s, None) for s in loaded if isinstance(s, BrokenSpec) or not s.script.hidden)
    for name in names:
        suffix = Path(name).suffix
        if suffix == SUFFIX:
            path = _found(site, name)
            yield load(SpecFile(path.stem, "file", path)), None
        elif suffix == ".py":
            yield from _specs_of(_found(site, name), site)
        elif site.catalog.find(name) is None:
            raise BackfillError(f"there is no spec named '{one_line(name)}'", "See 'specs list'.")
        else:
            yield from ((load(file), None) for file in site.catalog.contenders(name))


def _specs_of(script: Path, site: Site) -> Iterator[tuple[LoadedSpec, Path]]:
    if not script.is_file():
        raise BackfillError(f"{one_line(str(script))} is not a file", "Check the path.")
    beside = [load(SpecFile(path.stem, "file", path)) for path in sorted(script.parent.glob(f"*{SUFFIX}"))]
    names = {spec.file.name for spec in beside}
    files = [site.catalog.find(name) for name in site.catalog.names()]
    installed = [load(file) for file in files if file and _is_installed(file) and file.name not in names]
    for spec in (*beside, *installed):
        if isinstance(spec, LoadedSpec) and spec.script.script == script.name:
            yield spec, script


def _is_installed(file: SpecFile) -> bool:
    return file.source == SHIPPED_SOURCE or file.source.startswith("pack ")


def _remarks(
    spec: LoadedSpec | BrokenSpec, script: Path | None, site: Site, *, run: bool, fix: bool
) -> Iterator[Diagnostic]:
    if isinstance(spec, BrokenSpec):
        yield from spec.faults
        return
    try:
        model = read_parser(script or _script_of(spec, site), site, run=run)
        drifts = _drifts(spec, model)
        if fix and any(drift.certain for drift in drifts):
            spec = _fixed(spec, drifts)
            drifts = _drifts(spec, model)
    except BackfillError as error:
        shown = one_line(str(spec.file.path))
        yield Diagnostic((), error.problem, error.hint, "drift", shown, key="script")
        return
    # Here, not above: only a check compares.
    from corpus_backfill_plugin.authoring.drift import located

    text = spec.file.path.read_text(encoding="utf-8")
    shown = one_line(str(spec.file.path))
    yield from located(tuple(d for d in drifts if d.certain), text, shown)
    yield from located(tuple(d for d in drifts if not d.certain), text, shown)


def _script_of(spec: LoadedSpec, site: Site) -> Path:
    """Return the script that a spec is compared with: beside it, for a spec of the server or a file."""
    name = spec.script.script
    beside = spec.file.path.absolute().with_name(name)
    in_place = spec.file.source == "file" and (beside.parent.name == SCRIPTS_FOLDER or beside.exists())
    return beside if in_place or spec.file.source == "server" else site.server.scripts / name


def _drifts(spec: LoadedSpec, model: ParserModel) -> tuple[Drift, ...]:
    # Here, not above: only a check compares.
    from corpus_backfill_plugin.authoring.drift import compare

    return compare(spec.script, model)


def _fixed(spec: LoadedSpec, drifts: tuple[Drift, ...]) -> LoadedSpec:
    """Correct a spec's file, whole or not at all, and read it again."""
    # Here, not above: only --fix needs them.
    from corpus_backfill_plugin.agent.files import write_whole
    from corpus_backfill_plugin.authoring.fix import fix
    from corpus_backfill_plugin.specs.reader import read_script

    path = spec.file.path
    if _is_installed(spec.file):
        raise BackfillError(
            f"{one_line(str(path))} belongs to an installed package and is not edited",
            "Copy it beside the script, where it replaces the package's, and fix the copy.",
        )
    text = fix(path.read_bytes().decode(), drifts)  # not `read_text`, which turns \r\n into \n
    script, faults = read_script(text, one_line(str(path)), name=spec.file.name)
    if script is None:
        raise BackfillError(f"the corrected spec would have faults: {faults[0]}", "Correct it by hand.")
    try:
        mode = path.stat().st_mode & 0o777
        write_whole(path, text.encode())
        path.chmod(mode)  # the repository's file, not a private one of ours
    except OSError as error:
        raise BackfillError(f"{one_line(str(path))} cannot be written: {error.strerror}") from error
    return unbroken(load(spec.file))
