"""Options and arguments of a spec as click parameters.

Click finds the words, the variables and the host's defaults, in that order; what a value must look like
is checked by `specs.values`, and the operator's own text is kept: a parsed date would be written otherwise.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.core import ParameterSource

from corpus_backfill_plugin.specs.model import COMMON_OPTIONS, Argument, Option
from corpus_backfill_plugin.specs.selection import Selection, Value
from corpus_backfill_plugin.specs.values import check_value, parse, parse_duration, several, value_text
from corpus_backfill_plugin.text import one_line, printable
from corpus_backfill_plugin.workspace import Site

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from click.shell_completion import CompletionItem

ALONE = "\0alone"
"""Stands for an option with an optional value that was given without one; no argument can hold a NUL."""

TIED = "\0="  # stands before a value that was tied to its option by `=`, see `tie_values`
GIVEN = frozenset({ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP})


class DurationText(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on only
    """A duration such as `90s`, of at least so many seconds, checked and passed on as it was typed."""

    name = "duration"

    def __init__(self, least: float = 0.0) -> None:
        self._least = least

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value`, or refuse what is no duration."""
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds < self._least:
            self.fail(f"{value} is no time at all", param, ctx)
        return value


class SpecValue(click.ParamType):  # type: ignore[type-arg] # as above
    """The type of one value: checked against its spec, sent as it was typed."""

    def __init__(self, parameter: Option | Argument) -> None:
        self.parameter = parameter
        self.name = parameter.type

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's signature
        """Return the text as it came; fail when the spec does not allow it."""
        if value == ALONE:
            return value
        text = value.replace(TIED, "") if isinstance(value, str) else value_text(value)
        parameter = self.parameter
        if parameter.exists and ctx and not Site.of(ctx).is_here:
            parameter = msgspec.structs.replace(parameter, exists=False)  # it is looked for there
        try:
            check_value(parameter, text)
        except ValueError as error:
            # The message of a bad secret would show the secret, on the screen and in the shell's scrollback.
            hidden = "the value is not allowed (not shown: it is a secret)"
            is_secret = getattr(self.parameter, "secret", False)
            self.fail(hidden if is_secret else printable(str(error)), param, ctx)
        return text

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the choices or suggestions that begin with `incomplete`; files for a path."""
        from click.shell_completion import CompletionItem

        del ctx, param
        offered = self.parameter.choices or self.parameter.suggestions
        if self.parameter.type == "path" and not offered:
            return [CompletionItem(incomplete, type="file")]
        fold = str.lower if self.parameter.ignore_case else str
        texts = (one_line(value_text(value)) for value in offered)
        return [CompletionItem(text) for text in texts if fold(text).startswith(fold(incomplete))]


def _identifier(name: str) -> str:
    """Return click's name for an option. Dashes alone are replaced, so it is one to one."""
    return name.replace("-", "_")


class SpecOption(click.Option):
    """An option of a spec, knowing its declaration."""

    def __init__(self, option: Option) -> None:
        self.declared = option
        names = [f"--{name}" for name in (option.name, *option.aliases)]
        if option.negate:
            off = option.negate if option.negate.startswith("--") else f"--no-{option.name}"
            names[0] = f"{names[0]}/{off}"
        is_common = any(option.name == common.name for common in COMMON_OPTIONS)
        self.section = "Common options" if is_common else "Options"
        short = [f"-{option.short}"] if option.short else []
        super().__init__([_identifier(option.name), *short, *names], **_option_settings(option))
        if option.value_optional:
            self._flag_needs_value = True

    def value_from_envvar(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Read a bool by its text, as some releases of click take `0` for true; at a target, nothing."""
        if not Site.of(ctx).reads_environment:
            return None
        if self.declared.type != "bool":
            return super().value_from_envvar(ctx)
        # Not by the option's own method: click 8.2.1 gives the flag's value in place of the text.
        text = click.Parameter.resolve_envvar_value(self, ctx)
        if text is None and ctx.auto_envvar_prefix and self.name:
            text = os.environ.get(f"{ctx.auto_envvar_prefix}_{self.name.upper()}")
        try:
            return parse("bool", text) if text else None
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, self) from None


class SpecArgument(click.Argument):
    """A positional argument of a spec, knowing its declaration."""

    section = "Arguments"

    def __init__(self, argument: Argument) -> None:
        self.declared, self.hidden = argument, argument.hidden
        word = argument.metavar or _identifier(argument.name).upper()
        word = word if argument.required else f"[{word}]"
        self.usage_word = f"{word}..." if argument.multiple or argument.nargs else word
        many = argument.multiple
        super().__init__(
            [_identifier(argument.name)],
            type=SpecValue(argument),
            required=argument.required,
            # Click has no default for any number of values: `selection` puts it in.
            **_default_setting(None if many else argument.default),
            nargs=-1 if many else (argument.nargs or 1),
            metavar=self.usage_word,
            envvar=argument.envvar,
        )

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return its line of the help, which click leaves to a command's text."""
        del ctx
        return self.usage_word, help_text(self.declared)

    def value_from_envvar(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Read its variable, unless the environment is another's."""
        return super().value_from_envvar(ctx) if Site.of(ctx).reads_environment else None


def _option_settings(option: Option) -> dict[str, Any]:
    settings: dict[str, Any] = {
        **{key: getattr(option, key) for key in ("hidden", "envvar", "required")},
        "help": help_text(option),
        # Help shows the default from the spec: click's own way would also show a host's default map, which
        # may hold a password.
        "show_default": False,
    }
    if option.type == "bool":
        return settings | {"is_flag": True, "default": option.default, "type": click.BOOL}
    if option.type == "count":
        # Without a default click starts at 0 all the same, and 0 would count as given where it is required.
        return settings | {"count": True, "default": option.default}
    if option.value_optional:
        settings |= {"is_flag": False, "flag_value": ALONE}
    return settings | {
        "type": SpecValue(option),
        "metavar": f"[{_placeholder(option)}]" if option.value_optional else _placeholder(option),
        **_default_setting(option.default),
        "multiple": option.multiple is not None,
        "nargs": option.nargs or 1,
    }


def _default_setting(default: Any) -> dict[str, Any]:  # noqa: ANN401 - a scalar, a tuple or None
    """Return the setting of a default, none for None: click from 8.3 on takes None for a value."""
    if default is None:
        return {}
    is_list = isinstance(default, tuple)
    return {"default": tuple(map(value_text, default)) if is_list else value_text(default)}


def _placeholder(option: Option) -> str:
    if option.metavar:
        return one_line(option.metavar)
    if option.choices:
        return "[" + "|".join(one_line(value_text(choice)) for choice in option.choices) + "]"
    return {"str": "TEXT", "int": "INTEGER", "datetime": "TIME"}.get(option.type, option.type.upper())


def help_text(parameter: Option | Argument) -> str:
    """Return the help of one option: its text, and in brackets what the spec says of its value."""
    facts = "; ".join(_facts(parameter))
    return printable(" ".join((parameter.help, f"[{facts}]" if facts else "")).strip())


def _facts(p: Option | Argument) -> Iterator[str]:
    is_option = isinstance(p, Option)
    if p.deprecated:
        yield f"deprecated: {p.deprecated}" if isinstance(p.deprecated, str) else "deprecated"
    if p.envvar:
        yield "env: " + ", ".join(several(p.envvar))
    if p.default is not None:
        yield "default: " + ", ".join(map(value_text, several(p.default)))
    elif p.default_note:
        yield f"default: {p.default_note}, chosen by the script"
    yield from _bounds(p)
    if p.multiple:
        yield "may be repeated" if is_option else "any number"
    if p.required and not is_option:
        yield "required"  # click says it of options
    for name, value in p.required_if.items():
        yield f"required when --{name} is {value_text(value)}"
    if p.requires:
        yield "needs " + ", ".join(f"--{name}" for name in p.requires)


def _bounds(p: Option | Argument) -> Iterator[str]:
    is_range = p.min is not None and p.max is not None
    for text, value in (
        (f"{p.min} to {{}}", p.max if is_range else None),
        ("at least {}", None if is_range else p.min),
        ("at most {}", None if is_range else p.max),
        ("{} characters at most", p.max_length),
        ("{}", p.regex_help or None),
        ("at least {} of them", p.min_items),
        ("at most {} of them", p.max_items),
    ):
        if value is not None:
            yield text.format(value)


def tie_values(words: Sequence[str], options: Sequence[Option]) -> list[str]:
    """Return `words` so that click takes `--x=-1` for a value of an option with an optional value.

    Click looks whether the next word begins with a dash even when the value came in the same word, and
    takes the option to stand alone then: what was meant as its value would be read as another option.
    """
    starts: list[str] = []
    for option in options:
        if option.value_optional:
            starts += [f"--{name}=" for name in (option.name, *option.aliases)]
            starts += [f"-{option.short}"] if option.short else []
    tied = []
    # Behind `--` as well, which may itself be a value; `SpecValue` takes the mark away wherever it landed.
    for word in words:
        start = next((start for start in starts if word.startswith(f"{start}-")), None)
        tied.append(word if start is None else f"{start}{TIED}{word.removeprefix(start)}")
    return tied


def selection(ctx: click.Context) -> Selection:
    """Return what the operator chose, from a context that click has filled, or raise a UsageError."""
    values: dict[str, Value] = {}
    given: set[str] = set()
    for param in ctx.command.params:
        if not isinstance(param, (SpecOption, SpecArgument)) or param.name is None:
            continue
        declared = param.declared
        was_given = ctx.get_parameter_source(param.name) in GIVEN
        value = _plain(ctx.params.get(param.name))
        if value == [] and isinstance(declared.default, tuple):
            value = [value_text(item) for item in declared.default]
        if was_given:
            given.add(declared.name)
        if _is_set(declared, value, was_given=was_given):
            _check_items(ctx, param, value)
            values[declared.name] = value
        elif declared.required:
            # Click has missed it already, but for a count, which it starts at 0.
            raise click.MissingParameter(ctx=ctx, param=param)
    return Selection(values=values, given=frozenset(given))


def _plain(value: object) -> Any:  # noqa: ANN401 - a Value, or None
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return True if value == ALONE else value


def _is_set(declared: Option | Argument, value: object, *, was_given: bool) -> bool:
    if declared.type == "bool":
        # Judged by the source: some releases of click give False for a pair that nobody touched.
        return was_given or declared.default is not None
    return bool(value) if declared.type == "count" else value not in (None, [])


def _check_items(ctx: click.Context, param: SpecOption | SpecArgument, value: Value) -> None:
    number = len(value) if isinstance(value, list) and param.declared.multiple else None
    low, high = param.declared.min_items, param.declared.max_items
    if number is not None and low is not None and number < low:
        raise click.BadParameter(f"give at least {low}, not {number}", ctx, param)
    if number is not None and high is not None and number > high:
        raise click.BadParameter(f"give at most {high}, not {number}", ctx, param)
