"""The bridge to hosts whose contexts are not click's own.

From 0.26 on Typer carries a private copy of click, so a click group mounted there is handed a parent that
is no ``click.Context`` and raises exceptions its host does not know. The bridge gives such a group a click
root context that retells the host's, and answers the host in the host's own words.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn, Protocol

    from click.shell_completion import CompletionItem

    class _Host(Protocol):
        """What the bridge needs from a foreign context: its words in ``_RETOLD``, and these."""

        @property
        def command_path(self) -> str: ...
        @property
        def meta(self) -> dict[str, Any]: ...
        def exit(self, code: int = 0) -> NoReturn: ...
        def abort(self) -> NoReturn: ...


# Constructor arguments of click.Context that a child takes from its parent. A host that lacks one, in some
# release to come, leaves click's default.
_RETOLD = (
    "obj",
    "auto_envvar_prefix",
    "default_map",
    "terminal_width",
    "max_content_width",
    "help_option_names",
    "token_normalize_func",
    "color",
    "show_default",
)

# Click 8.1 exits 0 with the help on stdout instead; an empty tuple catches nothing.
_NO_ARGS_IS_HELP: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())


class _Root(click.Context):
    """A click root context in the place of a host's."""

    def __init__(self, host: _Host) -> None:
        retold: dict[str, Any] = {name: getattr(host, name, None) for name in _RETOLD}
        super().__init__(click.Command(None), info_name=host.command_path, **retold)
        self._host = host

    @property
    def meta(self) -> dict[str, Any]:
        """The host's own dictionary, so that what either side notes there is seen by the other."""
        return self._host.meta

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn click's ways of ending into the host's: errors are shown here, then only a code is left."""
        try:
            yield
        except click.exceptions.Exit as end:
            self._host.exit(end.exit_code)
        except click.ClickException as error:
            error.show()
            self._host.exit(error.exit_code)
        except click.Abort:
            self._host.abort()


class _Rest(click.Command):
    """Stands for the group and every word after it while a foreign completer resolves a line.

    The completer knows only its own classes and would stop at the group; click's completer goes on from here.
    """

    def __init__(self, group: BridgedGroup, root: _Root, words: list[str]) -> None:
        super().__init__(group.name)
        self.group, self.root, self.words = group, root, words

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the word after ``words``; empty for paths, which foreign hosts leave to the shell."""
        from click.shell_completion import ShellComplete  # noqa: PLC0415  only a completion pays for it

        completer = ShellComplete(self.group, {"parent": self.root}, ctx.info_name or "", "")
        return [item for item in completer.get_completions(self.words, incomplete) if item.type == "plain"]


class _RestContext(click.Context):
    """The context of ``_Rest``: no words left to follow, no prefixes to split a word at."""

    def __init__(self, rest: _Rest, info_name: str | None) -> None:
        super().__init__(rest, info_name=info_name, resilient_parsing=True)
        self._protected_args = []  # read by the foreign completer, and not there before click 8.2


class BridgedGroup(click.Group):
    """A group that behaves the same below a click context and below one that only looks like it."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | _Host | None = None,
        **extra: Any,  # noqa: ANN401  click's own signature: any argument of its Context
    ) -> click.Context:
        """Parse ``args`` below ``parent``, which may be the context of another library.

        Raises:
            click.ClickException: the arguments are wrong and ``parent`` is click's (or None). A foreign
                parent gets the error shown and its own ``exit`` called instead.
        """
        if parent is None or isinstance(parent, click.Context):
            with _help_shown():
                return super().make_context(info_name, args, parent, **extra)
        root = _Root(parent)
        if extra.get("resilient_parsing"):
            return _RestContext(_Rest(self, root, args), info_name)
        with root.answering():
            ctx = super().make_context(info_name, args, root, **extra)
        ctx.call_on_close(root.close)
        return ctx

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
        """Run the command that ``ctx`` was made for, ending the way its host knows."""
        if isinstance(ctx.parent, _Root):
            with ctx.parent.answering():
                return super().invoke(ctx)
        with _help_shown():
            return super().invoke(ctx)


@contextmanager
def _help_shown() -> Iterator[None]:
    """Show the help of a group called without a command; Typer 0.20 to 0.25 drops click's error for it."""
    try:
        yield
    except _NO_ARGS_IS_HELP as error:
        error.show()
        raise click.exceptions.Exit(error.exit_code) from None
