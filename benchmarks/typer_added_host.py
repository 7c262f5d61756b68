"""A Typer host that adds plugins to its finished tree.

That of the tests imports click for its test runner, which hides what the plugin's import of click costs.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import Any

import typer

app = typer.Typer()


@app.callback()
def host() -> None:
    """Serve as a host."""


@app.command()
def own() -> None:
    """Do the host's own work."""
    typer.echo("the host's own")


if __name__ == "__main__":
    cli: Any = typer.main.get_command(app)
    for point in entry_points(group=os.environ["HOST_GROUP"]):
        cli.add_command(point.load())
    cli(prog_name="host")
