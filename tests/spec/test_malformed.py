"""Every way that a spec can be wrong which we know of, each with the whole of what is said about it.

The cases are in `malformed.txt`. `== title` begins a whole file, `-- title` what follows `HEAD`, so that its
first line is line 3. `-> ` is what is said: a message without its `demo.toml:`.
"""

# ruff: noqa: E501 - a message stands whole, as an author reads it

import re
from pathlib import Path

import pytest

from corpus_backfill_plugin.specs.reader import read_script

HEAD = 'spec-version = 1\nscript = "a.py"\n'
CASES = re.findall(
    r"^(==|--) ([^\n]+)\n(.*?)((?:^-> [^\n]*\n)+)",
    Path(__file__).with_name("malformed.txt").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        pytest.param(text if mark == "==" else HEAD + text, messages, id=title)
        for mark, title, text, messages in CASES
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["unix", "windows"])
def test_a_malformed_spec_is_told_what_is_wrong(text: str, messages: str, ending: str) -> None:
    script, faults = read_script(text.replace("\n", ending), "demo.toml")

    assert script is None
    assert "".join(f"-> {str(fault).removeprefix('demo.toml:')}\n" for fault in faults) == messages


def test_no_case_is_lost_in_reading_them() -> None:
    text = Path(__file__).with_name("malformed.txt").read_text(encoding="utf-8")
    assert len(CASES) == len(re.findall("^(?:==|--) ", text, re.MULTILINE)) > 180


def test_the_head_of_the_cases_alone_is_a_good_spec() -> None:
    script, faults = read_script(HEAD, "demo.toml")

    assert script is not None
    assert faults == ()


@pytest.mark.parametrize(
    ("stem", "message"),
    [
        pytest.param(name, f"'{name}' is a command of the program itself; rename the file", id=name)
        for name in ("runs", "specs", "doctor", "status")
    ]
    + [
        pytest.param(
            stem,
            f"the file's name is the command's, and '{stem}' is not lower case words joined by dashes; rename the file",
            id=stem,
        )
        for stem in ("my_spec", "Duration", "-x", "a--b", "über")
    ],
)
def test_a_file_whose_name_cannot_be_a_commands_is_refused(stem: str, message: str) -> None:
    script, faults = read_script(HEAD, f"{stem}.toml")

    assert script is None
    assert [str(fault) for fault in faults] == [f"{stem}.toml: {message}"]
