"""A backfill with click subcommands."""

import click


@click.group()
@click.option("--verbose", is_flag=True)
def cli(verbose: bool) -> None:
    """Keep the index."""


@cli.command()
@click.option("--batch-size", default=100, type=int)
def rebuild(batch_size: int) -> None:
    """Index anew."""


@cli.command("drop-stale")
@click.option("--days", default=30)
@click.argument("name")
def drop_stale(days: int, name: str) -> None:
    """Drop what is old."""


if __name__ == "__main__":
    cli()
