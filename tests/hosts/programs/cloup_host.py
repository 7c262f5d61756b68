"""A cloup host with click-plugins."""

from __future__ import annotations

import click
import cloup
from click.testing import CliRunner
from click_plugins import with_plugins

from hosts.programs import setting


@cloup.group(context_settings=setting.CONTEXT)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Serve as a host."""
    ctx.obj = setting.OBJ
    ctx.meta[setting.META[0]] = setting.META[1]


@cli.command()
def own() -> None:
    """Do the host's own work."""
    click.echo("the host's own")


with_plugins(setting.plugins())(cli)
setting.run(cli.main, lambda words: CliRunner().invoke(cli, words))
