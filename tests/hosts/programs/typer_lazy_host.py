"""A Typer host whose class mounts plugins when they are asked for."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from hosts.programs import setting


class PluginGroup(TyperGroup):
    """Own commands first, plugins after them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401  click's context or Typer's own
        """Names, without an import."""
        return [*super().list_commands(ctx), *sorted(setting.plugins().names)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401  same
        """One command, loaded now."""
        own = super().get_command(ctx, cmd_name)
        found = () if own else setting.plugins().select(name=cmd_name)
        return next((point.load() for point in found), own)


app = typer.Typer(cls=PluginGroup, context_settings=setting.CONTEXT)


@app.callback()
def host(ctx: typer.Context) -> None:
    """Serve as a host."""
    ctx.obj = setting.OBJ
    ctx.meta[setting.META[0]] = setting.META[1]


@app.command()
def own() -> None:
    """Do the host's own work."""
    typer.echo("the host's own")


setting.run(app, lambda words: CliRunner().invoke(app, words, prog_name=setting.NAME))
