"""What the real tqdm draws is read back."""

import os
import subprocess
import sys

import pytest

from corpus_backfill_plugin.agent import tqdm_bars
from corpus_backfill_plugin.agent.output import OutputReader
from corpus_backfill_plugin.agent.progress import Pace
from corpus_backfill_plugin.agent.records import Output

HEADER = "import sys, time\nfrom tqdm import tqdm\nD = dict(mininterval=0)\n"


def drawn(script: str, **environ: str) -> bytes:
    """Everything that a script with tqdm writes to its stderr."""
    words = [sys.executable, "-c", HEADER + script]
    env = {**os.environ, "PYTHONIOENCODING": "utf-8", **environ}
    return subprocess.run(words, stderr=subprocess.PIPE, check=True, timeout=30, env=env).stderr


def watched(data: bytes, size: int = 7) -> tuple[list[tuple[float, float | None]], int, Pace]:
    """(done, total) without repetitions while `data` comes in small chunks, how many phases, and the end."""
    watcher, pairs, starts = OutputReader(Output(progress="tqdm")), list[tuple[float, float | None]](), set()
    for at in range(0, len(data) + size, size):
        watcher.feed("stderr", data[at : at + size], at / 1000)
        if at >= len(data):
            watcher.close("stderr", at / 1000)
        if said := watcher.pace.said:
            starts.add(watcher.pace.start)
            if pairs[-1:] != [(said.done, said.total)]:
                pairs.append((said.done, said.total))
    return pairs, len(starts), watcher.pace


@pytest.mark.parametrize(
    "options",
    [
        "", "desc='a: b [x]', unit='file'", "ascii=True, ncols=70", "colour='green', postfix={'loss': 1}",
        "unit=' rec', bar_format='{l_bar}{bar:5}{r_bar}'", "dynamic_ncols=True, smoothing=0",
    ],
    ids=str,
)  # fmt: skip
def test_every_update_of_a_plain_bar_is_seen(options: str) -> None:
    pairs, _, _ = watched(drawn(f"for i in tqdm(range(9), {options or 'leave=True'}, **D): pass"))
    assert pairs == [(i, 9) for i in range(10)]


def test_scaled_units_are_multiplied_out() -> None:
    script = "b = tqdm(total=3_400_000, unit='B', unit_scale=True, **D)\nb.update(1_200)\nb.close()"
    assert watched(drawn(script))[0] == [(0, 3_400_000), (1200, 3_400_000)]


def test_an_unknown_total_stays_unknown() -> None:
    pairs, _, pace = watched(drawn("for i in tqdm(iter(range(4)), desc='x', **D): pass"))
    assert pairs == [(i, None) for i in range(5)]
    view = pace.view(1.0)
    assert view is not None
    assert view.eta is None


@pytest.mark.parametrize(
    ("line", "rate"),
    [
        (" 50%|#####     | 5/10 [00:01<00:01,  4.97it/s]", 4.97),
        (" 50%|#####     | 5/10 [00:10<00:10,  2.00s/it]", 0.5),
        (" 50%|#####     | 5/10 [1:00:10<1:00:10, 1.2kB/s, loss=3]", 1200),
        ("  0%|          | 0/10 [00:00<?, ?it/s]", None),
        ("5 files [00:01, 4.00 files/s]", 4),
    ],
)
def test_rates_are_items_per_second(line: str, rate: float | None) -> None:
    bar = tqdm_bars.read(line)
    assert bar is not None
    assert bar.said.rate == rate


@pytest.mark.parametrize(
    "inner", ["range(5)", "range(3)", "range(7), desc=f'file {i}'", "range(5), leave=False"], ids=str
)
def test_of_nested_bars_the_outermost_counts(inner: str) -> None:
    script = f"""
for i in tqdm(range(5), **D):
    for j in tqdm({inner}, **D):
        for k in tqdm(range(2), **D): pass
    time.sleep(0.01)
"""
    pairs, phases, _ = watched(drawn(script))
    assert pairs == [(i, 5) for i in range(6)]
    assert phases == 1


def test_one_bar_after_the_other_is_two_phases() -> None:
    pairs, phases, _ = watched(drawn("for n in (4, 6):\n for i in tqdm(range(n), **D): pass"))
    assert pairs == [*((i, 4) for i in range(5)), *((i, 6) for i in range(7))]
    assert phases == 2


@pytest.mark.parametrize(
    "line",
    [
        "loaded 12 of 13 [ok]", " 10%|#         | 10/10", " 10%|#         | nan/inf [00:00<?, ?it/s]",
        " 10%|#         | 99999999999999999999/3 [00:00<?, ?it/s]", "2026-01-01 [INFO] 5/10 done",
        "a [" * 1300, ": 1%|" * 800,
    ],
)  # fmt: skip
def test_other_lines_are_no_bars(line: str) -> None:
    assert tqdm_bars.read(line) is None
