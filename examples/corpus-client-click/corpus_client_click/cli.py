"""The program ``corpus-client-click``.

The usual way of a Click host: every plugin is loaded when the program starts, whatever is called.
``corpus-client`` shows the lazy way.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import click
from click_plugins import with_plugins
from corpus_client_cli import corpus, show

if TYPE_CHECKING:
    from collections.abc import Iterator


@with_plugins(entry_points(group="corpus_client_cli.plugins"))
@click.group()
def main() -> None:
    """Look after the Corpus server from the command line."""


@main.group()
def records() -> None:
    """Look at the records of the corpus."""


@records.command("list")
@click.option("--media-type", type=click.Choice(["text", "audio", "image", "video"]), help="Only this type.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
def list_(media_type: str | None, limit: int) -> None:
    """List records, oldest first."""
    with _errors():
        _print(show.table(corpus.records(media_type, limit)))


@records.command("show")
@click.argument("uid")
def show_(uid: str) -> None:
    """Show one record, given its uid or the beginning of it, and its versions."""
    with _errors():
        _print(show.details(*corpus.record(uid)))


@main.command()
def stats() -> None:
    """Count what the records have, and what is still missing."""
    with _errors():
        _print(show.counts(corpus.stats()))


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(line)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except corpus.CorpusError as error:
        raise click.ClickException(str(error)) from error
