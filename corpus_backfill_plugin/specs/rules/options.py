"""Rules for how a single option is handed over to the script. Paths are relative to its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus_backfill_plugin.specs.diagnostics import Finding
from corpus_backfill_plugin.specs.environment import denial
from corpus_backfill_plugin.specs.values import value_text
from corpus_backfill_plugin.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.specs.model import Option


def one_way_of_handing_over(option: Option) -> Iterator[Finding]:
    """A value goes by flag, by variable or by standard input: a second way would be a fallback."""
    if option.pass_env and option.pass_stdin:
        yield Finding(("pass-stdin",), "pass-env hands the value over already", "remove one of them")
    way = "pass-env" if option.pass_env else "pass-stdin" if option.pass_stdin else ""
    for key, flag in (("flag", option.flag), ("negate", option.negate)):
        if way and flag:
            yield Finding((key,), f"{way} hands the value over already", f"remove {key} or {way}")


def one_text_by_variable_or_stdin(option: Option) -> Iterator[Finding]:
    """A variable and standard input carry one text."""
    way = "pass-env" if option.pass_env else "pass-stdin" if option.pass_stdin else ""
    if not way:
        return
    if option.multiple in {"repeat", "spread"}:
        yield Finding(("multiple",), f"{way} carries one text", "write multiple = 'join'")
    if option.nargs:
        yield Finding(("nargs",), f"{way} carries one text", "write multiple = 'join' in place of nargs")
    if option.value_optional:
        yield Finding(("value-optional",), f"{way} has no flag that could stand alone", "remove it")


def variable_is_allowed(option: Option) -> Iterator[Finding]:
    """A variable that chooses code is not for values."""
    if option.pass_env and (reason := denial(option.pass_env)):
        what = f"{option.pass_env} is not for specs, it {reason}"
        yield Finding(("pass-env",), what, "use a variable of your own")


def secret_is_kept(option: Option) -> Iterator[Finding]:
    """A secret is on no argument list and in no help, and no error message names it."""
    if not option.secret:
        return
    if not (option.pass_env or option.pass_stdin):
        what = "other users of the machine can read an argument list"
        yield Finding(("secret",), what, "add pass-env = 'NAME' or pass-stdin = true")
    if option.type != "str":
        yield Finding(("type",), f"a secret is of type str, not {option.type}", "remove type")
    for key, shown in (
        ("default", option.default is not None),
        ("choices", option.choices),
        ("suggestions", option.suggestions),
    ):
        if shown:
            yield Finding((key,), "a secret must not stand in a file that others read", f"remove {key}")


def negate_turns_off(option: Option) -> Iterator[Finding]:
    """`negate` is the other flag of a bool."""
    if option.negate and option.type != "bool":
        yield Finding(("negate",), f"type {option.type} cannot be negated", "write type = 'bool'")
    elif option.negate and option.negate == option.script_flag:
        yield Finding(
            ("negate",), f"{quoted(option.negate)} is the flag itself", f"write '--no-{option.name}'"
        )


def multiple_is_sent_one_way(option: Option) -> Iterator[Finding]:
    """What cannot be told apart on an argument list is not offered."""
    if option.type in {"bool", "count"}:
        return
    if option.nargs and option.multiple in {"spread", "join"}:
        what = f"multiple = {quoted(option.multiple)} sends one list already"
        yield Finding(("nargs",), what, "use multiple = 'repeat', or remove nargs")
    for key, value in (("nargs", option.nargs), ("multiple", option.multiple)):
        if option.value_optional and value:
            yield Finding(("value-optional",), f"does not go with {key}", "remove one of them")


def separator_joins(option: Option) -> Iterator[Finding]:
    """`separator` is for `join`, and no declared value holds it."""
    if option.separator is not None and option.multiple != "join":
        yield Finding(
            ("separator",), "only multiple = 'join' has one", "write multiple = 'join', or remove it"
        )
    if option.multiple != "join":
        return
    separator = option.separator or ","
    default = option.default if isinstance(option.default, tuple) else ()
    for key, values in (("choices", option.choices), ("default", default)):
        for position, value in enumerate(values):
            if separator in value_text(value):
                what = f"{quoted(value)} holds the separator {quoted(separator)}"
                yield Finding((key, position), what, "choose another separator")


def role_fits(option: Option) -> Iterator[Finding]:
    """What the core relies on has the form that it relies on."""
    if option.role == "dry-run" and option.type != "bool":
        yield Finding(
            ("role",), f"'dry-run' is for a bool, not for type {option.type}", "write type = 'bool'"
        )
    if option.role == "limit" and (option.type != "int" or option.multiple or option.nargs):
        yield Finding(("role",), "'limit' is for a single whole number", "write type = 'int'")
    if option.role == "retry-items" and not (option.multiple or option.type == "path"):
        what = "'retry-items' is for what takes a list, or a file with one"
        yield Finding(("role",), what, "add multiple = 'repeat', or write type = 'path'")


RULES = (
    one_way_of_handing_over,
    one_text_by_variable_or_stdin,
    variable_is_allowed,
    secret_is_kept,
    negate_turns_off,
    multiple_is_sent_one_way,
    separator_joins,
    role_fits,
)
