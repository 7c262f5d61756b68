"""A spec as a click command: its help, its options, and what happens when it is called."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.params import TIED, DurationText, SpecArgument, SpecOption, selection, tie_values
from corpus_backfill_plugin.specs.catalog import BrokenSpec, LoadedSpec
from corpus_backfill_plugin.specs.selection import Selection, broken_rules, shown_name, without_displaced
from corpus_backfill_plugin.text import one_line, printable
from corpus_backfill_plugin.workspace import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from corpus_backfill_plugin.agent.records import RunRequest
    from corpus_backfill_plugin.specs.model import Script
    from corpus_backfill_plugin.targets.site import FarSite


site_of = Site.of  # return the Site of a call, also where there is no group above


class ScriptCommand(click.Command):
    """The command of one spec. Help lists the script's own options, the common ones, and ours apart."""

    def __init__(self, spec: LoadedSpec, callback: Callable[..., Any]) -> None:
        self.spec = spec
        self.script = spec.script
        super().__init__(
            spec.file.name,
            params=[
                *map(SpecOption, self.script.options),
                *map(SpecArgument, self.script.argument),
                *control_options(),
            ],
            callback=callback,
            help=printable(self.script.help or self.script.short_help) or f"Run {self.script.script}.",
            short_help=short_help(self.script),
            hidden=self.script.hidden,
            epilog="\n".join(map(printable, self.script.examples)) or None,
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, but for values that it takes for options."""
        try:
            return super().parse_args(ctx, tie_values(args, self.script.option))
        except click.UsageError as error:
            if TIED not in error.message:
                raise
            raise click.UsageError(error.message.replace(TIED, ""), ctx) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in sections, each in the order of the spec."""
        titles = ("Arguments", "Options", "Common options", "Running")
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in titles}
        for param in self.get_params(ctx):
            record = None if getattr(param, "hidden", False) else param.get_help_record(ctx)
            if record:
                sections[getattr(param, "section", "Running")].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each a line as it is typed under this host."""
        above = ctx.parent.command_path if ctx.parent else ""
        if self.script.examples:
            with formatter.section("Examples"):
                for example in self.script.examples:
                    line = f"{above} {printable(example)}".strip()
                    formatter.write(f"{' ' * formatter.current_indent}{line}\n")


def short_help(script: Script) -> str:
    """Return the line of a command in the list of commands."""
    mark = f" (deprecated{_advice(script.deprecated)})" if script.deprecated else ""
    return one_line((script.short_help or script.help or script.script) + mark)


def command_for(spec: LoadedSpec | BrokenSpec) -> click.Command:
    """Return the command of a spec; a broken one is listed, with the reason, and refuses to run."""
    if not isinstance(spec, BrokenSpec):
        return script_command(spec)

    def refuse() -> None:
        from corpus_backfill_plugin.prepare import SpecError

        raise SpecError(spec)

    return click.Command(
        spec.file.name,
        callback=refuse,
        help="This command's spec is broken:\n\n\b\n" + "\n".join(printable(str(f)) for f in spec.faults),
        short_help=f"[broken] {one_line(str(spec.faults[0]))}",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


def script_command(spec: LoadedSpec) -> ScriptCommand:
    """Return the command of a spec that loaded."""
    # The values are read from the context, with their sources.
    return ScriptCommand(spec, lambda **_: _run(click.get_current_context(), spec))


def _run(ctx: click.Context, spec: LoadedSpec) -> None:
    site, chosen, asked = site_of(ctx), checked_selection(ctx, spec.script), ctx.params
    limits = {"timeout": asked["timeout_"], "verify": not asked["no_verify_"]}
    # What only one of these ways needs is imported there: help and completion must not pay for it.
    if asked["plan_"] is not None and site.is_here:
        from corpus_backfill_plugin.plans import make_plan

        contrary = [f"--{name}" for name in ("detach", "no-record", "show-command") if asked[_param(name)]]
        if contrary:
            raise click.UsageError(f"--plan can't be given with {', '.join(contrary)}", ctx)
        ctx.exit(make_plan(spec, chosen, site, asked["plan_"], **limits))
    if not site.is_here:
        ctx.exit(_run_there(ctx, spec, chosen, cast("FarSite", site), **limits))
    if asked["show_command_"]:
        from corpus_backfill_plugin.invocation import shell_form
        from corpus_backfill_plugin.prepare import prepare

        click.echo(shell_form(prepare(spec, chosen, site, **limits, commit=False).invocation))
        return
    from corpus_backfill_plugin.agent.link import Link

    # The supervisor's interpreter takes as long to start as the run takes to be prepared: both at once.
    with Link() as link:
        from corpus_backfill_plugin.prepare import prepare, prepare_again
        from corpus_backfill_plugin.runs.execute import execute

        request = prepare(spec, chosen, site, **limits)
        for text in _warnings(spec.script, chosen, site):
            click.echo(f"Warning: {one_line(text)}", err=True)
        confirm(request, yes=asked["yes_"])
        how = {"detach": asked["detach_"], "wait": asked["wait_"], "record": not asked["no_record_"]}
        fresh = functools.partial(prepare_again, spec, chosen, site, **limits)
        ctx.exit(execute(request, fresh=fresh, link=link, **how))


def _run_there(ctx: click.Context, spec: LoadedSpec, chosen: Selection, site: FarSite, **limits: Any) -> int:  # noqa: ANN401 - of prepare
    from corpus_backfill_plugin.targets import start

    asked, name = ctx.params, site.place.name
    contrary = {option: bool(asked[_param(option)]) for option in ("plan", "wait", "no-record")}
    start.refuse(contrary, name)
    request = start.prepare_there(spec, chosen, site, **limits)
    if asked["show_command_"]:
        click.echo(start.shown_there(request, site))
        return 0
    for text in _warnings(spec.script, chosen, site):
        click.echo(f"Warning: {one_line(text)}", err=True)
    if site.place.target.confirm and not asked["yes_"] and (request.dry_run or not request.destructive):
        ask(f"Run {request.command} on {name}, in {one_line(request.database or request.server)}?")
    confirm(request, yes=asked["yes_"], place=name)
    return start.start_there(request, spec, chosen, site, detach=asked["detach_"])


def checked_selection(ctx: click.Context, script: Script) -> Selection:
    """Return what the operator chose; a UsageError names each rule of the spec that it breaks."""
    chosen = selection(ctx)
    if broken := broken_rules(script, chosen):
        raise click.UsageError("; ".join(broken), ctx)
    return without_displaced(script, chosen)


def _warnings(script: Script, chosen: Selection, site: Site) -> Iterable[str]:
    if site.interpreter.warning:
        yield site.interpreter.warning
    if script.deprecated:
        yield f"this command is deprecated{_advice(script.deprecated)}"
    for option in (*script.options, *script.argument):
        if option.deprecated and option.name in chosen.given:
            yield f"{shown_name(script, option.name)} is deprecated{_advice(option.deprecated)}"


def _advice(deprecated: bool | str) -> str:  # noqa: FBT001 - a spec's value, either of the two
    return f": {deprecated}" if isinstance(deprecated, str) else ""


def confirm(request: RunRequest, *, yes: bool, place: str = "") -> None:
    """Ask before a destructive run; a BackfillError where the answer is no, or nobody gives one."""
    if not request.destructive or request.dry_run or yes:
        return
    where = one_line(request.database or request.server) + (f" on {place}" if place else "")
    ask(f"{request.command} changes data for good in {where}. Run it?")


def ask(question: str) -> None:
    """Ask whether to go on; a BackfillError where the answer is no, or nobody gives one."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)  # the question's line has no end yet
        hint = "Give --yes to run it without the question."
        raise BackfillError("not run: nobody answered", hint) from None
    if not agreed:
        raise BackfillError("not run")


def _param(name: str) -> str:
    """Return click's name for one of our options. They end in `_`, as no spec's can."""
    return f"{name.replace('-', '_')}_"


_VALUES: dict[str, tuple[str, Any]] = {
    "server-path": ("DIR", click.Path()),
    "python": ("PATH", click.Path()),
    "timeout": ("TIME", DurationText(least=0.001)),
    "plan": ("FILE", click.Path(path_type=Path)),
}
"""Of our own options those with a value: its placeholder and type."""

CONTROLS = {
    "server-path": "The server app to run in. [env: CORPUS_SERVER_APP_PATH]",
    "python": "Interpreter for the script, in place of uv. [env: CORPUS_BACKFILL_PYTHON]",
    "show-command": "Print what would be run, for a shell; run nothing.",
    "detach": "Start it, print the run's number, return.",
    "wait": "Wait while another run holds the lock.",
    "no-verify": "Do not check afterwards that nothing is left to do.",
    "no-record": "Run without a record in the ledger.",
    "yes": "Do not ask before a destructive command.",
    "timeout": "Stop it after TIME, like 90s or 12h.",
    "plan": "Do the dry run and write what would be done, for 'runs apply'.",
    "debug": "Show a traceback for an error of ours.",
}
"""The help of our own options, which every command has."""


def control_options() -> list[click.Option]:
    """Return our own options, which every command has."""
    return [
        click.Option(
            [_param(name), f"--{name}"],
            help=text,
            is_flag=name not in _VALUES,
            **dict(zip(("metavar", "type"), _VALUES.get(name, ()), strict=False)),
        )
        for name, text in CONTROLS.items()
    ]
