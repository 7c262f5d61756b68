"""`backfill specs`: what specs there are, what they declare, and whether they still fit their scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from corpus_backfill_plugin.command import checked_selection, script_command, site_of
from corpus_backfill_plugin.commands.shared import complete_name, json_option, spec_named
from corpus_backfill_plugin.commands.specs_check import check, new
from corpus_backfill_plugin.commands.specs_docs import docs
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.prepare import output_of, prepare, unbroken
from corpus_backfill_plugin.shell import shell_line
from corpus_backfill_plugin.specs.catalog import BrokenSpec, LoadedSpec, load
from corpus_backfill_plugin.terminal.table import write_facts, write_json, write_rows
from corpus_backfill_plugin.text import one_line
from corpus_backfill_plugin.workspace import script_fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from corpus_backfill_plugin.specs.catalog import SpecFile
    from corpus_backfill_plugin.workspace import Site

_SHOWN = 200
"""Bytes of a log's line that are shown."""


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


def _listed(site: Site, name: str) -> list[dict[str, Any]]:
    loaded = [load(file) for file in site.catalog.contenders(name)]
    rows = [
        _spec_row(
            spec.file,
            script=spec.script.script if isinstance(spec, LoadedSpec) else None,
            state=_state(site, spec),
            faults=[str(fault) for fault in spec.faults] if isinstance(spec, BrokenSpec) else [],
        )
        for spec in loaded
    ]
    by = loaded[0].file.source
    return rows + [
        _spec_row(rival, state=f"shadowed by {by}")
        for file in site.catalog.shadowed(name)
        for rival in (file, *file.rivals)
    ]


def _spec_row(
    file: SpecFile, *, state: str, script: str | None = None, faults: Iterable[str] = ()
) -> dict[str, Any]:
    return {
        "name": file.name,
        "source": file.source,
        "path": str(file.path),
        "script": script,
        "state": state,
        "faults": list(faults),
    }


def _state(site: Site, spec: LoadedSpec | BrokenSpec) -> str:
    if isinstance(spec, BrokenSpec):
        return "broken"
    if site.server_trouble is None:
        fault = script_fault(site.server, spec.script.script)
        if fault and not spec.script.hidden:
            return f"script {fault}"
    return "hidden" if spec.script.hidden else "ok"


@specs.command("show")
@click.argument("name", shell_complete=complete_name)
@json_option
@click.pass_context
def show_spec(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """Show what the spec NAME declares."""
    spec = unbroken(spec_named(site_of(ctx), name))
    import msgspec

    declared = msgspec.to_builtins(spec.script)
    if as_json:
        write_json({"name": name, "source": spec.file.source, "path": str(spec.file.path), **declared})
        return
    plain = {key: value for key, value in declared.items() if value not in (None, (), [], {}, "", False)}
    tables = {key: plain.pop(key, None) for key in ("option", "argument", "group")}
    write_facts({"source": spec.file.source, "path": str(spec.file.path), **plain})
    options = [msgspec.to_builtins(option) for option in spec.script.options]
    for rows in (options, *([tables["argument"]] if tables["argument"] else [])):
        write_rows(rows, ("name", "type", "choices", "default", "required", "help"))


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
    environ = {
        name: "***" if name in job.secret_names else value for name, value in sorted(job.environ.items())
    }
    if as_json:
        write_json(
            {"arguments": job.arguments, "argv": job.argv, "environment": environ, "folder": job.folder}
        )
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
                meant = reader.meaning(line) or {"nothing": {}}
                if rows and rows[-1]["kind"] == "nothing" and "nothing" in meant:
                    rows[-1]["lines"] += 1
                    continue
                text = line[:_SHOWN].decode("utf-8", "replace")
                for kind, values in meant.items():
                    row = {"line": number, "lines": 1, "kind": kind, "text": text}
                    rows.append(row | {"values": {k: v for k, v in values.items() if v is not None}})
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BackfillError(f"the log {one_line(path)} cannot be read: {reason}", "Name another.") from None
    if not as_json:
        for row in rows:
            row["values"] = " ".join(f"{name}={value}" for name, value in row["values"].items()) or None
            row["text"] = f"({row['lines']} lines)" if row["lines"] > 1 else row["text"]
    write_rows(rows, ("line", "kind", "values", "text"), as_json=as_json)


@specs.command()
def schema() -> None:
    """Print the JSON Schema of a spec file, for editors."""
    from corpus_backfill_plugin.specs.schema import json_schema

    write_json(json_schema())


specs.add_command(new)
specs.add_command(check)
specs.add_command(docs)
