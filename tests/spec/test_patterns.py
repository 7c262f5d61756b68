"""No pattern that is accepted can hang a run, and ordinary ones are accepted."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_backfill_plugin.spec.patterns import MAX_LINE, MAX_PATTERN, compile_pattern

CATASTROPHIC = {
    "a repeat of a repeat": r"(a+)+$",
    "stars in stars": r"(a*)*b",
    "a star of anything, repeated": r"(.*)*x",
    "words and a blank that may be missing": r"(\w+\s?)+$",
    "branches that are equal": r"(a|a)*b",
    "branches that begin alike": r"(a|aa)+$",
    "branches that add up": r"(a|b|ab)*c",
    "two repeats in a repeat": r"(x+x+)+y",
    "digits in a repeat": r"^(\d+|\w+)+:$",
    "letters in a repeat": r"([a-zA-Z]+)*$",
    "an address": r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}[a-z]{2,3}$",
    "a class name": r"^(([a-z])+.)+[A-Z]([a-z])+$",
    "many fields": r"(.*?,){11}P",
    "many times anything": r"(.*a){20}",
    "counted repeats": r"(a{1,30}){1,30}$",
    "a long counted repeat": r"(a{1,500}){2}b",
    "options before the same": r"(a?){25}a{25}",
    "options by hand": "a?" * 25 + "a" * 25,
    "equal branches, counted": r"(a|a){30}b",
    "equal branches by hand": r"(?:a|a)" * 30 + "b",
    "options in a repeat": r"(a?a?)*b",
    "nothing in many ways": r"(?:(a?)?)(?:(b?)?)" * 9 + "c",
    "nothing in many ways, apart": r"(?:(?:a?)?x)" * 12 + "y",
    "empty branches": r"(|){10}x",
    "three times anything": r"^.*.*.*x",
    "twice anything, anywhere": r".*a.*x",
    "blanks in a row": r"^\s+\s+\s+$",
    "a lazy repeat of a repeat": r"(a+?)+?$",
    "an atomic group": r"(?:(?>a|ab)+)+c",
    "in any case": r"(?i)^(ab|AB)+x",
    "in any case, inside": r"^((?i:ab)|AB)+x",
    "classes that overlap": r"^([a-z0-9]+[0-9a-f]*)+!$",
    "negated classes that overlap": r"^([^,]*,?)*x",
    "beyond ascii": r"^(é+|\w+)+!$",
    "beyond ascii, as ranges": r"^([à-ÿ]x|éx)+!$",
    "back to a group": r"(.)\1+",
    "back to a name": r"(?P<item>.+)(?P=item)",
    "a condition on a group": r"(a)?(?(1)b|c)",
    "a repeat that is looked ahead at": r"(?=.*a)b",
    "levels before anything": r"^(?P<level>[A-Z]+)\b.*?(?P<done>\d+)/(?P<total>\d+)$",
}
"""Patterns that are known to take for ever or minutes on some line, and such whose cost cannot be told."""

ORDINARY = {
    "progress": r"^\[(?P<done>\d+)/(?P<total>\d+)\]",
    "failed": r"^FAILED (?P<item>\S+): (?P<reason>.+)$",
    "result": r"^updated=(?P<updated>\d+) skipped=(?P<skipped>\d+) failed=(?P<failed>\d+)$",
    "pending": r"^pending=(?P<pending>\d+)$",
    "percent": r"(?P<done>\d+)%",
    "percent, looked behind": r"(?<!\d)(?P<done>\d+)%",
    "words between": r"(?P<done>\d+) of (?P<total>\d+) done",
    "anything between": r"updated=(?P<updated>\d+).*failed=(?P<failed>\d+)",
    "a log line": r"^(?P<day>\d{4}-\d{2}-\d{2}) (?P<at>[\d:.]+) +(?P<level>\w+) +(?P<text>.*)$",
    "levels": r"^(?:INFO|WARNING|ERROR)\s+\S+\s+(?P<done>\d+)/(?P<total>\d+)",
    "any case": r"(?i)^error:? (?P<item>\S+) (?P<reason>.*)",
    "a rate": r"(?P<done>\d+)/(?P<total>\d+) \[.*, (?P<rate>[\d.]+)it/s\]",
    "json": r'"done": (?P<done>\d+), "total": (?P<total>\d+)',
    "thousands": r"Processed (?P<done>[\d,]+) rows in (?P<seconds>[\d.]+)s",
    "key and value": r"^\s*(\w+)\s*:\s*(.*)$",
    "an item up to a colon": r"^(?P<item>[^:]+): failed: (?P<reason>.*)$",
    "an ip address": r"^(\d{1,3}\.){3}\d{1,3}$",
    "a slug": r"[a-z0-9]+(-[a-z0-9]+)*",
    "a duration": r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?",
    "a mail address": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    "an address of the web": r"^https?://[^/\s]+(/[^\s?#]*)?(\?[^#\s]*)?$",
    "a version": r"^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$",
    "a uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "a hash": r"[0-9a-f]{64}",
    "single characters": r"(a|b)+",
    "words with blanks": r"^(\w+ )*\w+$",
    "words with commas": r"(\w+,)*\w+",
    "a quoted text": r"^'(?:[^'\\]|\\.)*'$",
    "alternatives with one beginning": r"^(?:failed|finished) (?P<n>\d+)$",
    "other scripts": r"^完了 (?P<done>\d+)/(?P<total>\d+)$",
    "nothing": "",
}
"""Patterns as people write them."""

LIMIT = 2.0
"""Seconds that one line may cost: far above what was measured (0.1), far below minutes."""


def _attacks(text: str) -> list[str]:
    """Return lines of full length made of pieces of the pattern, which almost match and fail at the end."""
    pieces = {*re.findall(r"[A-Za-z0-9]+|[^\w\\]", text), "a", "1", " ", "ab", "x", "1,", "a ", ":", "/"}
    return [(piece * MAX_LINE)[: MAX_LINE - 1] + end for piece in sorted(pieces) for end in ("\0", "!")]


@pytest.mark.parametrize("text", CATASTROPHIC.values(), ids=CATASTROPHIC.keys())
def test_a_pattern_that_could_hang_is_refused(text: str) -> None:
    re.compile(text)

    with pytest.raises(ValueError, match=r"could take|no bound|cost|plain characters|too long"):
        compile_pattern(text)


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY.keys())
def test_an_ordinary_pattern_is_accepted_and_quick_on_the_worst_line(text: str) -> None:
    pattern = compile_pattern(text)
    slowest = 0.0
    for line in _attacks(text):
        started = time.process_time()
        pattern.search(line)
        slowest = max(slowest, time.process_time() - started)

    assert slowest < LIMIT


SQUARE = {
    "anything after anything": (r"^.*a.*x", "a"),
    "a group after anything": (r"(?:ab|cd)+x", "abcd"),
    "digits anywhere": (r"\d+x", "1"),
    "words, then anything": (r"^\w+.*!$", "a"),
    "loops of several steps": (r"^(?:[ab][ab])*(?:[ab][ab][ab])*x", "ab"),
}
"""Patterns of the slowest kind that is accepted, and what they are slowest at."""


@pytest.mark.parametrize(("text", "piece"), SQUARE.values(), ids=SQUARE.keys())
def test_the_slowest_patterns_that_are_accepted_end_in_time(text: str, piece: str) -> None:
    pattern = compile_pattern(text)
    line = (piece * MAX_LINE)[: MAX_LINE - 1] + "\0"
    started = time.process_time()

    assert pattern.search(line) is None
    assert time.process_time() - started < LIMIT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "(", "is not a regular expression: missing ), unterminated subpattern at character 1", id="open"
        ),
        pytest.param(
            "a{2,1}",
            "is not a regular expression: min repeat greater than max repeat at character 3",
            id="a count",
        ),
        pytest.param(
            "[[a]b]",
            "is not a clear regular expression: Possible nested set at position 1",
            id="a set in a set",
        ),
        pytest.param(
            "a" * (MAX_PATTERN + 1), f"{MAX_PATTERN + 1} characters, {MAX_PATTERN} at the most", id="long"
        ),
        pytest.param(
            "(" * 500 + ")" * 500,
            "is not a regular expression: too large a repeat, or nested too deeply",
            id="deep",
        ),
        pytest.param(
            "a{99999999999999999999}",
            "is not a regular expression: too large a repeat, or nested too deeply",
            id="many",
        ),
        pytest.param("a" * 201, "too long a pattern for its cost to be told", id="many steps"),
    ],
)
def test_what_is_no_pattern_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        compile_pattern(text)

    assert str(refused.value) == message


def test_a_pattern_for_whole_values_may_cost_what_a_search_may_not() -> None:
    compile_pattern(".*a.*x", whole=True)

    with pytest.raises(ValueError, match="could take minutes"):
        compile_pattern(".*a.*x")


_ATOMS = st.sampled_from(["a", "b", ".", r"\d", r"\w", "[ab]", "[^a]", "ab"])
_PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=2).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?"])).map(
            lambda t: f"(?:{t[0]}){t[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(text=_PATTERNS, piece=st.sampled_from(["a", "ab", "b", "1", "aab"]))
def test_any_pattern_that_is_accepted_is_quick(text: str, piece: str) -> None:
    try:
        pattern = compile_pattern(text + "!")
    except ValueError:
        return
    started = time.process_time()
    pattern.search((piece * 1000)[:1000])

    assert time.process_time() - started < LIMIT


@settings(deadline=None)
@given(text=st.text("ab|()[]*+?{}1,^$\\.-:<>=!P", max_size=20))
def test_any_text_gives_a_pattern_or_a_reason(text: str) -> None:
    said = ""
    try:
        compile_pattern(text)
    except ValueError as reason:
        said = str(reason)

    assert said.isprintable()
