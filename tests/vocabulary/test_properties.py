"""Whatever the spec and the values: what argparse, set up the same way, reads is what the operator meant.

The parser is made from the spec, the operator's command line from the values; in between stands the
program. What no argument list can carry is refused with a usage error, never sent as something else.
"""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_backfill_plugin.command import checked_selection, command_for
from corpus_backfill_plugin.invocation import UnsendableError, arguments
from corpus_backfill_plugin.specs.catalog import LoadedSpec, SpecFile
from corpus_backfill_plugin.specs.checks import check_script
from corpus_backfill_plugin.specs.model import Argument, Option, Script

NEGATIVE = re.compile(r"-[0-9]+|-[0-9]*\.[0-9]+")
NAMES = ("alpha", "beta", "gamma", "delta-x", "e2")
SHORTS = "abgte"
TEXT = st.one_of(
    st.sampled_from(
        ["", "-", "--", "-v", "-1", "-1.5", "-1e5", "--alpha", "--beta=1", "a b", "- a", "=", "a=b", "a,b"]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "str": TEXT,
    "int": st.integers(-(10**6), 10**6).map(str),
    "float": st.floats(allow_nan=False, allow_infinity=False).map(repr),
}
READS: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float}


@dataclass(frozen=True)
class Case:
    """A spec, what the operator means, and how he types it."""

    script: Script
    meant: dict[str, Any]
    words: list[str]


@st.composite
def options(draw: st.DrawFn, position: int) -> Option:
    name = NAMES[position]
    kind: Any = draw(st.sampled_from(["str", "str", "int", "float", "bool", "count"]))
    flag = draw(st.sampled_from([None, f"--script-{name}", f"-{SHORTS[position]}", f"-{name}"]))
    if kind == "bool":
        negate = draw(st.sampled_from([None, f"--no-{name}"]))
        off = draw(st.booleans() if negate else st.sampled_from([None, False]))
        return Option(name=name, type="bool", flag=flag, negate=negate, default=off)
    if kind == "count":
        return Option(name=name, type="count", flag=flag, default=draw(st.sampled_from([None, 2])))
    form = draw(st.sampled_from(["one", "optional", "pair", "pairs", "repeat", "spread", "join"]))
    multiple: Any = {"pairs": "repeat", "repeat": "repeat", "spread": "spread", "join": "join"}.get(form)
    nargs = 2 if form in {"pair", "pairs"} else None
    default: Any = None
    if form != "pairs" and draw(st.booleans()):
        one = {"str": "d", "int": -3, "float": 0.5}[kind]
        default = (one, one) if multiple or nargs else one
    return Option(
        name=name,
        type=kind,
        flag=flag,
        multiple=multiple,
        nargs=nargs,
        value_optional=form == "optional",
        default=default,
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    declared = tuple(draw(options(i)) for i in range(draw(st.integers(0, len(NAMES)))))
    src, rest = Argument(name="src", required=True), Argument(name="rest", multiple=True)
    positional = draw(st.sampled_from([(), (src,), (src, rest)]))
    script = Script(spec_version=1, script="thing.py", common=(), option=declared, argument=positional)
    meant: dict[str, Any] = {}
    typed: list[list[str]] = []
    for option in declared:
        if draw(st.booleans()):
            meant[option.name], words = _operators(draw, option)
            typed.append(words)
    after: list[str] = []
    for argument in positional:
        many = draw(st.lists(TEXT, max_size=3)) if argument.multiple else [draw(TEXT)]
        meant[argument.name] = many if argument.multiple else many[0]
        after += many
    words = [word for group in draw(st.permutations(typed)) for word in group]
    return Case(script, meant, [*words, "--", *after] if after else words)


def _operators(draw: st.DrawFn, option: Option) -> tuple[Any, list[str]]:
    """Return what the operator means by one option, and the words in which he says it."""
    name = f"--{option.name}"
    if option.type == "bool":
        on = draw(st.booleans()) if option.negate else True
        return on, [name if on else str(option.negate)]
    if option.type == "count":
        times = draw(st.integers(1, 3))
        return times, [name] * times
    if option.value_optional and draw(st.booleans()):
        return True, [name]
    value = VALUES[option.type]
    if option.nargs:
        times = draw(st.integers(1, 2)) if option.multiple else 1
        groups = [[draw(value) for _ in range(option.nargs)] for _ in range(times)]
        return groups if option.multiple else groups[0], [w for group in groups for w in (name, *group)]
    texts = draw(st.lists(value, min_size=1, max_size=3)) if option.multiple else [draw(value)]
    return texts if option.multiple else texts[0], [f"{name}={text}" for text in texts]


def parser(script: Script) -> argparse.ArgumentParser:
    """Return the parser that a script of this spec would have."""
    made = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for option in script.option:
        flag, dest = option.script_flag, option.name
        if option.type == "bool":
            made.add_argument(flag, action="store_true", dest=dest, default=None)
            if option.negate:
                made.add_argument(option.negate, action="store_false", dest=dest, default=None)
        elif option.type == "count":
            made.add_argument(flag, action="count", dest=dest)
        elif option.multiple == "repeat":
            made.add_argument(flag, action="append", nargs=option.nargs, dest=dest)
        elif option.multiple == "spread":
            made.add_argument(flag, nargs="+", dest=dest)
        elif option.value_optional:
            made.add_argument(flag, nargs="?", const=True, dest=dest)
        else:
            made.add_argument(flag, nargs=option.nargs, dest=dest)
    for argument in script.argument:
        made.add_argument(argument.name, nargs="*" if argument.multiple else None)
    return made


def expected(case: Case) -> dict[str, Any]:
    """Return what the script should read: what was meant, else the spec's default, else nothing."""
    values: dict[str, Any] = {}
    for option in case.script.option:
        default = list(option.default) if isinstance(option.default, tuple) else option.default
        values[option.name] = case.meant.get(option.name, default)
        if option.type == "bool" and values[option.name] is False and not option.negate:
            values[option.name] = None
    return values | {argument.name: case.meant[argument.name] for argument in case.script.argument}


def _as_read(option: Option, value: object) -> object:
    """Return what argparse has read in the form of what was meant: values by their type."""
    if option.multiple == "join" and isinstance(value, str):
        value = value.split(",")
    if isinstance(value, list):
        return [_as_read(Option(name="item", type=option.type), item) for item in value]
    return value if value is None or isinstance(value, bool) else READS[option.type](str(value))


def sent(case: Case) -> list[str]:
    """Return the argument list that the program makes of the operator's words."""
    spec = LoadedSpec(SpecFile("thing", "server", Path("thing.toml")), case.script)
    command = command_for(spec)
    with command.make_context("thing", list(case.words)) as ctx:
        return list(arguments(case.script, checked_selection(ctx, case.script)))


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_argparse_reads_what_the_operator_meant(case: Case) -> None:
    assert check_script(case.script, "thing") == [], "the strategy makes sound specs"
    if _cannot_be_sent(case):
        with pytest.raises(UnsendableError):
            sent(case)
        return
    words = sent(case)
    read = vars(parser(case.script).parse_args(words))
    named = {option.name: option for option in case.script.option if option.type in READS}
    wanted = expected(case)
    for name, value in wanted.items():
        if name in named:
            assert _as_read(named[name], read[name]) == _as_read(named[name], value)
        else:
            assert read[name] == value


def _cannot_be_sent(case: Case) -> bool:
    """Whether some value is of those that no spelling carries to argparse."""
    for option in case.script.option:
        value = case.meant.get(
            option.name, list(option.default) if isinstance(option.default, tuple) else None
        )
        groups = value if isinstance(value, list) else [value]
        flat = [t for group in groups for t in (group if isinstance(group, list) else [group])]
        texts = [str(t) for t in flat if t is not None and not isinstance(t, bool)]
        together = option.multiple == "spread" or option.nargs
        if ("--" in texts and option.multiple != "join") or texts == ["--"]:
            return True
        if together and any(
            text.startswith("-") and text != "-" and not NEGATIVE.fullmatch(text) for text in texts
        ):
            return True
        if option.multiple == "join" and any("," in text for text in texts):
            return True
    return "--" in [t for a in case.script.argument for t in _flat(case.meant[a.name])]


def _flat(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, max_size=6))
def test_any_words_end_in_an_argument_list_or_a_usage_error(words: list[str]) -> None:
    script = Script(
        spec_version=1,
        script="thing.py",
        option=(
            Option(name="alpha", value_optional=True, short="a"),
            Option(name="beta", multiple="spread", type="int"),
            Option(name="gamma", type="bool", negate="--no-gamma"),
        ),
        argument=(Argument(name="rest", multiple=True),),
    )
    try:
        made = sent(Case(script, {}, words))
    except (UnsendableError, click.UsageError, click.exceptions.Exit):
        return  # refused, or helped: both are answers
    assert not any("\0" in word for word in made)
