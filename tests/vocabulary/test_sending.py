"""What the script is sent for what the operator gave: its words, its environment, its standard input.

The cases are in `sent.txt`. `== title` begins a spec, `$ ` is what the operator types, as JSON: the words,
then the environment and the host's default map where there are some. `-> ` is the script's argument list, and
`! ` some of the words in which the command line is refused.
"""

import json
import re
from pathlib import Path

import pytest
from vocabulary.conftest import Call

X = '[[option]]\nname = "x"\n'
XY = '[[option]]\nname = "x-y"\n'

CASES = re.findall(
    r"^== ([^\n]+)\n(.*?)((?:^\$ [^\n]*\n(?:->|!) [^\n]*\n)+)",
    Path(__file__).with_name("sent.txt").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)


@pytest.mark.parametrize(
    ("spec", "calls"), [pytest.param(spec, calls, id=title) for title, spec, calls in CASES]
)
def test_what_is_sent_is_what_was_meant(spec: str, calls: str, call: Call) -> None:
    for typed, mark, wanted in re.findall(r"^\$ (.*)\n(->|!) (.*)$", calls, re.MULTILINE):
        words, *rest = json.loads(f"[{typed}]")
        env, hosts = (*rest, {}, {})[:2]
        answer = call(spec, *words, env=env, default_map={"thing": hosts})
        if mark == "->":
            assert answer.sent == json.loads(wanted)
        else:
            assert json.loads(wanted) in answer.error
            assert answer.code == 2


def test_no_case_is_lost_in_reading_them() -> None:
    text = Path(__file__).with_name("sent.txt").read_text(encoding="utf-8")
    assert len(CASES) == len(re.findall("^== ", text, re.MULTILINE)) > 170
    assert (
        sum(calls.count("$ [") for *_, calls in CASES) == len(re.findall(r"^\$ ", text, re.MULTILINE)) > 250
    )


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


def test_a_path_that_exists_is_sent_as_typed(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    typed = f"{tmp_path}//./a file"
    assert call(f'{X}type = "path"\nexists = true', "--x", typed).sent == ["--x", typed]


@pytest.mark.parametrize(
    ("words", "given"), [pytest.param((), (), id="untouched"), (("--x",), ("x",)), (("--not-x",), ("x",))]
)
def test_negate_has_three_states(words: tuple[str, ...], given: tuple[str, ...], call: Call) -> None:
    answer = call(f'{X}type = "bool"\nnegate = "--not-x"', *words)
    assert answer.sent == list(words)
    assert answer.request.given == given


def test_what_was_given_is_told_from_a_default(call: Call) -> None:
    spec = f'{XY}envvar = "XY"\ndefault = "spec"\n'
    assert call(spec).request.given == ()
    assert call(spec, env={"XY": "env"}).request.given == ("x-y",)
    assert call(spec, default_map={"thing": {"x_y": "host"}}).request.given == ("x-y",)


def test_the_hosts_prefix_names_variables(call: Call) -> None:
    env = {"HOST_THING_X_Y": "1", "HOST_THING_DRY_RUN": "0"}
    assert call(XY, env=env, prefix="HOST").sent == ["--x-y", "1"]
    assert call(XY, env=env | {"HOST_THING_DRY_RUN": "1"}, prefix="HOST").sent == ["--dry-run", "--x-y", "1"]


def test_the_database_is_read_from_its_variable(call: Call) -> None:
    job = call("", env={"DATABASE_URL": "sqlite:///a"}).job
    assert job.environ["DATABASE_URL"] == "sqlite:///a"
    assert (
        call("", "-d", "sqlite:///b", env={"DATABASE_URL": "sqlite:///a"}).job.environ["DATABASE_URL"]
        == "sqlite:///b"
    )
