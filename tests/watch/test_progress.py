import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.agent.progress import MAX_ETA, Pace, View, count, from_names
from corpus_backfill_plugin.terminal.bar import clock, draw, plain


def run(*updates: tuple[float, float, float | None]) -> Pace:
    """The state after updates of (now, done, total)."""
    pace = Pace()
    for now, done, total in updates:
        pace.update(View(done, total), now)
    return pace


def view(pace: Pace, now: float) -> View:
    found = pace.view(now)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("0", 0), ("1.5", 1.5), ("1.20k", 1200), ("3.4M", 3_400_000), ("1,234,567", 1_234_567),
        ("1_000", 1000), ("999999999999999", 999_999_999_999_999), ("9999999999999999", None),
        ("999999999T", None), ("-1", None), ("nan", None), ("inf", None), ("1e300", None), ("1,23", None),
        ("\u0661", None), ("", None), ("1Z", None),
    ],
)  # fmt: skip
def test_numbers_are_believed_only_when_plain_and_sane(text: str, value: float | None) -> None:
    assert count(text) == value


def test_a_template_gives_done_total_and_rate() -> None:
    assert from_names({"done": "1,200", "total": "3.4k", "rate": "2.5"}) == View(1200, 3400, 2.5)
    assert from_names({"done": "9" * 16, "total": "5"}) is None
    assert from_names({"done": "3"}) == View(done=3)
    assert from_names({}) is None


def test_an_even_run_is_foretold() -> None:
    found = view(run(*((i * 0.5, i, 100) for i in range(51))), 25.0)
    assert found.fraction == 0.5
    assert found.rate == pytest.approx(2.0)
    assert found.eta == pytest.approx(25.0, abs=1)


def test_the_eta_counts_down_between_updates_and_grows_in_silence() -> None:
    pace = run(*((i * 10, i, 20) for i in range(11)))
    at_once, later, much_later = (view(pace, now).eta or math.nan for now in (100.0, 105.0, 400.0))
    assert later == pytest.approx(at_once - 5)
    assert much_later > at_once


def test_resumed_work_does_not_count_as_speed() -> None:
    assert view(run((0.0, 90_000, 100_000), (10.0, 90_010, 100_000)), 10.0).rate == pytest.approx(1.0)


def test_more_done_than_there_is_gives_no_percentage_and_no_eta() -> None:
    assert plain(View(done=130, total=100, rate=2.0, eta=None, elapsed=3)) == "130/100?, 2/s, 0:03"
    found = view(run((0, 1, 10), (1, 11, 10)), 1)
    assert (found.done, found.total, found.fraction, found.eta) == (11, 10, None, None)


def test_a_changing_total_is_followed_and_keeps_the_rate() -> None:
    pace = run((0, 0, 10), (1, 1, 10), (2, 2, 50))
    assert pace.start == 0
    assert view(pace, 2).eta == pytest.approx(48, rel=0.05)


def test_going_far_back_is_a_new_phase_with_a_rate_of_its_own() -> None:
    fast = [(i * 0.1, i * 100, 1000) for i in range(11)]
    pace = run(*fast, (2.0, 0, 1000), (3.0, 1, 1000), (4.0, 2, 1000))
    assert pace.start == 2.0
    assert view(pace, 4.0).rate == pytest.approx(1.0)

    pace = run((0, 0, 1000), (1, 12, 1000), (2, 11, 1000), (3, 13, 1000))
    assert (pace.start, view(pace, 3).done) == (0, 13)


def test_a_total_of_zero_and_one_beyond_all_measure_have_no_eta_to_wait_for() -> None:
    found = view(run((0, 0, 0)), 0)
    assert (found.fraction, found.eta) == (1.0, 0.0)
    assert view(run((0, 5, 0)), 0).total is None

    found = view(run((0, 0, 10**14), (1, 1, 10**14)), 1)
    assert found.eta is None
    assert found.fraction is not None


def test_the_scripts_rate_is_used_until_ours_is_known() -> None:
    pace = Pace()
    pace.update(View(10, 110, 5.0), 0.0)
    assert pace.view(0.0) == View(10, 110, 5.0, 20.0)


NUMBER = st.one_of(st.integers(0, 10**15), st.floats(0, 1e15))
UPDATES = st.builds(View, done=NUMBER, total=st.none() | NUMBER, rate=st.none() | st.floats(1e-9, 1e15))


@given(st.lists(st.tuples(UPDATES, st.floats(-10, 1e7)), min_size=1))
def test_no_lie_makes_the_answers_absurd(steps: list[tuple[View, float]]) -> None:
    pace = Pace()
    for said, now in steps:
        pace.update(said, now)
        found = view(pace, now)
        for answer, most in ((found.fraction, 1.0), (found.eta, MAX_ETA), (found.rate, math.inf)):
            assert answer is None or (0 <= answer <= most and not math.isnan(answer))


def test_ten_thousand_updates_in_one_moment_say_nothing_of_the_rate() -> None:
    pace = run((0.0, 0, 20_000), *((0.0, i, 20_000) for i in range(10_000)))
    assert view(pace, 0.0).rate is None
    pace.update(View(10_000, 20_000), 1.0)
    assert view(pace, 1.0).rate == pytest.approx(10_000)


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


def test_without_a_total_there_is_no_bar_and_100_percent_only_when_all_is_done() -> None:
    assert draw(View(done=1234, rate=0.25, elapsed=5), 80) == "1,234 done  0.25/s  0:05"

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
