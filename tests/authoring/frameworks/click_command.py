"""A backfill with a click command."""

import click


@click.command(epilog="See the runbook.")
@click.option("--media-type", type=click.Choice(["audio", "video"]), default="audio", help="which media")
@click.option("-w", "--workers", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--rate", type=float)
@click.option("--tag", multiple=True)
@click.option("--gpu/--cpu", default=False)
@click.option("--dry-run", is_flag=True)
@click.option("-v", "--verbose", count=True)
@click.option("--box", nargs=2, type=int)
@click.option("--bucket", envvar="BUCKET", required=True)
@click.option("--report", type=click.Path())
@click.argument("paths", nargs=-1)
def main(**options: object) -> None:
    """Measure media.

    All of them.
    """
    print(options)


if __name__ == "__main__":
    main()
