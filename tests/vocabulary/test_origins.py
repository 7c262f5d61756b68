"""Where a value comes from: command line, environment, the host's default map, the spec's default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vocabulary.conftest import Call

X = '[[option]]\nname = "x-y"\n'


def test_command_line_goes_before_environment_before_default_map_before_default(call: Call) -> None:
    spec = f'{X}envvar = "XY"\ndefault = "spec"\n'
    env, hosts = {"XY": "env"}, {"thing": {"x_y": "host"}}
    assert call(spec, "--x-y", "line", env=env, default_map=hosts).sent == ["--x-y", "line"]
    assert call(spec, env=env, default_map=hosts).sent == ["--x-y", "env"]
    assert call(spec, default_map=hosts).sent == ["--x-y", "host"]
    assert call(spec).sent == ["--x-y", "spec"]


def test_what_was_given_is_told_from_a_default(call: Call) -> None:
    spec = f'{X}envvar = "XY"\ndefault = "spec"\n'
    assert call(spec).request.given == ()
    assert call(spec, env={"XY": "env"}).request.given == ("x-y",)
    assert call(spec, default_map={"thing": {"x_y": "host"}}).request.given == ("x-y",)


def test_an_empty_variable_is_none(call: Call) -> None:
    assert call(f'{X}envvar = "XY"\ndefault = "spec"\n', env={"XY": ""}).sent == ["--x-y", "spec"]


def test_the_first_variable_that_is_set_counts(call: Call) -> None:
    spec = f'{X}envvar = ["A", "B"]\n'
    assert call(spec, env={"A": "1", "B": "2"}).sent == ["--x-y", "1"]
    assert call(spec, env={"B": "2"}).sent == ["--x-y", "2"]


def test_a_value_of_the_environment_is_checked(call: Call) -> None:
    answer = call(f'{X}envvar = "XY"\ntype = "int"\n', env={"XY": "many"})
    assert answer.code == 2
    assert "'many' is not a whole number" in answer.error


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("1", ["--x-y"]), ("true", ["--x-y"]), ("Yes", ["--x-y"]), ("on", ["--x-y"]),
        ("0", []), ("false", []), ("No", []), ("off", []), ("", []),
    ],
)  # fmt: skip
def test_a_bool_of_the_environment_is_read_by_its_text(text: str, sent: list[str], call: Call) -> None:
    assert call(f'{X}type = "bool"\nenvvar = "XY"\n', env={"XY": text}).sent == sent


def test_a_bool_of_the_environment_can_be_negated(call: Call) -> None:
    spec = f'{X}type = "bool"\nenvvar = "XY"\nnegate = "--no-x-y"\n'
    assert call(spec, env={"XY": "0"}).sent == ["--no-x-y"]
    assert call(spec, "--x-y", env={"XY": "0"}).sent == ["--x-y"]
    assert "'maybe' is neither true nor false" in call(spec, env={"XY": "maybe"}).error


def test_a_count_of_the_environment_is_a_number(call: Call) -> None:
    spec = f'{X}type = "count"\nenvvar = "XY"\n'
    assert call(spec, env={"XY": "2"}).sent == ["--x-y", "--x-y"]
    assert call(spec, env={"XY": "two"}).code == 2


def test_several_values_of_the_environment_stand_between_blanks(call: Call) -> None:
    spec = f'{X}multiple = "repeat"\nenvvar = "XY"\n'
    assert call(spec, env={"XY": "a  b"}).sent == ["--x-y", "a", "--x-y", "b"]


def test_an_argument_is_read_from_the_environment(call: Call) -> None:
    spec = '[[argument]]\nname = "a"\nrequired = true\nenvvar = "XY"\n'
    assert call(spec, env={"XY": "v"}).sent == ["--", "v"]
    assert call(spec, "w", env={"XY": "v"}).sent == ["--", "w"]


@pytest.mark.parametrize(
    ("keys", "value", "sent"),
    [
        pytest.param('type = "int"', 5, ["--x-y", "5"], id="a number"),
        pytest.param('type = "float"', 0.5, ["--x-y", "0.5"], id="a fraction"),
        pytest.param('type = "bool"', True, ["--x-y"], id="true"),
        pytest.param('type = "bool"', False, [], id="false"),
        pytest.param('type = "bool"', "true", ["--x-y"], id="true as text"),
        pytest.param('type = "bool"\nnegate = "--no-x-y"', False, ["--no-x-y"], id="false of a pair"),
        pytest.param('type = "count"', 2, ["--x-y", "--x-y"], id="a count"),
        pytest.param('multiple = "repeat"', ["a", "b"], ["--x-y", "a", "--x-y", "b"], id="a list"),
        pytest.param("nargs = 2", ["a", "b"], ["--x-y", "a", "b"], id="a pair"),
        pytest.param('choices = ["a"]', "a", ["--x-y", "a"], id="a choice"),
        pytest.param("value-optional = true", "a", ["--x-y", "a"], id="an optional value"),
    ],
)
def test_the_hosts_default_map_holds_values_of_any_kind(
    keys: str, value: object, sent: list[str], call: Call
) -> None:
    assert call(X + keys, default_map={"thing": {"x_y": value}}).sent == sent


def test_a_bad_value_of_the_default_map_is_refused(call: Call) -> None:
    answer = call(f'{X}type = "int"', default_map={"thing": {"x_y": "many"}})
    assert answer.code == 2
    assert "'many' is not a whole number" in answer.error


def test_the_hosts_prefix_names_variables(call: Call) -> None:
    env = {"HOST_THING_X_Y": "1", "HOST_THING_DRY_RUN": "0"}
    assert call(X, env=env, prefix="HOST").sent == ["--x-y", "1"]
    assert call(X, env=env | {"HOST_THING_DRY_RUN": "1"}, prefix="HOST").sent == ["--dry-run", "--x-y", "1"]


def test_the_database_is_read_from_its_variable(call: Call) -> None:
    job = call("", env={"DATABASE_URL": "sqlite:///a"}).job
    assert job.environ["DATABASE_URL"] == "sqlite:///a"
    assert (
        call("", "-d", "sqlite:///b", env={"DATABASE_URL": "sqlite:///a"}).job.environ["DATABASE_URL"]
        == "sqlite:///b"
    )
