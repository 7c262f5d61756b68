"""The line of each key, in every layout that TOML allows."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.specs.diagnostics import KeyPath
from corpus_backfill_plugin.specs.positions import key_lines, line_of

LAYOUT = r'''# a comment with = and [brackets]
spec-version = 1
help = """
[not.a.table]
not-a-key = 1 \""" still text
"""
examples = [
  "first",   # one
  # nothing
  'second',
]

[env]
"QUOTED NAME" = "x"
A.B = 'dotted'

[[option]] # the first
name = "a"
required-if = { mode = "x", other = [1, { deep = 2 }] }

[[option]]
name = "b"
regex = '''
LAYOUT += "'''multi\n[[option]]\nname = 1'''\n"
LAYOUT += """since = 2024-01-31 10:00:00
[option.required-if]
mode = "y"
[output]
result = [ 'a',
 'b' ]
"""

PLACES: list[tuple[KeyPath, int]] = [
    (("spec-version",), 2),
    (("help",), 3),
    (("examples",), 7),
    (("examples", 0), 8),
    (("examples", 1), 10),
    (("env",), 13),
    (("env", "QUOTED NAME"), 14),
    (("env", "A"), 15),
    (("env", "A", "B"), 15),
    (("option",), 17),
    (("option", 0), 17),
    (("option", 0, "name"), 18),
    (("option", 0, "required-if", "mode"), 19),
    (("option", 0, "required-if", "other", 1, "deep"), 19),
    (("option", 1), 21),
    (("option", 1, "name"), 22),
    (("option", 1, "regex"), 23),
    (("option", 1, "since"), 26),
    (("option", 1, "required-if"), 27),
    (("option", 1, "required-if", "mode"), 28),
    (("output",), 29),
    (("output", "result"), 30),
    (("output", "result", 0), 30),
    (("output", "result", 1), 31),
]


@pytest.mark.parametrize(("path", "line"), PLACES, ids=[".".join(map(str, path)) for path, _ in PLACES])
@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["unix", "windows"])
def test_a_key_is_found_in_its_line(path: KeyPath, line: int, ending: str) -> None:
    text = LAYOUT.replace("\n", ending)
    tomllib.loads(text)

    assert key_lines(text)[path] == line


def test_an_array_of_inline_tables_has_the_lines_of_its_items() -> None:
    text = 'option = [\n  { name = "a" },\n  {\n name = "b" },\n]\n'.replace("{\n name", "{ name")
    lines = key_lines(text)

    assert [lines["option", 0, "name"], lines["option", 1, "name"]] == [2, 3]


def test_strings_that_end_in_quotes_or_backslashes_end_there() -> None:
    text = 'a = "x\\\\"\nb = \'x\\\'\nc = """x"""""\nd = \'\'\'x\'\'\'\'\ne = ""\nf = \'\'\ng = 1\n'
    tomllib.loads(text)

    assert [key_lines(text)[key,] for key in "abcdefg"] == [1, 2, 3, 4, 5, 6, 7]


def test_a_missing_key_is_told_at_the_table_around_it() -> None:
    lines = {("option",): 3, ("option", 0): 3, ("option", 0, "name"): 4}

    assert line_of(("option", 0, "flag", 2), lines) == 3
    assert line_of(("script",), lines) == 1
    assert line_of((), lines) == 1


def test_a_table_below_a_table_of_an_array_belongs_to_the_last_one() -> None:
    text = "[[a]]\n[[a.b]]\nx = 1\n[[a]]\n[[a.b]]\n[[a.b]]\nx = 1\n[a.b.c]\ny = 1\n"
    tomllib.loads(text)
    lines = key_lines(text)

    assert lines["a", 0, "b", 0, "x"] == 3
    assert lines["a", 1, "b", 1, "x"] == 7
    assert lines["a", 1, "b", 1, "c", "y"] == 9


def _toml(value: Any, indent: str) -> str:  # noqa: ANN401 - any TOML value
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item, '')}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        inside = "".join(f"{indent}{_toml(item, indent)}, # ]\n{indent}" for item in value)
        return f"[\n{inside}]" if indent else "[" + ", ".join(_toml(item, "") for item in value) + "]"
    if isinstance(value, str):
        escaped = (f"\\u{ord(c):04x}" if c in '\\"\n' or not c.isprintable() else c for c in value)
        return f'"{"".join(escaped)}"'
    return str(value).lower()


def _paths(value: object, path: KeyPath = ()) -> list[KeyPath]:
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [p for key, item in items for p in ((*path, key), *_paths(item, (*path, key)))]


_KEYS = st.text("ab-_1", min_size=1, max_size=3)
_LEAVES = st.integers() | st.booleans() | st.text(st.characters(max_codepoint=0xD7FF), max_size=5)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(document=st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_every_key_of_any_document_has_a_line(document: dict[str, Any]) -> None:
    text = "".join(f"{key} = {_toml(value, '  ')}\n" for key, value in document.items())
    assert tomllib.loads(text) == document

    assert set(key_lines(text)) == set(_paths(document))
