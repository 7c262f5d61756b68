"""The `backfill` group: commands made from specs, commands of plugins, and those that manage runs and specs.

This module is what a host loads at each of its starts. It imports click and the bridge, opens no file,
and leaves everything else to the call that needs it.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

from corpus_backfill_plugin.bridge import BridgedGroup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint

    from click.shell_completion import CompletionItem

    from corpus_backfill_plugin.workspace import Site

DEBUG_KEY = "corpus_backfill_plugin.debug"
"""Where the group notes in `ctx.meta` whether a traceback is wanted; `ctx.obj` belongs to the host."""

ON_KEY = "corpus_backfill_plugin.on"
"""Where the group notes in `ctx.meta` the name of the target to work at; empty is here."""

PLUGIN_COMMANDS = "corpus_backfill_plugin.commands"

MANAGE = {
    "runs": "List, follow, stop and repeat runs.",
    "specs": "List, write and check specs.",
    "status": "Count what is left to do, of all commands side by side.",
    "targets": "List other places that runs can be started at, and check them.",
    "doctor": "Check host, server app, specs and state, and say what to correct.",
}
"""Commands of the Manage section. Their help lines are here so that listing them imports none of them."""


_ANYWHERE = {"runs", "targets"}
"""Those that can work at a target, or refuse it themselves."""


def managing(name: str) -> click.Command:
    """Return a command of the Manage section: the attribute of its name in a module of `commands`."""
    module = "specs_list" if name == "specs" else name  # `specs` is the package of spec files
    command: click.Command = getattr(import_module(f"{PLUGIN_COMMANDS}.{module}"), name)
    return command


class BackfillGroup(BridgedGroup):
    """A group that reads the spec of a command when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands; opens no spec."""
        return [*self._backfills(ctx), *MANAGE]

    def _backfills(self, ctx: click.Context) -> list[str]:
        # A file whose name would redraw the terminal is no command; `specs check` reports it.
        names = {name for name in _site(ctx).catalog.names() if name.isprintable()}
        return sorted((names | _plugin_entry_points().keys()) - MANAGE.keys())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command, reading one spec at most; None for an unknown name.

        A spec goes before a plugin's command of the same name: what is declared can be read.
        """
        if cmd_name in MANAGE:
            return managing(cmd_name)
        spec = _site(ctx).catalog.load(cmd_name)
        if spec is None:
            return _plugin_command(cmd_name)
        from corpus_backfill_plugin.command import command_for

        return command_for(spec)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of `args`. Its own `--server-path` goes first: the server app has specs."""
        name = args[0]
        _resolve(ctx, name, args[1:])
        command = self.get_command(ctx, name)
        if command is None and ctx.token_normalize_func is not None:
            name = ctx.token_normalize_func(name)
            command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(name, self.list_commands(ctx), n=3)
            guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            away = " (No server app was found; its own specs are not known.)" * bool(
                _site(ctx).server_trouble
            )
            raise click.UsageError(f"No such command {name!r}.{guess}{away}", ctx)
        if name not in _ANYWHERE and not hasattr(command, "spec") and not _asks_help(args):
            refuse_elsewhere(ctx)
        return name if command else None, command, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in two sections, each spec opened once."""
        rows = []
        for name in self._backfills(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, command.short_help or command.get_short_help_str(limit=200)))
        with formatter.section("Backfills"):
            formatter.write_dl(rows or [("(none)", "No spec is active.")])
        with formatter.section("Manage"):
            formatter.write_dl(list(MANAGE.items()))
        site = _site(ctx)
        notes = [site.server_trouble.problem.partition(";")[0]] if site.server_trouble else []
        for note in (*notes, *site.catalog.troubles):
            formatter.write_paragraph()
            formatter.write_text(f"Note: {note}; see 'doctor'.")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and show help where it is asked for."""
        with _errors_in_one_line(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command. An error that nobody foresaw is one line, its traceback shown on request."""
        with _errors_in_one_line(ctx):
            if os.name == "nt":
                raise click.ClickException(
                    "Windows has no POSIX sessions, signals and locks, on which a safe run rests\n"
                    "Run it on Linux, on macOS or in WSL."
                )
            return super().invoke(ctx)


@contextmanager
def _errors_in_one_line(ctx: click.Context) -> Iterator[None]:
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        from corpus_backfill_plugin.agent.errors import AgentError
        from corpus_backfill_plugin.errors import BackfillError

        if isinstance(error, AgentError):
            raise BackfillError.of(error) from error
        if ctx.meta.get(DEBUG_KEY) or ctx.params.get("debug"):
            raise
        if isinstance(error, OSError):
            raise BackfillError(*_refused_by_system(error)) from error
        raise BackfillError(
            f"unexpected {type(error).__name__}: {_masked(str(error))}",
            "This is a fault of corpus-backfill-plugin: run it again with --debug and report what it shows.",
        ) from error


def _masked(text: str) -> str:
    """Mask a text that nobody foresaw, so that nobody knows what it holds: a database's URL, say."""
    from corpus_backfill_plugin.agent.database import secrets
    from corpus_backfill_plugin.agent.redact import AMBIENT, mask

    words = (part for word in sys.argv for part in (word, word.partition("=")[2]))
    texts = [word for word in (*words, *os.environ.values()) if "://" in word or "pass" in word]
    texts += [os.environ[name] for name in AMBIENT if os.environ.get(name)]
    return mask(text, [secret for word in texts for secret in secrets(word)])


def _refused_by_system(error: OSError) -> tuple[str, str]:
    """Return problem and hint for what the system would not do, as on a full disk."""
    from errno import EMFILE, ENFILE, ENOSPC

    from corpus_backfill_plugin.text import one_line

    what = f"{one_line(os.fsdecode(error.filename))}: " if isinstance(error.filename, (str, bytes)) else ""
    hints: dict[int | None, str] = {
        EMFILE: "Allow more of them, `ulimit -n 256`.",
        ENFILE: "Close some programs.",
        ENOSPC: "Make room on the disk, then look at `backfill runs`.",
    }
    hint = "Look at that; `backfill doctor` checks each part, --debug shows where it was."
    return f"the system refused: {what}{error.strerror or error}", hints.get(error.errno, hint)


def _site(ctx: click.Context) -> Site:
    from corpus_backfill_plugin.workspace import Site

    return Site.of(ctx)


def refuse_elsewhere(ctx: click.Context) -> None:
    """Refuse a command that works here alone, when it is to work at a target: it must not work here then."""
    if name := ctx.meta.get(ON_KEY):
        from corpus_backfill_plugin.errors import BackfillError

        raise BackfillError(
            f"this command can't work on {name} yet", "Give --on here to have it work on this machine."
        )


def _target_name(ctx: click.Context, *, strict: bool) -> str:
    """Return the target that `--on`, the environment or the configuration names; empty is here."""
    name: str = ctx.params.get("on") or os.environ.get("CORPUS_BACKFILL_TARGET", "")
    if not name and not ctx.resilient_parsing:
        # Nothing is imported for it where there is no configuration.
        from corpus_backfill_plugin.specs.catalog import operator_folder

        files = (f"{operator_folder().parent}/config.toml", "/etc/corpus-backfill/config.toml")
        if os.environ.get("CORPUS_BACKFILL_CONFIG") or any(map(os.path.exists, files)):
            from corpus_backfill_plugin.config import targets
            from corpus_backfill_plugin.errors import BackfillError

            try:
                name = targets()[1]
            except BackfillError:
                if strict:  # what only looks must work all the same
                    raise
    return "" if name == "here" else name


def _resolve(ctx: click.Context, command: str, words: list[str]) -> None:
    """Make the Site again, with the options behind a command's name, before that is looked up."""
    from corpus_backfill_plugin.workspace import SITE_KEY

    words = words[: words.index("--")] if "--" in words else words
    ctx.meta[DEBUG_KEY] = ctx.params.get("debug") or "--debug" in words
    for option, name in (("--server-path", "server_path"), ("--python", "python"), ("--on", "on")):
        for position, word in enumerate(words, start=1):
            if word == option and position < len(words):
                ctx.params[name] = words[position]
            elif word.startswith(f"{option}="):
                ctx.params[name] = word.partition("=")[2]
    ctx.meta[ON_KEY] = on = _target_name(ctx, strict=command not in MANAGE)
    ctx.meta.pop(SITE_KEY, None)
    if on and command not in MANAGE:
        from corpus_backfill_plugin.targets.site import far_site

        connect = not (ctx.resilient_parsing or _asks_help(words))
        places = (ctx.params.get("server_path"), ctx.params.get("python"))
        ctx.meta[SITE_KEY] = far_site(on, *places, connect=connect)
    _site(ctx)


def _asks_help(words: list[str]) -> bool:
    return not {"-h", "--help"}.isdisjoint(words)


def _plugin_entry_points() -> dict[str, EntryPoint]:
    from corpus_backfill_plugin.about import entry_points

    return {entry.name: entry for entry in entry_points(PLUGIN_COMMANDS)}


def _plugin_command(name: str) -> click.Command | None:
    entry_point = _plugin_entry_points().get(name)
    if entry_point is None:
        return None

    def load() -> click.Command:
        """Load it; a module that even exits at import is broken, and nothing else is."""
        try:
            command = entry_point.load()
        except SystemExit as error:
            raise ImportError(f"the plugin {name} exits at import ({error.code})") from error
        if not isinstance(command, click.Command):
            raise TypeError(f"the plugin {name} is a {type(command).__name__}, not a click command")
        return command

    from click_plugins import with_plugins

    holder: click.Group = with_plugins([SimpleNamespace(name=name, load=load)])(click.Group())
    return next(iter(holder.commands.values()), None)


def _say_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's signature
    if asked and not ctx.resilient_parsing:
        # Not click's own option, which fails without the package's metadata.
        from corpus_backfill_plugin.about import DISTRIBUTION, own_version

        click.echo(f"{DISTRIBUTION}, version {own_version()}")
        ctx.exit()


def _complete_path(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave the word to the shell. Not by `click.Path`: its constructor imports gettext and locale."""
    from click.shell_completion import CompletionItem

    del ctx, param
    return [CompletionItem(incomplete, type="file")]


@click.group(cls=BackfillGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--server-path", metavar="DIR", shell_complete=_complete_path, is_eager=True,
    help="The server app to work with. [env: CORPUS_SERVER_APP_PATH]",
)  # fmt: skip
@click.option(
    "--python", metavar="PATH", shell_complete=_complete_path, is_eager=True,
    help="Interpreter for scripts. [env: CORPUS_BACKFILL_PYTHON]",
)  # fmt: skip
@click.option("--on", metavar="NAME", help="Work at this target. [env: CORPUS_BACKFILL_TARGET]")
@click.option("--debug", is_flag=True, is_eager=True, help="Show a traceback for an error of ours.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_say_version,
    help="Show the version.",
)  # fmt: skip
def backfill(**_: object) -> None:
    """Fill in data for records that came before their columns did.

    Each backfill is a script of the server app. It runs in the server's own environment; its output is
    shown live, its exit code is forwarded, and the run is remembered.
    """
