"""Rules between options: required, required-if, requires, groups. A default never conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vocabulary.conftest import Call

A, B, C = ('[[option]]\nname = "a"\n', '[[option]]\nname = "b"\n', '[[option]]\nname = "c"\n')


def _group(rule: str) -> str:
    return f'{A}{B}{C}[[group]]\nmembers = ["a", "b"]\nrule = "{rule}"\n'


def _refused(call: Call, spec: str, *words: str) -> str:
    answer = call(spec, *words)
    assert answer.code == 2
    return answer.error


@pytest.mark.parametrize("keys", ["", 'multiple = "repeat"', "nargs = 2", 'type = "count"', 'type = "int"'])
def test_required_is_missed_by_name(keys: str, call: Call) -> None:
    assert _refused(call, f"{A}required = true\n{keys}").startswith("Missing option '--a'")


def test_required_is_met_by_the_environment(call: Call) -> None:
    assert call(f'{A}required = true\nenvvar = "A"', env={"A": "1"}).sent == ["--a", "1"]
    assert call(f"{A}required = true", default_map={"thing": {"a": "1"}}).sent == ["--a", "1"]


def test_requires_is_one_way(call: Call) -> None:
    spec = f'{A}requires = ["b"]\n{B}'
    assert _refused(call, spec, "--a", "1") == "--a needs --b as well"
    assert call(spec, "--b", "1").sent == ["--b", "1"]
    assert call(spec, "--a", "", "--b", "").sent == ["--a", "", "--b", ""]


def test_requires_is_satisfied_by_a_default_and_not_asked_by_one(call: Call) -> None:
    assert call(f'{A}requires = ["b"]\n{B}default = "d"', "--a", "1").sent == ["--a", "1", "--b", "d"]
    assert call(f'{A}requires = ["b"]\ndefault = "d"\n{B}').sent == ["--a", "d"]


def test_a_switch_that_is_off_neither_satisfies_nor_asks(call: Call) -> None:
    spec = f'{A}requires = ["b"]\n{B}type = "bool"\nnegate = "--no-b"\n'
    assert _refused(call, spec, "--a", "1", "--no-b") == "--a needs --b as well"
    asking = f'{A}type = "bool"\nnegate = "--no-a"\nrequires = ["b"]\n{B}'
    assert call(asking, "--no-a").sent == ["--no-a"]
    assert _refused(call, asking, "--a") == "--a needs --b as well"


def test_an_argument_is_named_as_in_usage(call: Call) -> None:
    argument = '[[argument]]\nname = "the-file"\n'
    assert (
        _refused(call, f'{A}requires = ["the-file"]\n{argument}', "--a", "1") == "--a needs THE_FILE as well"
    )
    assert _refused(call, f'{A}{argument}requires = ["a"]', "x") == "THE_FILE needs --a as well"


@pytest.mark.parametrize(
    ("keys", "condition", "words"),
    [
        pytest.param("", '"remote"', ("--b", "remote"), id="text"),
        pytest.param('type = "int"', "5", ("--b", "05"), id="a number spelt otherwise"),
        pytest.param('type = "float"', "1", ("--b", "1.0"), id="a fraction"),
        pytest.param('choices = ["x", "y"]\nignore-case = true', '"x"', ("--b", "X"), id="any case"),
        pytest.param('type = "bool"', "true", ("--b",), id="a switch that is on"),
        pytest.param('type = "bool"', "false", (), id="a switch that is off"),
        pytest.param('type = "count"', "2", ("--b", "--b"), id="a count"),
        pytest.param('multiple = "repeat"', '"x"', ("--b", "w", "--b", "x"), id="one of several"),
        pytest.param('default = "x"', '"x"', (), id="a default"),
    ],
)
def test_required_if_asks_when_the_condition_holds(
    keys: str, condition: str, words: tuple[str, ...], call: Call
) -> None:
    spec = f"{A}required-if = {{ b = {condition} }}\n{B}{keys}\n"
    asked = condition.strip('"')
    assert _refused(call, spec, *words) == f"--a is required when --b is {asked}"
    assert call(spec, *words, "--a", "").sent[:2] == ["--a", ""]


def test_required_if_asks_nothing_when_it_does_not_hold(call: Call) -> None:
    spec = f'{A}required-if = {{ b = "remote" }}\n{B}'
    assert call(spec, "--b", "local").sent == ["--b", "local"]
    assert call(spec).sent == []


def test_at_most_one(call: Call) -> None:
    spec = _group("at-most-one")
    assert call(spec).sent == []
    assert call(spec, "--a", "").sent == ["--a", ""]
    assert _refused(call, spec, "--b", "1", "--a", "2") == (
        "only one of --a, --b can be given, not --a, --b together"
    )


def test_exactly_one(call: Call) -> None:
    spec = _group("exactly-one")
    assert _refused(call, spec, "--c", "1") == "one of --a, --b is required"
    assert call(spec, "--b", "1").sent == ["--b", "1"]
    assert "only one of" in _refused(call, spec, "--b", "1", "--a", "2")


def test_at_least_one(call: Call) -> None:
    spec = _group("at-least-one")
    assert _refused(call, spec) == "one of --a, --b is required"
    assert call(spec, "--b", "1", "--a", "2").sent == ["--a", "2", "--b", "1"]


def test_all_or_none(call: Call) -> None:
    spec = _group("all-or-none")
    assert call(spec).sent == []
    assert _refused(call, spec, "--b", "1") == "--b needs --a as well"
    assert call(spec, "--b", "1", "--a", "2").sent == ["--a", "2", "--b", "1"]


@pytest.mark.parametrize("rule", ["at-most-one", "exactly-one"])
def test_a_default_gives_way_to_what_was_given(rule: str, call: Call) -> None:
    spec = f'{A}default = "d"\n{B}[[group]]\nmembers = ["a", "b"]\nrule = "{rule}"\n'
    assert call(spec).sent == ["--a", "d"]
    assert call(spec, "--b", "1").sent == ["--b", "1"]
    assert call(spec, "--a", "1").sent == ["--a", "1"]


def test_a_switch_that_is_off_is_not_one_of_a_group(call: Call) -> None:
    spec = f'{A}type = "bool"\nenvvar = "A"\n{B}[[group]]\nmembers = ["a", "b"]\nrule = "exactly-one"\n'
    assert call(spec, "--b", "1", env={"A": "0"}).sent == ["--b", "1"]
    assert call(spec, "--b", "1", env={"A": "1"}).code == 2


def test_all_that_is_wrong_is_said_at_once(call: Call) -> None:
    spec = f'{A}requires = ["c"]\n{B}{C}[[group]]\nmembers = ["a", "b"]\nrule = "at-most-one"\n'
    assert _refused(call, spec, "--a", "1", "--b", "2") == (
        "--a needs --c as well; only one of --a, --b can be given, not --a, --b together"
    )
