"""The bridge alone, below a parent that is made of nothing but what the bridge may use."""

from __future__ import annotations

from typing import Any, NoReturn

import click
import pytest
from click.testing import CliRunner
from tools import cases

from corpus_backfill_plugin.bridge import BridgedGroup, is_bridged


class Ended(Exception):  # noqa: N818  not an error: how the host below ends
    """What the foreign host raises."""


class Foreign:
    """A parent context of another library: two methods and some attributes."""

    command_path = "foreign"
    obj = "an object"
    auto_envvar_prefix = "FOREIGN"
    default_map: dict[str, Any] = {"group": {"work": {"size": 7}}}  # noqa: RUF012  never changed
    help_option_names = ("-?", "--help")

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {"host.note": 1}

    def exit(self, code: int = 0) -> NoReturn:
        raise Ended(code)

    def abort(self) -> NoReturn:
        raise Ended("aborted")


@click.group(cls=BridgedGroup)
def group() -> None:
    """Hold commands."""


@group.command()
@click.option("--size", type=int, default=1)
@click.option("--kind")
@click.pass_context
def work(ctx: click.Context, size: int, kind: str | None) -> tuple[object, ...]:
    """Return what was seen."""
    ctx.meta["work.was"] = "here"
    return size, kind, ctx.obj, ctx.command_path, is_bridged(ctx)


@group.command()
@click.argument("how")
def leave(how: str) -> None:
    """Leave in some way."""
    raise {
        "exit": click.exceptions.Exit(5),
        "error": click.ClickException("it went wrong"),
        "usage": click.UsageError("not like this"),
        "abort": click.Abort(),
        "unforeseen": ValueError("unforeseen"),
        "interrupt": KeyboardInterrupt(),
    }[how]


def call(host: Foreign, *words: str, below: BridgedGroup = group) -> object:
    """Call the group the way a foreign host does."""
    with below.make_context("group", list(words), parent=host) as ctx:
        return ctx.command.invoke(ctx)


def test_the_hosts_context_is_retold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREIGN_GROUP_WORK_KIND", "from the environment")
    host = Foreign()
    found = call(host, "work")
    assert found == (7, "from the environment", "an object", "foreign group work", True)
    assert host.meta["work.was"] == "here"


@pytest.mark.parametrize(
    ("words", "ended", "says"),
    cases("""
        exit                          | leave exit    | 5       |
        error                         | leave error   | 1       | Error: it went wrong
        usage error                   | leave usage   | 2       | not like this
        abort                         | leave abort   | aborted |
        bad option of the group       | --nothing     | 2       | No such option
        bad value                     | work --size x | 2       | 'x' is not a valid integer
        help by the host's own option | work -?       | 0       |
    """),
)
def test_clicks_ways_to_end_become_the_hosts(
    capsys: pytest.CaptureFixture[str], words: str, ended: object, says: str
) -> None:
    with pytest.raises(Ended) as end:
        call(Foreign(), *words.split())
    assert end.value.args == (ended,)
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(("how", "kind"), [("unforeseen", ValueError), ("interrupt", KeyboardInterrupt)])
def test_what_is_not_clicks_passes_through(how: str, kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        call(Foreign(), "leave", how)


def test_a_subclass_that_catches_everything_does_not_catch_the_hosts_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Careful(BridgedGroup):
        def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except Exception as error:
                raise click.ClickException(f"unforeseen {type(error).__name__}") from error

    careful = Careful("careful", commands={"leave": leave})
    with pytest.raises(Ended) as end:
        call(Foreign(), "leave", "exit", below=careful)
    assert end.value.args == (5,)
    with pytest.raises(Ended) as end:
        call(Foreign(), "leave", "unforeseen", below=careful)
    assert end.value.args == (1,)
    assert "unforeseen ValueError" in capsys.readouterr().err


def test_what_a_command_opens_on_the_root_is_closed() -> None:
    closed: list[str] = []

    @click.command()
    @click.pass_context
    def opening(ctx: click.Context) -> None:
        ctx.find_root().call_on_close(lambda: closed.append("root"))
        ctx.call_on_close(lambda: closed.append("own"))

    call(Foreign(), "opening", below=BridgedGroup("group", commands={"opening": opening}))
    assert closed == ["own", "root"]


def test_below_click_the_group_is_an_ordinary_group() -> None:
    host = click.Group("host", commands={"group": group})
    found = CliRunner().invoke(host, ["group", "work"], standalone_mode=False)
    assert found.return_value == (1, None, None, "host group work", False)
    with pytest.raises(click.UsageError):
        host.main(["group", "--nothing"], standalone_mode=False)


def test_no_command_shows_the_help_itself(capsys: pytest.CaptureFixture[str]) -> None:
    host = click.Group("host", commands={"group": group})
    code = host.main(["group"], prog_name="host", standalone_mode=False)
    said = capsys.readouterr()
    # Click 8.1 answers 0 on stdout, later ones 2 on stderr; a host that shows no error shows it all the same.
    assert (code, bool(said.out), bool(said.err)) in ((0, True, False), (2, False, True))
    assert "Usage: host group" in said.out + said.err


def test_a_host_that_awaits_its_commands_is_refused_in_one_line() -> None:
    class Context:  # as in asyncclick, which has aexit in the place of exit
        command_path = "awaiting"

    Context.__module__ = "asyncclick.core"
    with pytest.raises(SystemExit, match=r"^Error: asyncclick hosts await their commands"):
        group.make_context("group", ["work"], parent=Context())
