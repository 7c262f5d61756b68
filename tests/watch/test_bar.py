from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.agent.progress import View
from corpus_backfill_plugin.terminal.bar import clock, draw, plain

HALF = View(done=1530, total=3400, rate=12.34, eta=151.5, elapsed=124.0, failures=3)


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (120, "##################----------------------   45%  1,530/3,400  12/s  2:04  ETA 2:31  3 failed"),
        (70, "########----------   45%  1,530/3,400  12/s  2:04  ETA 2:31  3 failed"),
        (60, "###-----   45%  1,530/3,400  12/s  2:04  ETA 2:31  3 failed"),
        (59, "#####--------   45%  1,530/3,400  12/s  ETA 2:31  3 failed"),
        (50, "####------   45%  1,530/3,400  ETA 2:31  3 failed"),
        (47, " 45%  1,530/3,400  ETA 2:31  3 failed"), (30, " 45%  ETA 2:31  3 failed"),
        (20, " 45%  3 failed"), (10, "45%"), (4, "45%"), (3, ""),
    ],
)  # fmt: skip
def test_narrow_terminals_lose_the_least_important_first(width: int, text: str) -> None:
    assert draw(HALF, width, ascii_only=True) == text


VIEWS = st.builds(
    View, st.integers(0, 10**15), st.none() | st.integers(0, 10**15), st.none() | st.floats(0, 1e15),
    st.none() | st.floats(0, 1e7), st.floats(0, 1e9), st.integers(0, 10**6),
)  # fmt: skip


@given(VIEWS, st.integers(0, 200), st.booleans(), st.booleans())
def test_the_bar_never_reaches_the_last_column(view: View, width: int, color: bool, ascii_only: bool) -> None:  # noqa: FBT001 - hypothesis hands them over by position
    text = draw(view, width, color=color, ascii_only=ascii_only)
    visible = re.sub(r"\x1b\[[0-9]*m", "", text)
    assert len(visible) <= max(width - 1, 0)
    assert color or visible == text
    assert not ascii_only or visible.isascii()
    assert "\n" not in text


def test_contradicting_claims_are_shown_and_nothing_is_concluded() -> None:
    assert plain(View(done=130, total=100, rate=2.0, eta=None, elapsed=3)) == "130/100?, 2/s, 0:03"


def test_without_a_total_there_is_no_bar() -> None:
    assert draw(View(done=1234, rate=0.25, elapsed=5), 80) == "1,234 done  0.25/s  0:05"


def test_it_says_100_percent_only_when_all_is_done() -> None:
    assert "99%" in draw(View(done=99_999, total=100_000), 80)


def test_color_is_only_paint() -> None:
    assert "\x1b[31m3 failed\x1b[0m" in draw(HALF, 120, color=True)
    unpainted = re.sub(r"\x1b\[[0-9]*m", "", draw(HALF, 120, color=True))
    assert unpainted.split("  ", 1)[1] == draw(HALF, 120).split("  ", 1)[1]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9, "0:00"), (65, "1:05"), (3723, "1:02:03"), (363_600, "4d 05h")]
)
def test_clocks(seconds: float, text: str) -> None:
    assert clock(seconds) == text
