from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.agent.progress import MAX_ETA, Progress, Update, advance, count, from_names


def run(*updates: tuple[float, float, float | None]) -> Progress:
    """The state after updates of (now, done, total)."""
    state: Progress | None = None
    for now, done, total in updates:
        state = advance(state, Update(done=done, total=total), now)
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("0", 0),
        ("1.5", 1.5),
        ("1.20k", 1200),
        ("3.4M", 3_400_000),
        ("1,234,567", 1_234_567),
        ("1_000", 1000),
        ("999999999999999", 999_999_999_999_999),
        ("9999999999999999", None),
        ("999999999T", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e300", None),
        ("1,23", None),
        ("\u0661", None),
        ("", None),
        ("1Z", None),
    ],
)
def test_numbers_are_believed_only_when_plain_and_sane(text: str, value: float | None) -> None:
    assert count(text) == value


def test_a_template_gives_done_total_and_rate() -> None:
    assert from_names({"done": "1,200", "total": "3.4k", "rate": "2.5"}) == Update(1200, 3400, 2.5)
    assert from_names({"done": "9" * 16, "total": "5"}) is None
    assert from_names({"done": "3"}) == Update(done=3)
    assert from_names({}) is None


def test_an_even_run_is_foretold() -> None:
    state = run(*((i * 0.5, i, 100) for i in range(51)))
    assert state.fraction == 0.5
    assert state.rate(25.0) == pytest.approx(2.0)
    assert state.eta(25.0) == pytest.approx(25.0, abs=1)


def test_the_eta_counts_down_between_updates_and_grows_in_silence() -> None:
    state = run(*((i * 10, i, 20) for i in range(11)))
    at_once, later, much_later = state.eta(100.0), state.eta(105.0), state.eta(400.0)
    assert at_once is not None
    assert later is not None
    assert much_later is not None
    assert later == pytest.approx(at_once - 5)
    assert much_later > at_once


def test_resumed_work_does_not_count_as_speed() -> None:
    state = run((0.0, 90_000, 100_000), (10.0, 90_010, 100_000))
    assert state.rate(10.0) == pytest.approx(1.0)


def test_more_done_than_there_is_gives_no_percentage_and_no_eta() -> None:
    state = run((0, 1, 10), (1, 11, 10))
    assert (state.done, state.total, state.fraction, state.eta(1)) == (11, 10, None, None)


def test_a_changing_total_is_followed_and_keeps_the_rate() -> None:
    state = run((0, 0, 10), (1, 1, 10), (2, 2, 50))
    assert state.phase == 1
    assert state.eta(2) == pytest.approx(48, rel=0.05)


def test_going_back_is_a_new_phase_with_a_rate_of_its_own() -> None:
    fast = [(i * 0.1, i * 100, 1000) for i in range(11)]
    state = run(*fast, (2.0, 0, 1000), (3.0, 1, 1000), (4.0, 2, 1000))
    assert state.phase == 2
    assert state.rate(4.0) == pytest.approx(1.0)


def test_workers_out_of_order_are_no_new_phase() -> None:
    state = run((0, 0, 1000), (1, 12, 1000), (2, 11, 1000), (3, 13, 1000))
    assert (state.phase, state.done) == (1, 13)


def test_a_total_of_zero_with_nothing_done_is_complete() -> None:
    state = run((0, 0, 0))
    assert (state.fraction, state.eta(0)) == (1.0, 0.0)
    assert run((0, 5, 0)).total is None


def test_an_eta_beyond_all_measure_is_not_told() -> None:
    state = run((0, 0, 10**14), (1, 1, 10**14))
    assert state.eta(1) is None
    assert state.fraction is not None


def test_the_scripts_rate_is_used_until_ours_is_known() -> None:
    state = advance(None, Update(done=10, total=110, rate=5.0), 0.0)
    assert (state.rate(0.0), state.eta(0.0)) == (5.0, 20.0)


NUMBER = st.one_of(st.integers(0, 10**15), st.floats(0, 1e15))
UPDATES = st.builds(Update, done=NUMBER, total=st.none() | NUMBER, rate=st.none() | st.floats(1e-9, 1e15))


@given(st.lists(st.tuples(UPDATES, st.floats(-10, 1e7)), min_size=1))
def test_no_lie_makes_the_answers_absurd(steps: list[tuple[Update, float]]) -> None:
    state: Progress | None = None
    for update, now in steps:
        state = advance(state, update, now)
        for answer, most in (
            (state.fraction, 1.0),
            (state.eta(now), MAX_ETA),
            (state.rate(now), math.inf),
        ):
            assert answer is None or (0 <= answer <= most and not math.isnan(answer))


def test_ten_thousand_updates_in_one_moment_say_nothing_of_the_rate() -> None:
    state = run((0.0, 0, 20_000), *((0.0, i, 20_000) for i in range(10_000)))
    assert state.rate(0.0) is None
    later = advance(state, Update(done=10_000, total=20_000), 1.0)
    assert later.rate(1.0) == pytest.approx(10_000)
