"""The watcher as a whole: what passes, what it costs, and what it makes of scripts that lie."""

import os
import random
import re
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.agent.output import MAX_FAILED, MAX_ITEM, MAX_REASON, OutputReader, Results
from corpus_backfill_plugin.agent.progress import View
from corpus_backfill_plugin.agent.records import Failure, Output
from corpus_backfill_plugin.runs.summary import summary
from corpus_backfill_plugin.text import duration

OUTPUT = Output(
    progress="^[{done}/{total}]", failed="^FAILED {item}: {reason}", result=("^updated={updated}",)
)
MEGABYTES = int(os.environ.get("WATCH_MEGABYTES", "200"))
"""How much output the memory test reads; 1000 for the real thing."""

PIECES = st.sampled_from(
    [
        b"[1/9] a", b"[5/9] b", b"FAILED x: y", b"updated=4", b"\n", b"\r\n", b"\r", b"z\xff", b"::progress",
        b"[", b"\x1b[A",
    ]
)  # fmt: skip


@given(st.lists(PIECES), st.integers(1, 9))
def test_everything_but_the_protocol_passes_untouched_in_any_chunks(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    whole, parts = OutputReader(OUTPUT), OutputReader(OUTPUT)
    shown = whole.feed("stdout", data, 0.0) + whole.close("stdout", 0.0)
    chunks = [parts.feed("stdout", data[at : at + size], 0.0) for at in range(0, len(data), size)]
    assert shown == data == b"".join(chunks) + parts.close("stdout", 0.0)
    assert parts.results == whole.results
    assert (parts.pace.said is None) == (whole.pace.said is None)
    lines = [line for line in re.split(rb"\r\n|\r|\n", data) if line.startswith((b"[1/9]", b"[5/9]"))]
    if parts.pace.said and lines[-1].startswith(b"[5"):
        assert parts.pace.said.done == 5


def test_without_an_output_table_the_protocol_still_counts() -> None:
    watcher = OutputReader(None)
    assert watcher.feed("stderr", b"a\n::progress done=3 total=4\nb", 1.0) == b"a\nb"
    assert watcher.pace.said is not None
    assert watcher.pace.said.fraction == 0.75


def test_who_speaks_the_protocol_is_not_read_by_pattern_any_more() -> None:
    watcher = OutputReader(OUTPUT)
    watcher.feed("stdout", b"::progress done=3 total=4\n[1/9]\n", 1.0)
    watcher.feed("stdout", b"[2/9]\n", 2.0)
    assert watcher.pace.said == View(3, 4)


@pytest.mark.parametrize(
    "speech", ["[{}/{}] x\n", "::progress done={} total={}\n"], ids=["pattern", "protocol"]
)
def test_a_script_that_lies_is_survived(speech: str) -> None:
    rng = random.Random(7)  # noqa: S311 - a script's lies
    lies = ("0", "5", "12", "9" * 15, "9" * 40, "nan", "inf", "-3", "1e99", "", "\u0663", "0x10", "1.5")
    watcher, now = OutputReader(OUTPUT), 0.0
    for _ in range(3000):
        now += rng.choice((0.0, 0.01, 5.0))
        watcher.feed("stdout", speech.format(rng.choice(lies), rng.choice(lies)).encode(), now)
        if view := watcher.pace.view(now):
            assert 0 <= view.done < 10**15
            assert view.fraction is None or 0 <= view.fraction <= 1
            assert view.eta is None or 0 <= view.eta < 10**7


@pytest.mark.quiet  # half a second of the processor
@pytest.mark.parametrize(
    ("output", "line"),
    [
        (OUTPUT, b"[%d/20000] some/file/name.wav measured\n"),
        (None, b"::progress done=%d total=20000\n"),
        (Output(progress="tqdm"), b"\r 50%%|#####     | %d/20000 [00:01<00:01, 4999.97it/s]"),
    ],
    ids=["pattern", "protocol", "tqdm"],
)
def test_ten_thousand_updates_a_second_are_cheap(output: Output | None, line: bytes) -> None:
    watcher = OutputReader(output)
    lines = [line % i for i in range(10_001)]
    before = time.process_time()
    for at, one in enumerate(lines):
        watcher.feed("stdout", one, at / 10_000)
    watcher.close("stdout", 1.0)
    assert time.process_time() - before < 0.5  # a second's worth, one chunk a line, the dearest way
    view = watcher.pace.view(1.0)
    assert view is not None
    assert view.done == 10_000
    assert view.rate == pytest.approx(10_000, rel=0.05)


def test_memory_is_flat_however_much_is_printed() -> None:
    lines = (b"record %06d of a long list, with nothing in it that means anything\n" % i for i in range(3000))
    block = b"".join(lines) + b"[7/9] x\nFAILED a: b\nupdated=3\n"
    watcher = OutputReader(OUTPUT)
    for at in range(200):
        watcher.feed("stdout", block, at)
    tracemalloc.start()
    for at in range(MEGABYTES * 1_000_000 // len(block)):
        watcher.feed("stdout", block, at)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1_000_000
    assert peak < 3_000_000


def test_lines_that_mean_nothing_pass_at_memory_speed() -> None:
    block = b"2026-01-01 12:00:00 measured some/file/name.wav in 0.12 seconds, fine so far\n" * 3300
    watcher = OutputReader(Output(failed=OUTPUT.failed, result=OUTPUT.result))
    reference = min(_seconds(lambda: block.count(b"\n")) for _ in range(5))
    ours = min(_seconds(lambda: watcher.feed("stdout", block, 0.0)) for _ in range(5))
    split = min(
        _seconds(lambda: [line for line in block.split(b"\n") if b"FAILED" in line]) for _ in range(5)
    )
    assert ours < split
    assert ours < 100 * reference


def _seconds(action: Callable[[], object]) -> float:
    before = time.perf_counter()
    action()
    return time.perf_counter() - before


RESULTS = Output(
    failed="^FAILED {item}: {reason}", result=("^updated={updated} failed={failed}", "^pending={pending}")
)


def results(*lines: str) -> Results:
    watcher = OutputReader(RESULTS)
    for line in lines:
        watcher.feed("stdout", f"{line}\n".encode(), 0.0)
    return watcher.results


def test_the_last_count_of_a_name_wins_if_it_is_a_sane_whole_number() -> None:
    found = results("updated=1 failed=0", "pending=9", "updated=12 failed=1")
    assert found.counts == {"updated": 12, "failed": 1, "pending": 9}
    found = results("updated=3 failed=2", f"updated={10**15} failed=-4", "updated=nan failed=1.5")
    assert found.counts == {"updated": 3, "failed": 2}


def test_failures_are_kept_with_their_reasons_as_printed() -> None:
    found = results("FAILED a/b.wav: no such\x1b[2J file", "ok", "FAILED c: timeout")
    assert found.failed == (Failure("a/b.wav", "no such\x1b[2J file"), Failure("c", "timeout"))
    assert found.failures == 2


def test_both_streams_are_read() -> None:
    watcher = OutputReader(RESULTS)
    watcher.feed("stdout", b"FAILED a: x\nFAILED b", 0.0)
    watcher.feed("stderr", b"FAILED c: z\n", 0.0)
    watcher.feed("stdout", b": y", 0.0)
    watcher.close("stdout", 0.0)
    assert [failure.item for failure in watcher.results.failed] == ["a", "c", "b"]


def test_failures_beyond_the_bound_are_counted_only() -> None:
    watcher = OutputReader(RESULTS)
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
    [
        (-1, "0.0s"), (0.04, "0.0s"), (9.96, "10.0s"), (12, "12s"), (59.6, "1m 00s"), (185, "3m 05s"),
        (3599.7, "1h 00m"), (7380, "2h 03m"), (90_000, "1d 01h"), (349_200, "4d 01h"), (-5, "0.0s"),
    ],
)  # fmt: skip
def test_durations_are_told_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
