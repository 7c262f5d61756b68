"""A Typer host that adds plugins to the tree that Typer made of it."""

from __future__ import annotations

from typing import Any

import typer
from click.testing import CliRunner

from hosts.programs import setting

app = typer.Typer(context_settings=setting.CONTEXT)


@app.callback()
def host(ctx: typer.Context) -> None:
    """Serve as a host."""
    ctx.obj = setting.OBJ
    ctx.meta[setting.META[0]] = setting.META[1]


@app.command()
def own() -> None:
    """Do the host's own work."""
    typer.echo("the host's own")


cli: Any = typer.main.get_command(app)
for point in setting.plugins():
    cli.add_command(point.load())

setting.run(cli.main, lambda words: CliRunner().invoke(cli, words))
