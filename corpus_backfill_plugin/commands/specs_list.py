"""`backfill specs`: what specs there are, what they declare, and whether they still fit their scripts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpus_backfill_plugin.cli import MANAGE, managing
from corpus_backfill_plugin.command import (
    ScriptCommand,
    checked_selection,
    command_for,
    control_options,
    script_command,
    site_of,
)
from corpus_backfill_plugin.commands.shared import complete_name, json_option, spec_named
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.invocation import shell_line
from corpus_backfill_plugin.params import SpecArgument, SpecOption, help_text
from corpus_backfill_plugin.prepare import as_agents, prepare, unbroken
from corpus_backfill_plugin.specs.catalog import (
    SHIPPED_SOURCE,
    SUFFIX,
    BrokenSpec,
    LoadedSpec,
    SpecFile,
    load,
)
from corpus_backfill_plugin.specs.diagnostics import Diagnostic
from corpus_backfill_plugin.terminal.table import write_facts, write_json, write_rows
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import SCRIPTS_FOLDER, Site, script_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from corpus_backfill_plugin.authoring.drift import Drift
    from corpus_backfill_plugin.parsers.model import ParserModel

    _Spec = LoadedSpec | BrokenSpec

SCHEMA_FILE = "spec.schema.json"

_SHOWN = 200
"""Bytes of a log's line that are shown."""

_HEAD = """\
# Command reference

Made by `corpus-backfill specs docs`. The program before `backfill` is the host's: `corpus-client backfill
duration` under the Corpus CLI, `corpus-backfill duration` without a host.
"""


@click.group()
def specs() -> None:
    """List, write and check specs."""


@specs.command("list")
@json_option
@click.pass_context
def list_specs(ctx: click.Context, *, as_json: bool) -> None:
    """List every spec: its source, its script and its state; also those that a later one replaces."""
    site = site_of(ctx)
    rows = [row for name in site.catalog.names() for row in _listed(site, name)]
    write_rows(rows, ("name", "source", "script", "state", "path"), as_json=as_json)
    for trouble in site.catalog.troubles:
        click.echo(f"Warning: {trouble}", err=True)


def _listed(site: Site, name: str) -> Iterator[dict[str, Any]]:
    loaded = [load(file) for file in site.catalog.contenders(name)]
    for spec in loaded:
        if isinstance(spec, BrokenSpec):
            yield _row(spec.file, "broken", faults=[str(fault) for fault in spec.faults])
            continue
        script = spec.script.script
        fault = "" if site.server_trouble else script_fault(site.server, script)
        state = "hidden" if spec.script.hidden else f"script {fault}" if fault else "ok"
        yield _row(spec.file, state, script)
    for file in site.catalog.shadowed(name):
        yield from (_row(rival, f"shadowed by {loaded[0].file.source}") for rival in (file, *file.rivals))


def _row(file: SpecFile, state: str, script: str | None = None, faults: Sequence[str] = ()) -> dict[str, Any]:
    row = {"name": file.name, "source": file.source, "path": str(file.path), "script": script, "state": state}
    return {**row, "faults": faults}


@specs.command("show")
@click.argument("name", shell_complete=complete_name)
@json_option
@click.pass_context
def show_spec(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """Show what the spec NAME declares."""
    spec = unbroken(spec_named(site_of(ctx), name))
    import msgspec

    declared = msgspec.to_builtins(spec.script)
    place = {"source": spec.file.source, "path": str(spec.file.path)}
    if as_json:
        write_json({"name": name, **place, **declared})
        return
    arguments = declared.pop("argument")
    del declared["option"], declared["group"]
    plain = {key: value for key, value in declared.items() if value not in (None, (), [], {}, "", False)}
    write_facts({**place, **plain})
    columns = ("name", "type", "choices", "default", "required", "help")
    write_rows([msgspec.to_builtins(option) for option in spec.script.options], columns)
    if arguments:
        write_rows(arguments, columns)


@specs.command("try", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", shell_complete=complete_name)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--lines", metavar="FILE", help="Show what each line of a log is taken for instead; - is standard input."
)
@json_option
@click.pass_context
def try_spec(
    ctx: click.Context, name: str, args: tuple[str, ...], *, lines: str | None, as_json: bool
) -> None:
    """Show what the script would get if NAME were called with ARGS. Runs nothing.

    Secret values are shown by name only. Right behind NAME, --lines is an option of this command; a
    script's own of that name is given behind a --.
    """
    if args[:1] == ("--lines",) and len(args) > 1:
        lines, args = args[1], args[2:]
        as_json, args = (True, args[1:]) if args[:1] == ("--json",) else (as_json, args)
    if lines is not None:
        if args:
            raise click.UsageError("--lines shows a log, and takes no arguments for the script", ctx)
        _show_lines(unbroken(spec_named(site_of(ctx), name)), lines, as_json=as_json)
        return
    if args[:1] == ("--",):
        # As it is written in `specs try NAME -- ARGS`; further dashes are the command's own.
        args = args[1:]
    command = script_command(unbroken(spec_named(site_of(ctx), name)))
    with command.make_context(name, list(args), parent=ctx) as inner:
        request = prepare(command.spec, checked_selection(inner, command.script), site_of(ctx))
    job = request.invocation
    environ = {key: "***" if key in job.secret_names else job.environ[key] for key in sorted(job.environ)}
    sent = {"arguments": job.arguments, "argv": job.argv, "environment": environ, "folder": job.folder}
    shown = {
        "arguments": shell_line(job.arguments) or "(none)",
        "command": shell_line(job.argv),
        "environment": " ".join(f"{key}={value}" for key, value in environ.items()),
        "standard input": "(empty)" if job.stdin is None else "a value handed over by an option",
        "folder": job.folder,
    }
    write_facts(sent if as_json else shown, as_json=as_json)


def _show_lines(spec: LoadedSpec, path: str, *, as_json: bool) -> None:
    """Write what each line of the log at `path` is taken for; those that mean nothing are counted."""
    from corpus_backfill_plugin.agent.output import OutputReader
    from corpus_backfill_plugin.agent.records import Output

    reader, rows = OutputReader(as_agents(Output, spec.script.output)), list[dict[str, Any]]()
    try:
        with click.open_file(path, "rb") as log:
            lines = (line for part in log for line in part.splitlines())
            for number, line in enumerate(lines, 1):
                for kind, values in (reader.meaning(line) or {"nothing": {}}).items():
                    if kind == "nothing" and rows and rows[-1]["kind"] == "nothing":
                        rows[-1]["lines"] += 1
                        continue
                    row: dict[str, Any] = {"line": number, "lines": 1, "kind": kind}
                    row["text"] = line[:_SHOWN].decode("utf-8", "replace")
                    rows.append(row | {"values": {k: v for k, v in values.items() if v is not None}})
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BackfillError(f"the log {one_line(path)} cannot be read: {reason}", "Name another.") from None
    for row in [] if as_json else rows:
        row["values"] = " ".join(f"{name}={value}" for name, value in row["values"].items()) or None
        row["text"] = f"({row['lines']} lines)" if row["lines"] > 1 else row["text"]
    write_rows(rows, ("line", "kind", "values", "text"), as_json=as_json)


@specs.command()
def schema() -> None:
    """Print the JSON Schema of a spec file, for editors."""
    from corpus_backfill_plugin.specs.schema import json_schema

    write_json(json_schema())


@specs.command()
@click.pass_context
def docs(ctx: click.Context) -> None:
    """Print a Markdown reference of all commands."""
    click.echo("\n".join(_pages(ctx)))


def _pages(ctx: click.Context) -> Iterator[str]:
    yield f"{_HEAD}\n## Backfills\n"
    catalog = site_of(ctx).catalog
    for spec in [spec for name in catalog.names() if (spec := catalog.load(name))]:
        command = command_for(spec)
        if isinstance(command, ScriptCommand) and not command.hidden:
            yield from _backfill(command, ctx)
    yield "## Options of every backfill\n"
    yield from _options(control_options(), ctx)
    yield "## Managing\n"
    for name in MANAGE:
        yield from _managing(name, managing(name), ctx)


def _backfill(command: ScriptCommand, ctx: click.Context) -> Iterator[str]:
    script = command.script
    yield f"### `{command.name}`\n\n{one_line(command.help or '')}\n"
    yield f"Runs `{script.script}`. Spec: {command.spec.file.source}.\n"
    words = [param for param in command.params if isinstance(param, SpecArgument)]
    yield from _table("argument", [(param.usage_word, help_text(param.declared)) for param in words])
    yield from _options([param for param in command.params if isinstance(param, SpecOption)], ctx)
    if script.examples:
        yield "\n".join(["```sh", *(f"backfill {one_line(example)}" for example in script.examples), "```\n"])


def _managing(path: str, command: click.Command, ctx: click.Context) -> Iterator[str]:
    # Not `make_metavar`, which wants a context from click 8.2 on, and takes none before.
    words = () if isinstance(command, click.Group) else command.collect_usage_pieces(ctx)[1:]
    yield f"### `{' '.join((path, *words))}`\n\n{' '.join((command.help or '').split())}\n"
    yield from _options([param for param in command.params if isinstance(param, click.Option)], ctx)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            if below is not None and not below.hidden:
                yield from _managing(f"{path} {name}", below, ctx)


def _options(options: Iterable[click.Option], ctx: click.Context) -> Iterator[str]:
    return _table("option", [r for option in options if (r := option.get_help_record(ctx))])


def _table(heading: str, records: Sequence[tuple[str, str]]) -> Iterator[str]:
    if records:
        rows = (f"| `{_in_cell(names)}` | {_in_cell(text)} |" for names, text in records)
        yield "\n".join([f"| {heading} | meaning |", "| --- | --- |", *rows, ""])


def _in_cell(text: str) -> str:
    return one_line(" ".join(text.split())).replace("|", "\\|")


def read_parser(script: Path, site: Site, *, run: bool) -> ParserModel:
    """Return what is known of a script's command line, from its source or from a run up to its parsing."""
    if run:
        from corpus_backfill_plugin.parsers.running import read_by_running

        return read_by_running(script, script.parent.parent, site.interpreter.program)
    from corpus_backfill_plugin.parsers.source import read_file

    return read_file(script, script.parent.parent)


@specs.command()
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
        problem = f"{path.name} has subcommands, each gets a spec of its own: {', '.join(texts)}"
        raise BackfillError(problem, "Leave --output out, or give - for stdout.")
    places = {command: Path(output or path.with_name(f"{command}{SUFFIX}")) for command in texts}
    _write_new({places[command]: text for command, text in texts.items()}, with_schema=beside)
    for command, place in places.items():
        todos, then = texts[command].count("# TODO"), f"; try it: backfill {command} --help" * beside
        if beside and not site.catalog.reads(place.parent):
            then = f"; no command yet: {one_line(str(place.parent))} is not a folder that is read, "
            then += "name it in CORPUS_BACKFILL_SPECS or use --server-path"
        click.echo(f"{place}: {todos} TODO{'s' * (todos != 1)}{then}", err=True)


def _found(site: Site, word: str) -> Path:
    """Return the file that a word means: a path, or a name in the server's backfill folder."""
    if os.sep in word or (Path(word).is_file() and site.server_trouble is not None):
        return Path(word)
    if fault := script_fault(site.server, word):
        problem = f"{one_line(word)} in {site.server.scripts}: {fault}"
        raise BackfillError(problem, "Give a file name in the backfill folder, or a path.")
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


@specs.command()
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
    specs: dict[Path, tuple[_Spec, Path | None]] = {}
    for name in names or site.catalog.names():
        for spec, script in _named(site, name) if names else _active(site, name):
            if names or isinstance(spec, BrokenSpec) or not spec.script.hidden:
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


def _active(site: Site, name: str) -> Iterator[tuple[_Spec, None]]:
    return ((load(file), None) for file in site.catalog.contenders(name))


def _named(site: Site, name: str) -> Iterator[tuple[_Spec, Path | None]]:
    """Yield the specs that a word on the command line means, and the script if that was named.

    A script means the specs beside it that name it, and those of installed packages that no spec beside it
    replaces.
    """
    suffix = Path(name).suffix
    if suffix not in {SUFFIX, ".py"}:
        spec_named(site, name)
        yield from _active(site, name)
        return
    path = _found(site, name)
    if suffix == SUFFIX:
        yield load(SpecFile(path.stem, "file", path)), None
        return
    if not path.is_file():
        raise BackfillError(f"{one_line(str(path))} is not a file", "Check the path.")
    beside = [SpecFile(spec.stem, "file", spec) for spec in sorted(path.parent.glob(f"*{SUFFIX}"))]
    others = [name for name in site.catalog.names() if name not in {file.name for file in beside}]
    installed = [file for name in others if (file := site.catalog.find(name)) and _is_installed(file)]
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
        hint = "Copy it beside the script, where it replaces the package's, and fix the copy."
        raise BackfillError(f"{shown} belongs to an installed package and is not edited", hint)
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
