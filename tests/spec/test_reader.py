"""A file as a whole: all faults at once, each at its line, and never an exception."""

# ruff: noqa: E501 - a message stands whole, as an author reads it

from __future__ import annotations

import random
import subprocess
import sys
import time
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_backfill_plugin.specs import model
from corpus_backfill_plugin.specs.reader import MAX_BYTES, read_script
from corpus_backfill_plugin.text import one_line

BUILTIN = Path(model.__file__).parent.parent / "builtin"

DURATION, RICH = (
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("duration.toml", "rich.toml")
)


def _said(text: str | bytes, file: str = "demo.toml") -> list[str]:
    script, faults = read_script(text, file)
    assert (script is None) == bool(faults)
    return [str(fault) for fault in faults]


@pytest.mark.parametrize("path", sorted(BUILTIN.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_spec_has_no_faults(path: Path) -> None:
    assert _said(path.read_bytes(), str(path)) == []


def test_four_specs_are_shipped() -> None:
    assert sorted(path.stem for path in BUILTIN.glob("*.toml")) == [
        "duration",
        "file-hash",
        "snr",
        "version-0",
    ]


def test_the_example_of_the_vocabulary_is_read() -> None:
    script, faults = read_script(DURATION, "duration.toml")

    assert faults == ()
    assert script is not None
    assert script.option[1] == model.Option(
        name="workers", type="int", min=1, default=3, help="Files measured at the same time."
    )


def test_all_faults_of_a_file_are_told_at_once_sorted_by_line() -> None:
    text = """spec-version = 1
script = "a.py"
shrt-help = "x"
timeout = "soon"

[[group]]
members = ["model", "modle"]
rule = "one"

[[option]]
name = "model"
choises = ["small"]
default = 3

[[option]]
name = "beam"
type = "int"
default = "5"
min = 6

[env]
PATH = "/tmp"
LEVEL = 3
"""

    assert _said(text, "transcribe.toml") == [
        "transcribe.toml:3: shrt-help: unknown key; did you mean 'short-help'?",
        "transcribe.toml:4: timeout: 'soon' is not a duration; write it like 90s, 12h or 1h30m",
        "transcribe.toml:8: group.1.rule: 'one' is not one of 'all-or-none', 'at-least-one', 'at-most-one', 'exactly-one'",
        "transcribe.toml:12: option.model.choises: unknown key; did you mean 'choices'?",
        "transcribe.toml:18: option.beam.default: type int wants a whole number, got text; write 5 without quotes",
        "transcribe.toml:22: env.PATH: PATH is not for specs, it says where programs are found; remove it",
        "transcribe.toml:23: env.LEVEL: expected text, got a whole number; put it in quotes",
    ]


def test_the_form_of_a_fault_is_file_line_key_problem_mend() -> None:
    text = (
        'spec-version = 1\nscript = "transcribe.py"\n'
        + "\n" * 9
        + '[[option]]\nname = "model"\nchoises = ["a"]\n'
    )

    assert _said(text, "transcribe.toml") == [
        "transcribe.toml:14: option.model.choises: unknown key; did you mean 'choices'?"
    ]


def test_faults_are_data_for_editors() -> None:
    _, faults = read_script('spec-version = 1\nscript = "a.py"\nlock = "true"\n', "demo.toml")

    assert [fault.facts() for fault in faults] == [
        {
            "file": "demo.toml",
            "line": 3,
            "key": "lock",
            "problem": "expected true or false, got text",
            "hint": "write true without quotes",
            "kind": "fault",
        }
    ]


def test_no_character_of_a_spec_reaches_the_terminal_as_a_command() -> None:
    text = 'spec-version = 1\nscript = "a.py"\n"\\u001b[2J" = 1\n[[option]]\nname = "\\u001b]0;x\\u0007"\n[env]\n"\\u202e" = "x"\n'

    said = "".join(_said(text, "de\x1bmo.toml"))
    assert said.isprintable()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            b"spec-version = 1\n# \xff\n",
            "demo.toml:2: byte 0xff is not UTF-8; save the file as UTF-8",
            id="latin",
        ),
        pytest.param(
            "ü".encode("utf-16"), "demo.toml:1: byte 0xff is not UTF-8; save the file as UTF-8", id="utf-16"
        ),
        pytest.param(
            b"#" * (MAX_BYTES + 1),
            f"demo.toml: {MAX_BYTES + 1} bytes, {MAX_BYTES} at most; write less into one file",
            id="large",
        ),
        pytest.param(
            "x = " + "[" * 100_000,
            "demo.toml: nested too deeply to be read; a spec has three levels at most",
            id="deep lists",
        ),
        pytest.param(
            "x = " + "{a=" * 100_000,
            "demo.toml: nested too deeply to be read; a spec has three levels at most",
            id="deep tables",
        ),
        pytest.param(
            "x = " + "1" * 5000,
            "demo.toml: not TOML: a number has too many digits",
            id="a number of many digits",
        ),
        pytest.param(
            "x = 2024-02-30", "demo.toml:1: not TOML: invalid date or datetime", id="a day that is none"
        ),
        pytest.param("a = 1\n\n\0", "demo.toml:3: not TOML: invalid statement", id="a raw NUL"),
    ],
)
def test_what_is_no_toml_is_one_fault(text: str | bytes, message: str) -> None:
    assert _said(text) == [message]


def test_a_mark_of_byte_order_is_passed_over() -> None:
    text = 'spec-version = 1\nscript = "a.py"\n'

    assert _said(b"\xef\xbb\xbf" + text.encode()) == []
    assert _said("\ufeff" + text) == []


def test_a_key_of_some_dots_is_told_once() -> None:
    text = 'spec-version = 1\nscript = "a.py"\n' + ".".join(["env"] * 50) + " = 1\n"

    assert _said(text) == ["demo.toml:3: env.env: expected text, got a table"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" + ".a" * 400_000 + " = 1\n", id="dots"),
        pytest.param("a" + " . 'b'" * 100_000 + " = 1\n", id="blanks and quotes"),
        pytest.param("x = {" + "a." * 400_000 + "a = 1}\n", id="dots in a table"),
        pytest.param("".join(f"k{number} = 1\n" for number in range(80_000)), id="keys"),
        pytest.param("".join(f'[[option]]\nname = "n{number}"\n' for number in range(2000)), id="options"),
        pytest.param("[[option]]\n" * 80_000, id="tables"),
        pytest.param("[[option]]\n" * 500, id="as many tables as are explained"),
        pytest.param("help = '" + "." * 900_000 + "'\n", id="a text of dots"),
    ],
)
def test_a_hostile_file_is_judged_in_seconds(text: str) -> None:
    started = time.process_time()
    read_script('spec-version = 1\nscript = "a.py"\n' + text, "demo.toml")

    assert time.process_time() - started < 20


def test_a_later_version_is_told_alone() -> None:
    said = _said('spec-version = 7\nnew = 1\n[[option]]\nname = "x"\nnewer = 2\n')

    assert said == [
        "demo.toml:1: spec-version: version 7 is not known; upgrade corpus-backfill-plugin, or write spec-version = 1"
    ]


def test_the_name_of_the_command_may_be_given_apart() -> None:
    assert read_script('spec-version = 1\nscript = "a.py"\n', "<stdin>", name="demo")[1] == ()


def test_an_interpreter_that_has_read_specs_ends_well() -> None:
    # msgspec frees a type's pattern wrongly in one form of union: then the interpreter crashes at its end,
    # about every fifth time.
    code = (
        "import sys\nfrom corpus_backfill_plugin.specs.reader import read_script\n"
        f"read_script({RICH!r}, 'rich.toml')\nread_script('spec-version = 1', 'x.toml')\n"
    )
    ends = [subprocess.run([sys.executable, "-c", code], check=False).returncode for _ in range(12)]

    assert ends == [0] * 12


_WORDS = st.sampled_from(
    [
        *(f.encode_name for f in msgspec.structs.fields(model.Option)),
        *(f.encode_name for f in msgspec.structs.fields(model.Script)),
    ]
)
_SCALARS = st.one_of(
    st.integers(-3, 300),
    st.booleans(),
    st.floats(),
    st.text(max_size=6),
    _WORDS,
    st.sampled_from(["int", "bool", "count", "date", "join", "2024-01-31", "{a}", "(a+)+", "--x", "limit"]),
    st.dates(date(2000, 1, 1)),
)
_ANYTHING = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(min_size=1, max_size=4) | _WORDS, inner, max_size=3)
    ),
    max_leaves=6,
)


def _quoted(text: str) -> str:
    return '"' + "".join(c if c.isalnum() or c in " -_" else f"\\U{ord(c):08x}" for c in text) + '"'


def _toml(value: Any) -> str:  # noqa: ANN401 - any TOML value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{_toml(item)},\n" for item in value) + "]"
    return _quoted(value) if isinstance(value, str) else str(value).lower()


def _places(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - any TOML value
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [place for key, item in items for place in ((value, key), *_places(item))]


def _mutate(raw: Any, seed: random.Random, fresh: Any, word: str) -> None:  # noqa: ANN401 - any TOML value
    places = _places(raw)
    holder: Any
    key: Any
    holder, key = seed.choice(places) if places else (raw, "script")
    deed = seed.choice(["delete", "replace", "rename", "move", "double"])
    if deed == "replace" or not places:
        holder[key] = fresh
    elif deed == "delete":
        del holder[key]
    elif isinstance(holder, list):
        holder.append(holder[key] if deed == "double" else fresh)
    elif deed == "rename":
        holder[word] = holder.pop(key)
    else:
        other, place = seed.choice(places)
        holder[key] = other[place] if not isinstance(other[place], dict | list) else fresh


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), steps=st.lists(st.tuples(_ANYTHING, _WORDS), min_size=1, max_size=3))
def test_any_mutated_spec_gives_faults_or_a_script(seed: int, steps: list[tuple[Any, str]]) -> None:
    raw = tomllib.loads(RICH)
    chance = random.Random(seed)  # noqa: S311 - no secret
    for fresh, word in steps:
        _mutate(raw, chance, fresh, word)
    text = "".join(f"{_quoted(key)} = {_toml(value)}\n" for key, value in raw.items())
    script, faults = read_script(text, "rich.toml")

    assert (script is None) == bool(faults)
    assert read_script(text, "rich.toml") == (script, faults)
    assert [fault.line or 0 for fault in faults] == sorted(fault.line or 0 for fault in faults)
    assert all(one_line(str(fault)) == str(fault) for fault in faults)


@settings(max_examples=250, deadline=None)
@given(
    start=st.integers(0, len(RICH)),
    length=st.integers(0, 40),
    put=st.binary(max_size=8) | st.text(max_size=8).map(str.encode),
)
def test_any_damaged_text_gives_faults_or_a_script(start: int, length: int, put: bytes) -> None:
    text = RICH.encode()
    damaged = text[:start] + put + text[start + length :]
    script, faults = read_script(damaged, "rich.toml")

    assert (script is None) == bool(faults)
    assert read_script(damaged, "rich.toml") == (script, faults)
    assert all(one_line(str(fault)) == str(fault) for fault in faults)


@given(noise=st.binary(max_size=60))
def test_any_bytes_give_faults(noise: bytes) -> None:
    script, faults = read_script(noise, "demo.toml")

    assert script is None
    assert faults
