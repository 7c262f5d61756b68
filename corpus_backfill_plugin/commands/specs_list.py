"""`backfill specs`: what specs there are, what they declare, and whether they still fit their scripts."""

from __future__ import annotations

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
from corpus_backfill_plugin.commands.specs_check import check, new
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.params import SpecArgument, SpecOption, help_text
from corpus_backfill_plugin.prepare import output_of, prepare, unbroken
from corpus_backfill_plugin.shell import shell_line
from corpus_backfill_plugin.specs.catalog import BrokenSpec, LoadedSpec, load
from corpus_backfill_plugin.terminal.table import write_facts, write_json, write_rows
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import script_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from corpus_backfill_plugin.specs.catalog import SpecFile
    from corpus_backfill_plugin.workspace import Site

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
        else:
            yield _row(spec.file, _state(site, spec), script=spec.script.script)
    for file in site.catalog.shadowed(name):
        yield from (_row(rival, f"shadowed by {loaded[0].file.source}") for rival in (file, *file.rivals))


def _row(file: SpecFile, state: str, script: str | None = None, faults: Sequence[str] = ()) -> dict[str, Any]:
    row = {"name": file.name, "source": file.source, "path": str(file.path), "script": script, "state": state}
    return {**row, "faults": faults}


def _state(site: Site, spec: LoadedSpec) -> str:
    if spec.script.hidden:
        return "hidden"
    fault = "" if site.server_trouble else script_fault(site.server, spec.script.script)
    return f"script {fault}" if fault else "ok"


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
    if as_json:
        sent = {"arguments": job.arguments, "argv": job.argv, "environment": environ, "folder": job.folder}
        write_json(sent)
        return
    write_facts(
        {
            "arguments": shell_line(job.arguments) or "(none)",
            "command": shell_line(job.argv),
            "environment": " ".join(f"{key}={value}" for key, value in environ.items()),
            "standard input": "(empty)" if job.stdin is None else "a value handed over by an option",
            "folder": job.folder,
        }
    )


def _show_lines(spec: LoadedSpec, path: str, *, as_json: bool) -> None:
    """Write what each line of the log at `path` is taken for; those that mean nothing are counted."""
    from corpus_backfill_plugin.agent.output import OutputReader

    reader, rows = OutputReader(output_of(spec.script)), list[dict[str, Any]]()
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


specs.add_command(new)
specs.add_command(check)
