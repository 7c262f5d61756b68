"""Each type of value: what is taken, what is refused, and that the operator's own text is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from vocabulary.conftest import Call

X = '[[option]]\nname = "x"\n'


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        pytest.param("", "0", id="0 is a value"),
        pytest.param("", "", id="an empty text is a value"),
        pytest.param("", " a  b ", id="blanks"),
        pytest.param("", "größe 东京 🎧", id="letters beyond ascii"),
        pytest.param("", "line\nline", id="a newline"),
        pytest.param("", 'it\'s "so" $HOME `x` \\', id="what a shell would eat"),
        pytest.param('type = "int"', "0", id="int 0"),
        pytest.param('type = "int"', "007", id="int as typed"),
        pytest.param('type = "int"', "+5", id="int with a sign"),
        pytest.param('type = "float"', "1e-3", id="float as typed"),
        pytest.param('type = "float"', "2.50", id="float keeps its zeros"),
        pytest.param('type = "path"', "no/such/file", id="path is the server's"),
        pytest.param('type = "date"', "2024-02-29", id="date"),
        pytest.param('type = "datetime"', "2024-02-29T10:00:00Z", id="datetime keeps its Z"),
        pytest.param('type = "duration"', "1h30m", id="duration as typed"),
        pytest.param('type = "uuid"', "123E4567-e89b-12d3-a456-426614174000", id="uuid in its own case"),
        pytest.param("choices = ['a', 'B']", "B", id="a choice"),
        pytest.param("choices = ['a', 'B']\nignore-case = true", "b", id="a choice in any case"),
        pytest.param('type = "int"\nchoices = [1, 5]', "5", id="a choice of ints"),
        pytest.param('type = "float"\nchoices = [0.5, 1.0]', "1", id="a choice of floats"),
        pytest.param("suggestions = ['a']", "b", id="a suggestion binds nobody"),
        pytest.param('type = "int"\nmin = 0\nmax = 3', "0", id="the smallest"),
        pytest.param('type = "int"\nmin = 0\nmax = 3', "3", id="the largest"),
        pytest.param('type = "date"\nmin = "2024-01-01"', "2024-01-01", id="the first day"),
        pytest.param('type = "duration"\nmax = "2h"', "120m", id="a duration in other units"),
        pytest.param("regex = '[a-z]{2}'", "ab", id="a whole match"),
        pytest.param("max-length = 3", "abc", id="as long as allowed"),
    ],
)
def test_a_value_is_sent_as_it_was_typed(keys: str, value: str, call: Call) -> None:
    assert call(X + keys, "--x", value).sent == ["--x", value]
    assert call(X + keys, f"--x={value}").sent == ["--x", value]


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        pytest.param('type = "int"', "1.5", "1.5' is not a whole number", id="int"),
        pytest.param('type = "int"', "1_000", "is not a whole number", id="int with a line"),
        pytest.param('type = "float"', "nan", "is not a number", id="float"),
        pytest.param('type = "path"', "", "an empty text is not a path", id="path"),
        pytest.param('type = "date"', "2023-02-29", "is not a day of the calendar", id="date"),
        pytest.param('type = "date"', "29.2.2024", "is not a date such as", id="date of another form"),
        pytest.param('type = "datetime"', "noon", "is not a time such as", id="datetime"),
        pytest.param('type = "duration"', "12", "is not a duration such as", id="duration"),
        pytest.param('type = "uuid"', "123", "is not a UUID", id="uuid"),
        pytest.param("choices = ['audio', 'video']", "vidoe", "did you mean 'video'?", id="choice"),
        pytest.param("choices = ['a']", "A", "is not one of 'a'", id="choice in the wrong case"),
        pytest.param('type = "int"\nmin = 1', "0", "0 is less than 1", id="too small"),
        pytest.param('type = "float"\nmax = 1.5', "1.51", "1.51 is more than 1.5", id="too large"),
        pytest.param('type = "date"\nmax = "2024-01-01"', "2024-01-02", "is more than", id="too late"),
        pytest.param("regex = '[a-z]{2}'", "abc", "must match '[a-z]{2}'", id="regex matches a part"),
        pytest.param("regex = '[a-z]+'", "a\n", "must match", id="regex and a last newline"),
        pytest.param(
            "regex = '[a-z]+'\nregex-help = 'small letters'", "A", "small letters", id="regex in words"
        ),
        pytest.param("max-length = 3", "abcd", "4 characters, 3 at most", id="too long"),
        pytest.param(
            'type = "path"\nexists = true', "no/such", "does not exist on this machine", id="exists"
        ),
    ],
)
def test_a_bad_value_is_refused_by_name(keys: str, value: str, words: str, call: Call) -> None:
    answer = call(X + keys, "--x", value)
    assert answer.code == 2
    assert "Invalid value for '--x'" in answer.error
    assert words in answer.error


def test_a_path_that_exists_is_sent_as_typed(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    typed = f"{tmp_path}//./a file"
    assert call(f'{X}type = "path"\nexists = true', "--x", typed).sent == ["--x", typed]


def test_a_bool_is_sent_as_its_flag_alone_and_only_when_true(call: Call) -> None:
    spec = f'{X}type = "bool"'
    assert call(spec, "--x").sent == ["--x"]
    assert call(spec).sent == []
    assert call(spec, "--x=yes").code == 2


@pytest.mark.parametrize(
    ("words", "given"), [pytest.param((), (), id="untouched"), (("--x",), ("x",)), (("--not-x",), ("x",))]
)
def test_negate_has_three_states(words: tuple[str, ...], given: tuple[str, ...], call: Call) -> None:
    answer = call(f'{X}type = "bool"\nnegate = "--not-x"', *words)
    assert answer.sent == list(words)
    assert answer.request.given == given


def test_the_last_of_a_pair_wins(call: Call) -> None:
    spec = f'{X}type = "bool"\nnegate = "--no-x"'
    assert call(spec, "--x", "--no-x").sent == ["--no-x"]
    assert call(spec, "--no-x", "--x").sent == ["--x"]


def test_a_pair_with_a_default_sends_it(call: Call) -> None:
    spec = f'{X}type = "bool"\nnegate = "--no-x"\ndefault = '
    assert call(f"{spec}true").sent == ["--x"]
    assert call(f"{spec}false").sent == ["--no-x"]
    assert call(f"{spec}true", "--no-x").sent == ["--no-x"]
    assert call(f"{spec}false", "--x").sent == ["--x"]


def test_a_negation_that_is_short_has_a_long_one_for_the_operator(call: Call) -> None:
    assert call(f'{X}type = "bool"\nnegate = "-n"', "--no-x").sent == ["-n"]


def test_a_count_is_sent_as_often(call: Call) -> None:
    spec = '[[option]]\nname = "verbose"\nshort = "v"\ntype = "count"\n'
    assert call(spec).sent == []
    assert call(spec, "-vvv").sent == ["--verbose"] * 3
    assert call(spec, "-v", "--verbose").sent == ["--verbose"] * 2
    assert call(f"{spec}default = 2").sent == ["--verbose"] * 2
    assert call(f"{spec}default = 2", "-v").sent == ["--verbose"]
    assert call(f'{spec}flag = "-q"', "-vv").sent == ["-q", "-q"]


def test_a_required_count_is_missed(call: Call) -> None:
    spec = f'{X}type = "count"\nrequired = true'
    assert call(spec).error.endswith("Missing option '--x'.")
    assert call(spec, "--x").sent == ["--x"]
