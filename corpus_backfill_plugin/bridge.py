"""The bridge to hosts whose contexts are not click's own.

From 0.26 on Typer carries a private copy of click, so a click group mounted there is handed a parent that
is no `click.Context` and raises exceptions its host does not know. The bridge gives such a group a click
root context that forwards the host's, and answers the host in the host's own words.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from types import TracebackType

    from click.shell_completion import CompletionItem


# Constructor arguments of click.Context that a child takes from its parent. A host that lacks one, in some
# release to come, leaves click's default.
_FORWARDED = (
    *("obj", "auto_envvar_prefix", "default_map", "terminal_width", "max_content_width"),
    *("help_option_names", "token_normalize_func", "color", "show_default"),
)

# Click 8.1 exits 0 with the help on stdout instead; an empty tuple catches nothing.
_NO_ARGS_IS_HELP: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())


class _Root(click.Context):
    """A click root context in the place of a host's."""

    def __init__(self, host: Any) -> None:  # noqa: ANN401 - a context of a library that need not be installed
        if not hasattr(host, "exit"):
            # asyncclick's: it would await what this plugin just does. Its own exceptions are not known here.
            library = type(host).__module__.partition(".")[0]
            what = "hosts await their commands, those of this plugin cannot run there."
            raise SystemExit(f"Error: {library} {what}")
        forwarded: dict[str, Any] = {name: getattr(host, name, None) for name in _FORWARDED}
        super().__init__(click.Command(None), info_name=host.command_path, **forwarded)
        self.host = host

    @property
    def meta(self) -> dict[str, Any]:
        """The host's own dictionary, so that what either side notes there is seen by the other."""
        meta: dict[str, Any] = self.host.meta
        return meta


class _Context(click.Context):
    """The group's context. Left by an error it ends as its host does, whatever a subclass's `invoke` did."""

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> bool | None:
        suppressed = super().__exit__(exc_type, exc_value, tb)
        if self._depth == 0:
            if isinstance(self.parent, _Root):
                self.parent.close()
            if exc_value is not None:
                _end(self.parent, exc_value)
        return suppressed


def _end(parent: click.Context | None, error: BaseException) -> None:
    """End as the host does if `error` is one of click's: it is shown here, the host learns the code."""
    if isinstance(parent, _Root):
        if isinstance(error, click.ClickException):
            error.show()
        if isinstance(error, click.ClickException | click.exceptions.Exit):
            parent.host.exit(error.exit_code)
        if isinstance(error, click.Abort):
            parent.host.abort()
    if isinstance(error, _NO_ARGS_IS_HELP):
        # Typer 0.20 to 0.25 shows errors of click, but drops this one.
        error.show()
        raise click.exceptions.Exit(error.exit_code) from None


class _Rest(click.Command):
    """Stands for the group and the words after it while a completer resolves a line.

    A foreign completer knows only its own classes and would stop at the group: click's goes on from here. And
    what click does not do itself is done for every host: the value in `--option=val` is completed.
    """

    def __init__(self, group: BridgedGroup, above: click.Context | None, words: list[str]) -> None:
        super().__init__(group.name)
        self.group, self.above = group, above
        # Bash hands "--option=val" over as three words.
        pairs = zip(["", *words], words, strict=False)
        self.words = [word for before, word in pairs if word != "=" or not before.startswith("-")]

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401  as below
    ) -> click.Context:
        """Parse for click's completer, which is given this command as its root, as the group does."""
        del parent
        return super(BridgedGroup, self.group).make_context(info_name, args, self.above, **extra)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the word after `words`."""
        from click import shell_completion

        completer = shell_completion.ShellComplete(self, {}, ctx.info_name or "", "")
        items = completer.get_completions(self.words, incomplete)
        clicks = shell_completion.get_completion_class("bash") is shell_completion.BashComplete
        if isinstance(self.above, _Root) or not clicks:
            # Typer prints a path's item as if it were a word; given none, it leaves paths to the shell.
            items = [item for item in items if item.type == "plain"]
        option, equals, _ = incomplete.partition("=")
        if equals and option.startswith("-"):
            for item in items:
                item.value = f"{option}={item.value}"
        return items


class _RestContext(click.Context):
    """The context of `_Rest`: no words left to follow, no prefixes to split a word at."""

    def __init__(self, rest: _Rest, info_name: str | None) -> None:
        super().__init__(rest, info_name=info_name, resilient_parsing=True)
        self._protected_args = []  # read by the foreign completer, and not there before click 8.2


class BridgedGroup(click.Group):
    """A group that behaves the same below a click context and below one that only looks like it."""

    context_class = _Context

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401 - click's context, or a host's own
        **extra: Any,  # noqa: ANN401 - any argument of click's Context
    ) -> click.Context:
        """Parse `args` below `parent`. A foreign one has errors shown, and its own `exit` called."""
        open_streams()
        above = parent if parent is None or isinstance(parent, click.Context) else _Root(parent)
        if extra.get("resilient_parsing"):
            return _RestContext(_Rest(self, above, args), info_name)
        try:
            return super().make_context(info_name, args, above, **extra)
        except (click.ClickException, click.exceptions.Exit, click.Abort) as error:
            _end(above, error)
            raise


def open_streams() -> None:
    """Open the null device in place of each standard stream that this process was started without.

    The system gives a closed stream's number to the next file, and output would be written into that one: the
    ledger, a lock. A number that the host has given to a file of its own stays the host's.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)
            os.set_inheritable(number, True)  # noqa: FBT003  positional-only
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: PTH123, SIM115


def is_bridged(ctx: click.Context) -> bool:
    """Whether the call came through a host whose contexts are not click's own."""
    return isinstance(ctx.find_root(), _Root)
