"""Options and arguments of a spec as click parameters.

Click finds the words, the variables and the host's defaults, in that order; what a value must look like
is checked by `specs.values`, and the operator's own text is kept: a parsed date would be written anew.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from corpus_backfill_plugin.specs.selection import Selection, Value
from corpus_backfill_plugin.specs.values import (
    FALSE_TEXTS,
    TRUE_TEXTS,
    check_value,
    parse_duration,
    value_text,
)
from corpus_backfill_plugin.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from click.shell_completion import CompletionItem

    from corpus_backfill_plugin.specs.model import Argument, Option

ALONE = "\0alone"
"""Stands for an option with an optional value that was given without one; no argument can hold a NUL."""

TIED = "\0="
"""Stands before a value that was tied to its option by `=`, see `tie_values`."""

GIVEN = frozenset({ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP})


class DurationText(click.ParamType):  # type: ignore[type-arg] # as below
    """A duration such as `90s`, checked and passed on as it was typed; `parse_duration` gives its seconds.

    Args:
        least: the fewest seconds allowed.
    """

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


class SpecValue(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on only
    """The type of one value: checked against its spec, sent as it was typed."""

    def __init__(self, parameter: Option | Argument) -> None:
        self.parameter = parameter
        self.name = parameter.type
        self.secret = bool(getattr(parameter, "secret", False))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's signature
        """Return the text as it came; fail when the spec does not allow it."""
        if value == ALONE:
            return value
        text = value.replace(TIED, "") if isinstance(value, str) else value_text(value)
        try:
            check_value(self.parameter, text)
        except ValueError as error:
            # The message of a bad secret would show the secret, on the screen and in the shell's scrollback.
            self.fail(
                "the value is not allowed (not shown: it is a secret)"
                if self.secret
                else printable(str(error)),
                param,
                ctx,
            )
        return text

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the choices or suggestions that begin with `incomplete`; files for a path."""
        from click.shell_completion import CompletionItem

        del ctx, param
        if self.parameter.type == "path" and not self.parameter.choices and not self.parameter.suggestions:
            return [CompletionItem(incomplete, type="file")]
        offered = [value_text(choice) for choice in self.parameter.choices] or list(
            self.parameter.suggestions
        )
        start = incomplete.lower() if self.parameter.ignore_case else incomplete
        return [
            CompletionItem(text)
            for text in map(one_line, offered)
            if (text.lower() if self.parameter.ignore_case else text).startswith(start)
        ]


def parameter_name(name: str) -> str:
    """Return click's name for an option, an identifier. Dashes alone are replaced, so it is one to one."""
    return name.replace("-", "_")


class SpecOption(click.Option):
    """An option of a spec, knowing its declaration."""

    def __init__(self, option: Option) -> None:
        self.declared = option
        super().__init__(_declarations(option), **_option_settings(option))
        if option.value_optional:
            self._flag_needs_value = True

    def _variable(self, ctx: click.Context) -> str | None:
        """Return the text of the option's variable; click 8.2.1 gives the flag's value in its place."""
        text = click.Parameter.resolve_envvar_value(self, ctx)
        if text is None and ctx.auto_envvar_prefix and self.name:
            text = os.environ.get(f"{ctx.auto_envvar_prefix}_{self.name.upper()}")
        return text or None

    def value_from_envvar(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Read a bool by its text: some releases of click take `0` for true."""
        if self.declared.type != "bool":
            return super().value_from_envvar(ctx)
        text = self._variable(ctx)
        if text is None:
            return None
        if text.strip().lower() not in TRUE_TEXTS | FALSE_TEXTS:
            raise click.BadParameter(f"{one_line(text)!r} is neither true nor false", ctx, self)
        return text.strip().lower() in TRUE_TEXTS


class SpecArgument(click.Argument):
    """A positional argument of a spec, knowing its declaration."""

    def __init__(self, argument: Argument) -> None:
        self.declared = argument
        self.usage_word = _usage_word(argument)
        many = argument.multiple
        super().__init__(
            [parameter_name(argument.name)],
            type=SpecValue(argument),
            required=argument.required,
            # Click has no default for any number of values: `selection` puts it in.
            **_default_setting(None if many else argument.default),
            nargs=-1 if many else (argument.nargs or 1),
            metavar=self.usage_word,
            envvar=argument.envvar,
        )


def _declarations(option: Option) -> list[str]:
    names = [f"--{name}" for name in (option.name, *option.aliases)]
    if option.negate:
        off = option.negate if option.negate.startswith("--") else f"--no-{option.name}"
        names[0] = f"{names[0]}/{off}"
    return [parameter_name(option.name), *([f"-{option.short}"] if option.short else []), *names]


def _option_settings(option: Option) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "help": help_text(option),
        "hidden": option.hidden,
        "envvar": option.envvar,
        "required": option.required,
        # Help shows the default from the spec: click's own way would also show a host's default map, which
        # may hold a password.
        "show_default": False,
    }
    if option.type == "bool":
        return settings | {
            "is_flag": True,
            "default": option.default,
            "type": click.BOOL,
        }
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


def _default_setting(default: object) -> dict[str, Any]:
    """Return the setting of a default, none for None: click from 8.3 on takes None for a value."""
    return {} if default is None else {"default": _default(default)}


def _default(default: Any) -> Any:  # noqa: ANN401 - a scalar or a tuple in, a text or texts out, as click wants
    return tuple(map(value_text, default)) if isinstance(default, tuple) else value_text(default)


def _placeholder(parameter: Option | Argument) -> str:
    if parameter.metavar:
        return one_line(parameter.metavar)
    if parameter.choices:
        return "[" + "|".join(one_line(value_text(choice)) for choice in parameter.choices) + "]"
    if not hasattr(parameter, "flag"):
        return parameter.name.upper().replace("-", "_")
    return {"str": "TEXT", "int": "INTEGER", "datetime": "TIME"}.get(parameter.type, parameter.type.upper())


def _usage_word(argument: Argument) -> str:
    """Return how usage shows an argument: in brackets where it may be left out, with dots for several."""
    word = argument.metavar or argument.name.upper().replace("-", "_")
    word = word if argument.required else f"[{word}]"
    return f"{word}..." if argument.multiple or argument.nargs else word


def help_text(option: Option | Argument) -> str:
    """Return the help of one option: its text, and in brackets what the spec says of its value."""
    facts = []
    if option.deprecated:
        facts.append(
            f"deprecated: {option.deprecated}" if isinstance(option.deprecated, str) else "deprecated"
        )
    if option.envvar:
        names = option.envvar if isinstance(option.envvar, tuple) else (option.envvar,)
        facts.append("env: " + ", ".join(names))
    if option.default is not None:
        values = option.default if isinstance(option.default, tuple) else (option.default,)
        facts.append("default: " + ", ".join(map(value_text, values)))
    elif option.default_note:
        facts.append(f"default: {option.default_note}, chosen by the script")
    facts.extend(_bounds(option))
    if option.multiple:
        facts.append("may be repeated" if hasattr(option, "flag") else "any number")
    if option.required and not hasattr(option, "flag"):
        facts.append("required")  # click says it of options
    facts.extend(
        f"required when --{name} is {value_text(value)}" for name, value in option.required_if.items()
    )
    if option.requires:
        facts.append("needs " + ", ".join(f"--{name}" for name in option.requires))
    return printable(" ".join((option.help, f"[{'; '.join(facts)}]" if facts else "")).strip())


def _bounds(option: Option | Argument) -> Iterator[str]:
    low, high = option.min, option.max
    if low is not None and high is not None:
        yield f"{low} to {high}"
        low = high = None
    for text, value in (
        ("at least {}", low),
        ("at most {}", high),
        ("{} characters at most", option.max_length),
        ("{}", option.regex_help or None),
        ("at least {} of them", option.min_items),
        ("at most {} of them", option.max_items),
    ):
        if value is not None:
            yield text.format(value)


def tie_values(words: Sequence[str], options: Sequence[Option]) -> list[str]:
    """Return `words` so that click takes `--x=-1` for a value of an option with an optional value.

    Click looks whether the next word begins with a dash even when the value came in the same word, and
    takes the option to stand alone then: what was meant as its value would be read as another option.
    """
    starts = tuple(
        start
        for option in options
        if option.value_optional
        for start in (
            *(f"--{name}=" for name in (option.name, *option.aliases)),
            *([f"-{option.short}"] if option.short else []),
        )
    )
    # Behind `--` as well, which may itself be a value; `SpecValue` takes the mark away wherever it landed.
    return [_tied(word, starts) for word in words] if starts else list(words)


def _tied(word: str, starts: tuple[str, ...]) -> str:
    start = next((start for start in starts if word.startswith(f"{start}-")), None)
    return word if start is None else f"{start}{TIED}{word.removeprefix(start)}"


def selection(ctx: click.Context) -> Selection:
    """Return what the operator chose, from a context that click has filled.

    Raises:
        click.UsageError: a required one is missing, or there are fewer or more values than `min-items` and
            `max-items` allow.
    """
    values: dict[str, Value] = {}
    given: set[str] = set()
    for param in ctx.command.params:
        if not isinstance(param, (SpecOption, SpecArgument)) or param.name is None:
            continue
        name = param.declared.name
        was_given = ctx.get_parameter_source(param.name) in GIVEN
        value = _plain(ctx.params.get(param.name))
        if value == [] and isinstance(param.declared.default, tuple):
            value = _plain(_default(param.declared.default))
        if was_given:
            given.add(name)
        if _is_set(param, value, was_given=was_given):
            _check_items(ctx, param, value)
            values[name] = value
        elif param.declared.required:
            # Click has missed it already, but for a count, which it starts at 0.
            raise click.MissingParameter(ctx=ctx, param=param)
    return Selection(values=values, given=frozenset(given))


def _plain(value: object) -> Any:  # noqa: ANN401 - a Value, or None
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return True if value == ALONE else value


def _is_set(param: SpecOption | SpecArgument, value: object, *, was_given: bool) -> bool:
    declared = param.declared
    if declared.type == "bool":
        # Judged by the source: some releases of click give False for a pair that nobody touched.
        return was_given or declared.default is not None
    if declared.type == "count":
        return bool(value)
    return value is not None and value != []


def _check_items(ctx: click.Context, param: SpecOption | SpecArgument, value: Value) -> None:
    declared = param.declared
    if not isinstance(value, list) or not declared.multiple:
        return
    number, low, high = len(value), declared.min_items, declared.max_items
    if low is not None and number < low:
        raise click.BadParameter(f"give at least {low}, not {number}", ctx, cast("click.Parameter", param))
    if high is not None and number > high:
        raise click.BadParameter(f"give at most {high}, not {number}", ctx, cast("click.Parameter", param))
