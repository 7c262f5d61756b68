"""Plugins from the entry-point group ``corpus_client_cli.plugins``, loaded when they are asked for.

The host's own commands read no metadata and import no plugin. A plugin that cannot be loaded is listed as
broken and says why when it is called; it never takes the host down.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "corpus_client_cli.plugins"


class PluginGroup(TyperGroup):
    """A Typer group whose own commands come first, and those of the plugins after them.

    Typer up to 0.25 stands on click and later releases carry a copy of it; this class uses nothing but
    Typer's own names, so it works on both.
    """

    @cached_property
    def plugins(self) -> dict[str, EntryPoint]:
        """Entry points by name; of two with one name the first on ``sys.path`` is taken."""
        from importlib.metadata import entry_points

        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=GROUP):
            found.setdefault(point.name, point)
        return found

    def list_commands(self, ctx: typer.Context) -> list[str]:
        """Return the names alone: nothing is imported for them."""
        own = super().list_commands(ctx)
        return own + [name for name in sorted(self.plugins) if name not in own]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # noqa: ANN401  click's or Typer's
        """Return the host's own command, else the plugin of that name, else None."""
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        if cmd_name not in self.plugins:
            return None
        command = load(self.plugins[cmd_name])
        self.add_command(command, cmd_name)
        return command


def load(point: EntryPoint) -> Any:  # noqa: ANN401  a command of click or of Typer
    """Import the plugin, or return a command that says what is wrong with it."""
    try:
        loaded = point.load()
        if isinstance(loaded, typer.Typer):
            loaded = typer.main.get_command(loaded)
        if not callable(getattr(loaded, "make_context", None)):
            raise TypeError(f"{point.value} is a {type(loaded).__name__}, not a command")  # noqa: TRY301  told below
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a plugin does, the host lives
        return broken(point, error)
    return loaded


def broken(point: EntryPoint, error: BaseException) -> TyperCommand:
    """Return a command in the plugin's place: listed with the reason, showing the traceback when called."""
    distribution = f" of {point.dist.name}" if point.dist else ""
    reason = f"{type(error).__name__}: {error}"

    def tell() -> None:
        import traceback

        typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)
        typer.echo(f"Error: the plugin {point.name!r}{distribution} cannot be loaded: {reason}", err=True)
        raise typer.Exit(1)

    return TyperCommand(
        point.name,
        callback=tell,
        short_help=f"(broken) {reason}",
        help=f"This plugin{distribution} cannot be loaded: {reason}",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        rich_markup_mode=None,
    )
