"""How values become an argument list: order, spelling, several values, positionals, constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vocabulary.conftest import Call

X = '[[option]]\nname = "x"\n'
Y = '[[option]]\nname = "y"\n'


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        pytest.param("-v", ["--x=-v"], id="like an option"),
        pytest.param("-1", ["--x=-1"], id="a negative number"),
        pytest.param("-", ["--x=-"], id="one dash"),
        pytest.param("--y=1", ["--x=--y=1"], id="like a long option"),
        pytest.param("a-b", ["--x", "a-b"], id="a dash within"),
    ],
)
def test_a_value_with_a_dash_is_sent_in_one_word(value: str, sent: list[str], call: Call) -> None:
    assert call(X, f"--x={value}").sent == sent


def test_a_short_flag_has_no_equals_sign(call: Call) -> None:
    assert call(f'{X}flag = "-x"', "--x=-v").sent == ["-x-v"]
    assert call(f'{X}flag = "-x"', "--x", "v").sent == ["-x", "v"]
    assert call(f'{X}flag = "-xy"', "--x=-v").sent == ["-xy=-v"]


def test_two_dashes_cannot_be_sent_and_are_refused(call: Call) -> None:
    answer = call(X, "--x=--")
    assert answer.code == 2
    assert answer.error.splitlines()[0] == "--x: the value can't be just two dashes"


def test_a_default_is_sent_and_its_absence_is_not(call: Call) -> None:
    assert call(f'{X}default = "d"').sent == ["--x", "d"]
    assert call(f'{X}default = ""').sent == ["--x", ""]
    assert call(f'{X}type = "int"\ndefault = 0').sent == ["--x", "0"]
    assert call(f'{X}type = "float"\ndefault = 0.5').sent == ["--x", "0.5"]
    assert call(f'{X}default-note = "what the script likes"').sent == []


def test_the_order_is_the_specs_whatever_was_typed_first(call: Call) -> None:
    assert call(X + Y, "--y", "2", "--limit", "1", "--x", "3").sent == [
        "--limit", "1", "--x", "3", "--y", "2"
    ]  # fmt: skip


def test_flag_is_the_scripts_spelling(call: Call) -> None:
    assert call(f'{X}flag = "--max_rows"', "--x", "1").sent == ["--max_rows", "1"]
    assert call(f'{X}type = "bool"\nflag = "-q"', "--x").sent == ["-q"]


def test_short_and_aliases_mean_the_same(call: Call) -> None:
    spec = f'{X}short = "s"\naliases = ["ex", "old-x"]'
    for words in (("-s", "1"), ("-s1",), ("--ex", "1"), ("--old-x=1",)):
        assert call(spec, *words).sent == ["--x", "1"]


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        pytest.param('multiple = "repeat"', ["--x", "a", "--x=-b", "--x", ""], id="repeat"),
        pytest.param('multiple = "join"', ["--x", "a,-b,"], id="join"),
        pytest.param('multiple = "join"\nseparator = " ; "', ["--x", "a ; -b ; "], id="join by its own"),
    ],
)
def test_multiple_is_sent_one_way(keys: str, sent: list[str], call: Call) -> None:
    assert call(X + keys, "--x", "a", "--x=-b", "--x", "").sent == sent
    assert call(X + keys).sent == []


def test_spread_sends_one_flag(call: Call) -> None:
    spec = f'{X}multiple = "spread"'
    assert call(spec, "--x", "a", "--x=-1", "--x", "-", "--x", "").sent == ["--x", "a", "-1", "-", ""]
    assert call(spec).sent == []


@pytest.mark.parametrize("value", ["-v", "--", "-1e5", "-1\n"])
def test_spread_refuses_what_argparse_would_take_for_an_option(value: str, call: Call) -> None:
    answer = call(f'{X}multiple = "spread"', "--x", "a", f"--x={value}")
    assert answer.code == 2
    assert answer.error.startswith("--x: a value that begins with a dash can't be sent among several")


def test_join_refuses_a_value_with_the_separator(call: Call) -> None:
    answer = call(f'{X}multiple = "join"', "--x", "a,b")
    assert answer.code == 2
    assert answer.error.startswith("--x: 'a,b' holds ',', which stands between values; give --x once for")


def test_items_are_counted(call: Call) -> None:
    spec = f'{X}multiple = "repeat"\nmin-items = 2\nmax-items = 3'
    assert call(spec).sent == []
    assert call(spec, *["--x", "a"] * 2).sent == ["--x", "a"] * 2
    assert "give at least 2, not 1" in call(spec, "--x", "a").error
    assert "give at most 3, not 4" in call(spec, *["--x", "a"] * 4).error


def test_each_of_several_is_checked(call: Call) -> None:
    answer = call(f'{X}multiple = "repeat"\ntype = "int"', "--x", "1", "--x", "b")
    assert answer.code == 2
    assert "'b' is not a whole number" in answer.error


def test_several_have_a_default(call: Call) -> None:
    spec = f'{X}default = ["a", "b"]\nmultiple = '
    assert call(f'{spec}"repeat"').sent == ["--x", "a", "--x", "b"]
    assert call(f'{spec}"spread"').sent == ["--x", "a", "b"]
    assert call(f'{spec}"join"').sent == ["--x", "a,b"]
    assert call(f'{spec}"join"', "--x", "c").sent == ["--x", "c"]


def test_nargs_takes_a_fixed_number(call: Call) -> None:
    spec = f"{X}nargs = 2"
    assert call(spec, "--x", "a", "-1").sent == ["--x", "a", "-1"]
    assert call(spec, "--x", "a").code == 2
    assert call(f'{X}nargs = 2\ndefault = ["a", "b"]').sent == ["--x", "a", "b"]
    assert call(f'{spec}\nmultiple = "repeat"', *("--x", "a", "b") * 2).sent == ["--x", "a", "b"] * 2
    assert "is not a whole number" in call(f'{spec}\ntype = "int"', "--x", "1", "b").error


def test_an_optional_value_may_be_left_out(call: Call) -> None:
    spec = f"{X}value-optional = true\n{Y}"
    assert call(spec).sent == []
    assert call(spec, "--x").sent == ["--x"]
    assert call(spec, "--x", "--y", "1").sent == ["--x", "--y", "1"]
    assert call(spec, "--x", "a").sent == ["--x", "a"]
    assert call(spec, "--x=").sent == ["--x", ""]
    assert call(spec, "--x=-1").sent == ["--x=-1"]
    assert call(spec, "--x=--y=1").sent == ["--x=--y=1"]
    assert call(spec, "--y", "--x=-1").sent == ["--y=--x=-1"]
    assert call(spec, "--", "--x=-1").error.endswith("Got unexpected extra argument (--x=-1)")
    assert call(f'{X}value-optional = true\ndefault = "d"').sent == ["--x", "d"]
    assert call(f'{X}value-optional = true\ndefault = "d"', "--x").sent == ["--x"]


ARGUMENTS = '[[argument]]\nname = "src"\nrequired = true\n[[argument]]\nname = "the-rest"\nmultiple = true\n'


def test_arguments_come_last_after_two_dashes(call: Call) -> None:
    assert call(X + ARGUMENTS, "a", "--x", "1", "b").sent == ["--x", "1", "--", "a", "b"]
    assert call(ARGUMENTS, "--", "-a", "--b").sent == ["--", "-a", "--b"]
    assert call(ARGUMENTS, "").sent == ["--", ""]


def test_a_missing_argument_is_named(call: Call) -> None:
    answer = call(ARGUMENTS)
    assert answer.code == 2
    assert "Missing argument 'SRC'" in answer.error


def test_an_argument_of_two_dashes_is_refused(call: Call) -> None:
    answer = call(ARGUMENTS, "a", "--", "--")
    assert answer.code == 2
    assert "an argument can't be just two dashes" in answer.error


def test_arguments_are_checked_and_have_defaults(call: Call) -> None:
    count = '[[argument]]\nname = "count"\ntype = "int"\nmin = 1\n'
    assert "0 is less than 1" in call(count, "0").error
    assert call(f"{count}default = 5").sent == ["--", "5"]
    assert call(f"{count}default = 5", "7").sent == ["--", "7"]
    many = '[[argument]]\nname = "words"\nmultiple = true\n'
    assert call(f'{many}default = ["a", "b"]').sent == ["--", "a", "b"]
    assert call(f'{many}default = ["a", "b"]', "c").sent == ["--", "c"]
    assert "give at least 2, not 1" in call(f"{many}min-items = 2", "a").error
    assert call('[[argument]]\nname = "pair"\nnargs = 2\n', "a", "b").sent == ["--", "a", "b"]


def test_a_default_never_takes_the_place_of_an_argument_before_it(call: Call) -> None:
    spec = '[[argument]]\nname = "a"\n[[argument]]\nname = "b"\ndefault = "d"\n'
    assert call(spec).sent == []
    assert call(spec, "x").sent == ["--", "x", "d"]


def test_an_argument_is_not_given_without_the_one_before_it(call: Call) -> None:
    spec = '[[argument]]\nname = "a"\n[[argument]]\nname = "b"\nenvvar = "B"\n'
    answer = call(spec, env={"B": "1"})
    assert answer.code == 2
    assert "B can't be given without A, which stands before it" in answer.error


def test_constants_and_subcommand_have_their_places(call: Call) -> None:
    spec = (
        'script = "thing.py"\nfixed-args = ["--mode", "a b"]\nsubcommand = "fill"\n'
        f'{X}before-subcommand = true\n{Y}[[argument]]\nname = "a"\n'
    )
    assert call(spec, "v", "--y", "2", "--x", "1").sent == [
        "--mode", "a b", "--x", "1", "fill", "--y", "2", "--", "v"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param('multiple = "spread"', ("--x", "a"), id="spread"),
        pytest.param("value-optional = true", ("--x",), id="an optional value left out"),
    ],
)
def test_the_subcommand_is_never_taken_for_a_value(keys: str, words: tuple[str, ...], call: Call) -> None:
    spec = f'script = "thing.py"\nsubcommand = "fill"\n{X}before-subcommand = true\n{keys}\n'
    answer = call(spec, *words)
    assert answer.code == 2
    assert "--x: nothing ends its values before fill" in answer.error
    ended = f"{spec}{Y}before-subcommand = true\n"
    assert call(ended, *words, "--y", "1").sent == [*words, "--y", "1", "fill"]


def test_env_sets_constants(call: Call) -> None:
    job = call('script = "thing.py"\nenv = { REGION = "eu", EMPTY = "" }\n').job
    assert job.environ == {"REGION": "eu", "EMPTY": "", "PYTHONUNBUFFERED": "1"}
    assert job.stdin is None


def test_a_value_goes_by_variable_and_nowhere_else(call: Call) -> None:
    job = call(f'{X}pass-env = "WORD"', "--x", "-- 0").job
    assert job.arguments == ()
    assert job.environ["WORD"] == "-- 0"
    assert "WORD" not in call(f'{X}pass-env = "WORD"').job.environ
    joined = call(f'{X}pass-env = "WORD"\nmultiple = "join"', "--x", "a", "--x", "b")
    assert joined.job.environ["WORD"] == "a,b"
    assert call(f'{X}pass-env = "ON"\ntype = "bool"', "--x").job.environ["ON"] == "1"


def test_a_value_goes_by_standard_input_and_nowhere_else(call: Call) -> None:
    job = call(f"{X}pass-stdin = true", "--x", "größe\n").job
    assert (job.arguments, job.stdin) == ((), "größe\n")
    assert job.environ == {"PYTHONUNBUFFERED": "1"}
    assert call(f"{X}pass-stdin = true", "--x", "").job.stdin == ""


def test_a_common_option_can_be_left_out_or_spelt_otherwise(call: Call) -> None:
    answer = call('script = "thing.py"\ncommon = []', "--limit", "1")
    assert "No such option" in answer.error
    spec = '[[option]]\nname = "limit"\ntype = "int"\nflag = "--max-rows"\nrole = "limit"\n'
    assert call(spec, "--limit", "1").sent == ["--max-rows", "1"]
