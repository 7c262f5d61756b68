"""The program ``corpus-client``."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from corpus_client_cli import corpus, show
from corpus_client_cli.plugins import PluginGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(cls=PluginGroup, no_args_is_help=True)
records = typer.Typer(no_args_is_help=True)
app.add_typer(records, name="records", help="Look at the records of the corpus.")


class MediaType(StrEnum):
    """What a record's file holds."""

    TEXT = "text"
    AUDIO = "audio"
    IMAGE = "image"
    VIDEO = "video"


@app.callback()
def corpus_client() -> None:
    """Look after the Corpus server from the command line."""


@records.command("list")
def list_(
    media_type: Annotated[MediaType | None, typer.Option(help="Only records of this type.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, oldest first.")] = 20,
) -> None:
    """List records, oldest first."""
    with _errors():
        _print(show.table(corpus.records(media_type and media_type.value, limit)))


@records.command("show")
def show_(uid: Annotated[str, typer.Argument(help="The uid, or its beginning.")]) -> None:
    """Show one record and its versions."""
    with _errors():
        _print(show.details(*corpus.record(uid)))


@app.command()
def stats() -> None:
    """Count what the records have, and what is still missing."""
    with _errors():
        _print(show.counts(corpus.stats()))


def main() -> None:
    """Run the program."""
    app()


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        typer.echo(line)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except corpus.CorpusError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
