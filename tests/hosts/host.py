"""A host of docs/host-integration.md, run as the tests ask: `python -m hosts.host NAME WORDS...`."""

import os
import re
import sys
from pathlib import Path
from typing import Any

GUIDE = (Path(__file__).parents[2] / "docs" / "host-integration.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", GUIDE, re.DOTALL))
GROUP = "corpus_client_cli.plugins"
OBJ = {"from": "the host"}
META = {"host.note": "from the host"}
CONTEXT: dict[str, Any] = {
    "auto_envvar_prefix": "HOST",
    "default_map": {"probe": {"values": {"media_type": "video"}}},
}


def prepared_click(cli: Any) -> tuple[Any, Any]:  # noqa: ANN401  click's group or Typer's
    """Give a finished group what the hosts have in common; return its program and its test runner."""
    from click.testing import CliRunner

    cli.context_settings.update(CONTEXT, obj=OBJ)
    make_context = cli.make_context

    def with_meta(*args: Any, **more: Any) -> Any:  # noqa: ANN401  its own
        ctx = make_context(*args, **more)
        ctx.meta.update(META)
        return ctx

    cli.make_context = with_meta
    return cli.main, lambda words: CliRunner().invoke(cli, words)


def prepared_typer(app: Any) -> tuple[Any, Any]:  # noqa: ANN401  Typer ships types, the programs have none
    """Give an app the same; its group is made anew by each call."""
    import typer
    from typer.testing import CliRunner

    def host(ctx: typer.Context) -> None:
        ctx.obj = OBJ
        ctx.meta.update(META)

    host.__globals__["typer"] = typer  # looked up by its name when the parameters are read
    host.__doc__ = app.registered_callback.callback.__doc__
    app.registered_callback.callback = host
    app.registered_callback.context_settings = CONTEXT
    return app, lambda words: CliRunner().invoke(app, words, prog_name="host")


def run(name: str, words: list[str]) -> None:
    """Run a host as a program, embedded in another, or with its own test runner, as HOST_MODE says."""
    text = PROGRAMS[name].replace(GROUP, os.environ["HOST_GROUP"])
    program: dict[str, Any] = {"__name__": "host"}
    exec(compile(text, f"{name}.py", "exec"), program)  # noqa: S102  of the guide
    cli = program.get("cli")
    main, invoke = prepared_click(cli) if cli else prepared_typer(program["app"])
    match os.environ.get("HOST_MODE", "program"):
        case "embedded":
            value = main(words, prog_name="host", standalone_mode=False)
            sys.stdout.write(f"returned {value!r}\n")
        case "runner":
            result = invoke(words)
            sys.stdout.write(f"exit_code {result.exit_code}\n{result.output}")
        case _:
            main(words, prog_name="host")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
