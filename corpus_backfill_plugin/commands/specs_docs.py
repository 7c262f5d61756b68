"""`backfill specs docs`: a Markdown reference of all commands, from the specs and the commands themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.cli import MANAGE, managing
from corpus_backfill_plugin.command import ScriptCommand, command_for, control_options, site_of
from corpus_backfill_plugin.params import SpecArgument, SpecOption, help_text
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEAD = """\
# Command reference

Made by `corpus-backfill specs docs`. The program before `backfill` is the host's: `corpus-client backfill
duration` under the Corpus CLI, `corpus-backfill duration` without a host.
"""


@click.command()
@click.pass_context
def docs(ctx: click.Context) -> None:
    """Print a Markdown reference of all commands."""
    click.echo("\n".join(_pages(ctx)))


def _pages(ctx: click.Context) -> Iterator[str]:
    yield HEAD
    yield "## Backfills\n"
    site = site_of(ctx)
    for name in site.catalog.names():
        spec = site.catalog.load(name)
        command = command_for(spec) if spec else None
        if isinstance(command, ScriptCommand) and not command.hidden:
            yield from _backfill(command, ctx)
    yield "## Options of every backfill\n"
    yield from _options(control_options(), ctx)
    yield "## Managing\n"
    for name in MANAGE:
        yield from _managing(name, managing(name), ctx)


def _backfill(command: ScriptCommand, ctx: click.Context) -> Iterator[str]:
    script = command.script
    yield f"### `{command.name}`\n"
    yield f"{one_line(command.help or '')}\n"
    yield f"Runs `{script.script}`. Spec: {command.spec.file.source}.\n"
    words = [param for param in command.params if isinstance(param, SpecArgument)]
    yield from _table("argument", [(param.usage_word, help_text(param.declared)) for param in words])
    yield from _options([param for param in command.params if isinstance(param, SpecOption)], ctx)
    if script.examples:
        yield "```sh"
        yield from (f"backfill {one_line(example)}" for example in script.examples)
        yield "```\n"


def _managing(path: str, command: click.Command, ctx: click.Context) -> Iterator[str]:
    # Not `make_metavar`, which wants a context from click 8.2 on, and takes none before.
    words = () if isinstance(command, click.Group) else command.collect_usage_pieces(ctx)[1:]
    yield f"### `{' '.join((path, *words))}`\n"
    yield f"{' '.join((command.help or '').split())}\n"
    yield from _options([param for param in command.params if isinstance(param, click.Option)], ctx)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            if below is not None and not below.hidden:
                yield from _managing(f"{path} {name}", below, ctx)


def _options(options: Iterable[click.Option], ctx: click.Context) -> Iterator[str]:
    yield from _table("option", [r for option in options if (r := option.get_help_record(ctx))])


def _table(heading: str, records: Iterable[tuple[str, str]]) -> Iterator[str]:
    records = tuple(records)
    if not records:
        return
    yield f"| {heading} | meaning |"
    yield "| --- | --- |"
    for names, text in records:
        yield f"| `{_in_cell(names)}` | {_in_cell(text)} |"
    yield ""


def _in_cell(text: str) -> str:
    return one_line(" ".join(text.split())).replace("|", "\\|")
