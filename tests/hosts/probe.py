"""A plugin for the tests: each command ends, asks or answers in one of the ways a command can."""

import json
import sys
import time
from typing import Any

import click

from corpus_backfill_plugin.bridge import BridgedGroup


@click.group(cls=BridgedGroup, name="probe", help="Try what a host does to its plugins.")
@click.option("--level", type=click.Choice(["low", "high"]), help="An option of the group.")
def probe(level: str | None) -> None:
    del level


@probe.command()
@click.option("--workers", type=int, default=3, help="How many.")
@click.option("--media-type", type=click.Choice(["audio", "video"]), default="audio", help="Which.")
@click.option("--file", type=click.Path(), help="A path.")
@click.option("--fast/--no-fast", default=True, help="A pair.")
@click.argument("words", nargs=-1)
@click.pass_context
def values(ctx: click.Context, /, **given: object) -> str:
    """Print the values given, and where each comes from."""
    sources = {name: str(getattr(ctx.get_parameter_source(name), "name", None)) for name in sorted(given)}
    click.echo(json.dumps({"values": dict(sorted(given.items())), "sources": sources}))
    return "a value"


@probe.command()
@click.argument("code", type=int)
@click.pass_context
def leave(ctx: click.Context, code: int) -> None:
    """Exit with CODE."""
    click.echo("leaving")
    click.echo("with a word on stderr", err=True)
    ctx.exit(code)


@probe.command()
@click.pass_context
def seen(ctx: click.Context) -> None:
    """Print what the host left for its commands, and leave something for it."""
    met: dict[str, Any] = {key: value for key, value in ctx.meta.items() if key.startswith("host.")}
    ctx.meta["probe.was"] = "here"
    ctx.call_on_close(lambda: click.echo("closed"))
    click.echo(json.dumps({"obj": ctx.obj, "meta": met, "path": ctx.command_path, "color": ctx.color}))


ERRORS: dict[str, Exception] = {
    "usage": click.UsageError("these two do not go together"),
    "fail": click.ClickException("the server is not there\nset CORPUS_SERVER_APP_PATH"),
    "abort": click.Abort(),
    "crash": RuntimeError("nobody expected this"),
}


def _raising(name: str, error: Exception) -> None:
    @probe.command(name, help=f"Raise {type(error).__name__} from inside.")
    def command() -> None:
        raise error


for _name, _error in ERRORS.items():
    _raising(_name, _error)


@probe.command()
@click.option("--name", prompt=True)
def ask(name: str) -> None:
    """Ask for a name."""
    click.echo(f"hello {name}")


@probe.command()
def sure() -> None:
    """Ask whether to go on."""
    click.confirm("Go on?", abort=True)
    click.echo("going on")


@probe.command()
def wait() -> None:
    """Say that it waits, and wait."""
    click.echo("waiting")
    sys.stdout.flush()
    time.sleep(60)


@probe.command()
def flood() -> None:
    """Print more than a pipe holds."""
    for number in range(100_000):
        click.echo(f"line {number}")


@probe.command(hidden=True)
def secret() -> None:
    """Stay out of lists."""


@probe.command(deprecated=True)
def old() -> None:
    """Say that it is deprecated."""
    click.echo("done as before")


@probe.group()
def things() -> None:
    """Look at things."""


@things.command("list")
@click.option("--kind", type=click.Choice(["round", "square"]))
def list_(kind: str | None) -> None:
    """List things."""
    click.echo(f"things of kind {kind}")


@things.command()
@click.argument("name")
def show(name: str) -> None:
    """Show one thing."""
    click.echo(f"thing {name}")
