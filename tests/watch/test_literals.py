from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.watch.literals import required_literal


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (r"^FAILED (?P<item>\S+): (?P<reason>.+)$", "FAILED "),
        (r"^\[(?P<done>\d+)/(?P<total>\d+)\]", "["),
        (r"^updated=(?P<u>\d+) failed=(?P<f>\d+)$", "updated="),
        (r"(?P<done>\d+) of (?P<total>\d+) done", " done"),
        (r"files?: (?P<n>\d+)", "file"),
        (r"ab+c", "ab"),
        (r"a{2}b|c", ""),
        (r"done (?P<a>x)|also", ""),
        (r"(?i)failed", ""),
        (r"[]a]bc[^]d]", "bc"),
        (r"\x41bc def", " def"),
        (r"tab\there", "tab\there"),
        (r"x{|y}", ""),
        (r"(?<=a)b", ""),
        (r"\d+", ""),
        (r"naïve (?P<n>\d)", "naïve "),
        (r"(a(b)[)]c\))d e", "d e"),
    ],
    ids=str,
)
def test_the_longest_certain_text_is_found(pattern: str, literal: str) -> None:
    found = required_literal(re.compile(pattern))
    assert found == literal or (len(found) == len(literal) and literal in pattern)


@pytest.mark.parametrize("flag", [re.IGNORECASE, re.VERBOSE])
def test_flags_that_change_what_letters_mean_leave_no_literal(flag: re.RegexFlag) -> None:
    assert required_literal(re.compile("a b", flag)) == ""


ATOMS = ("a", "b", " ", r"\[", "[ab]", r"\d", ".", "(a|b)", "(?:ab)", "(?P<x>b)", "^", "$", "|", r"\x61")
PIECES = st.tuples(
    st.sampled_from(ATOMS), st.sampled_from(("", "", "", "?", "*", "+", "+?", "{2}", "{,1}", "{"))
)


@given(st.lists(PIECES, max_size=6), st.lists(st.text("ab [1{", max_size=8), min_size=1, max_size=20))
def test_no_match_lacks_the_literal(pieces: list[tuple[str, str]], texts: list[str]) -> None:
    try:
        pattern = re.compile("".join(atom + repeat for atom, repeat in pieces))
    except re.error:
        return
    literal = required_literal(pattern)
    for text in texts:
        assert literal in text or pattern.search(text) is None
