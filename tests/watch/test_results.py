from __future__ import annotations

import pytest

from corpus_backfill_plugin.agent.output import (
    MAX_FAILED,
    MAX_ITEM,
    MAX_REASON,
    Failure,
    Output,
    OutputReader,
    Results,
)
from corpus_backfill_plugin.agent.progress import View
from corpus_backfill_plugin.runs.summary import summary
from corpus_backfill_plugin.text import duration

OUTPUT = Output(
    failed="^FAILED {item}: {reason}",
    result=("^updated={updated} failed={failed}", "^pending={pending}"),
)


def results(*lines: str) -> Results:
    watcher = OutputReader(OUTPUT)
    for line in lines:
        watcher.feed("stdout", f"{line}\n".encode(), 0.0)
    return watcher.results


def test_the_last_count_of_a_name_wins() -> None:
    found = results("updated=1 failed=0", "pending=9", "updated=12 failed=1")
    assert found.counts == {"updated": 12, "failed": 1, "pending": 9}


def test_what_is_no_sane_whole_number_is_left_out() -> None:
    found = results("updated=3 failed=2", f"updated={10**15} failed=-4", "updated=nan failed=1.5")
    assert found.counts == {"updated": 3, "failed": 2}


def test_failures_are_kept_with_their_reasons_as_printed() -> None:
    found = results("FAILED a/b.wav: no such\x1b[2J file", "ok", "FAILED c: timeout")
    assert found.failed == (Failure("a/b.wav", "no such\x1b[2J file"), Failure("c", "timeout"))
    assert found.failures == 2


def test_both_streams_are_read() -> None:
    watcher = OutputReader(OUTPUT)
    watcher.feed("stdout", b"FAILED a: x\nFAILED b", 0.0)
    watcher.feed("stderr", b"FAILED c: z\n", 0.0)
    watcher.feed("stdout", b": y", 0.0)
    watcher.close("stdout", 0.0)
    assert [failure.item for failure in watcher.results.failed] == ["a", "c", "b"]


def test_failures_beyond_the_bound_are_counted_only() -> None:
    watcher = OutputReader(OUTPUT)
    watcher.feed("stdout", b"".join(b"FAILED %d: no\n" % i for i in range(MAX_FAILED + 5)), 0.0)
    watcher.feed("stdout", b"FAILED last: no\n", 0.0)
    assert (len(watcher.results.failed), watcher.results.failed_total) == (MAX_FAILED, MAX_FAILED + 6)


def test_an_item_too_long_is_counted_and_never_cut() -> None:
    found = results(f"FAILED {'x' * (MAX_ITEM + 1)}: no", f"FAILED y: {'r' * 3000}")
    assert found.failed_total == 2
    assert found.failed == (Failure("y", "r" * MAX_REASON),)


def test_the_summary_tells_counts_time_and_the_first_failures() -> None:
    found = results(*(f"FAILED {i}: bad\x1b" for i in range(7)), "updated=1200 failed=7")
    assert summary(found, None, 134.4, see_all="backfill runs show 3").splitlines() == [
        "Updated 1,200, failed 7 in 2m 14s",
        *(f"  failed {i}: bad\\x1b" for i in range(5)),
        "  and 2 more; all of them: backfill runs show 3",
    ]


def test_without_counts_the_summary_tells_how_far_it_came() -> None:
    state = View(done=12, total=30)
    assert summary(Results(), state, 0.44) == "Done 12 of 30 in 0.4s"
    assert summary(results("FAILED a: b"), state, 61) == "Done 12 of 30, failed 1 in 1m 01s\n  failed a: b"
    assert summary(Results(), None, 3) == "Finished in 3.0s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0s"), (9.96, "10.0s"), (59.6, "1m 00s"), (3599.7, "1h 00m"), (90_000, "1d 01h")],
)
def test_durations_are_told_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
