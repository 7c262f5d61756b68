"""A Click host that loads a plugin when it is asked for, as the guide for host authors shows it."""

from __future__ import annotations

import os

import click


class PluginGroup(click.Group):
    """Own commands, and plugins of the entry-point group that HOST_GROUP names."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names alone."""
        from importlib.metadata import entry_points

        return sorted({*super().list_commands(ctx), *entry_points(group=os.environ["HOST_GROUP"]).names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the host's own command, else the plugin of that name, else None."""
        if cmd_name not in self.commands:
            from importlib.metadata import entry_points

            from click_plugins import with_plugins

            with_plugins(entry_points(group=os.environ["HOST_GROUP"]).select(name=cmd_name))(self)
        return super().get_command(ctx, cmd_name)


@click.group(cls=PluginGroup)
def cli() -> None:
    """Serve as a host."""


@cli.command()
def own() -> None:
    """Do the host's own work."""
    click.echo("the host's own")


if __name__ == "__main__":
    cli()
