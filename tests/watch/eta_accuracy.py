"""Measure how far off the ETA is: `python tests/watch/eta_accuracy.py [runs]` prints a Markdown table.

Logs of runs are made with a fixed seed, each line with the moment it was printed, and replayed line by
line. At 10, 25, 50, 75 and 90 % of the records the remaining time that an estimator says is compared
with the true one. The error is |said - true| / true; a dash says that it gave no answer.
"""

from __future__ import annotations

import math
import random
import re
import statistics
import sys
from collections import deque
from typing import TYPE_CHECKING, Protocol

from corpus_backfill_plugin.watch import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Log = list[tuple[float, str]]

POINTS = (10, 25, 50, 75, 90)
PATTERN = re.compile(r"^\[(?P<done>\d+)/(?P<total>\d+)\]")


class Estimator(Protocol):
    def take(self, done: int, total: int, line: str, now: float) -> float | None: ...


class Ours:
    """The product, fed with the very lines."""

    def __init__(self) -> None:
        self.state: progress.Progress | None = None

    def take(self, done: int, total: int, line: str, now: float) -> float | None:
        del done, total
        update = progress.from_pattern(PATTERN, line)
        assert update is not None
        self.state = progress.advance(self.state, update, now)
        return self.state.eta(now)


class Mean:
    """Everything done over all the time gone by."""

    def __init__(self) -> None:
        self.first: tuple[int, float] | None = None

    def take(self, done: int, total: int, line: str, now: float) -> float | None:
        del line
        self.first = self.first or (done, now)
        work, passed = done - self.first[0], now - self.first[1]
        return (total - done) * passed / work if work else None


class Smoothed:
    """Exponential smoothing over time with a time constant of a fixed number of seconds, or of a part."""

    def __init__(self, *, seconds: float = 0.0, part: float = 0.0) -> None:
        self.seconds, self.part = seconds, part
        self.start: float | None = None
        self.at = self.done = self.weight = self.work = 0.0

    def take(self, done: int, total: int, line: str, now: float) -> float | None:
        del line
        if self.start is None:
            self.start, self.at, self.done = now, now, done
            return None
        passed = now - self.at
        if passed > 0:
            memory = max(self.seconds, self.part * (now - self.start), 0.1)
            fade = math.exp(-passed / memory)
            self.weight = self.weight * fade + memory * (1 - fade)
            self.work = self.work * fade + (done - self.done) / passed * memory * (1 - fade)
            self.at, self.done = now, done
        return (total - done) * self.weight / self.work if self.work else None


class Window:
    """What was done in the last seconds, or the last part of the time."""

    def __init__(self, *, seconds: float = 0.0, part: float = 0.0) -> None:
        self.seconds, self.part = seconds, part
        self.seen: deque[tuple[float, int]] = deque()
        self.start: float | None = None

    def take(self, done: int, total: int, line: str, now: float) -> float | None:
        del line
        self.start = now if self.start is None else self.start
        self.seen.append((now, done))
        oldest = now - max(self.seconds, self.part * (now - self.start))
        while len(self.seen) > 2 and self.seen[1][0] <= oldest:
            self.seen.popleft()
        passed, work = now - self.seen[0][0], done - self.seen[0][1]
        return (total - done) * passed / work if work > 0 else None


class MedianSlope:
    """Theil-Sen: the median of the slopes between samples spread over the last half of the time."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int]] = []

    def take(self, done: int, total: int, line: str, now: float) -> float | None:
        del line
        self.seen.append((now, done))
        if done * 100 // total not in POINTS:  # its cost is why it is asked only where it is judged
            return None
        recent = [seen for seen in self.seen if seen[0] >= now - (now - self.seen[0][0]) / 2]
        samples = recent[:: max(len(recent) // 40, 1)]
        slopes = [
            (b[1] - a[1]) / (b[0] - a[0])
            for i, a in enumerate(samples)
            for b in samples[i + 1 :]
            if b[0] > a[0]
        ]
        slope = statistics.median(slopes) if slopes else 0.0
        return (total - done) / slope if slope > 0 else None


class Trend:
    """Holt's double smoothing: speed and its change, run on until the end."""

    def __init__(self, part: float = 0.25) -> None:
        self.fast, self.slow = Smoothed(part=part / 2), Smoothed(part=part * 2)
        self.start: float | None = None
        self.part = part

    def take(self, done: int, total: int, line: str, now: float) -> float | None:
        self.start = now if self.start is None else self.start
        a, b = self.fast.take(done, total, line, now), self.slow.take(done, total, line, now)
        if not a or not b or total == done:
            return a
        left = total - done
        quick, steady = left / a, left / b
        change = (quick - steady) / (1.5 * self.part * max(now - self.start, 0.1))
        speed = quick
        low = speed * speed + 2 * change * left
        if abs(change) < 1e-9 or low <= 0:
            return a * 3 if low <= 0 else a
        return (math.sqrt(low) - speed) / change


ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "**ours**: smoothed, memory grows with the run": Ours,
    "mean since the start": Mean,
    "smoothed, 10 s": lambda: Smoothed(seconds=10),
    "smoothed, 60 s": lambda: Smoothed(seconds=60),
    "smoothed, 1/10 of the time": lambda: Smoothed(part=0.1),
    "smoothed, 1/4 of the time": lambda: Smoothed(part=0.25),
    "smoothed, 1/2 of the time": lambda: Smoothed(part=0.5),
    "smoothed, all of the time": lambda: Smoothed(part=1.0),
    "window of 60 s": lambda: Window(seconds=60),
    "window of the last half": lambda: Window(part=0.5),
    "median slope of the last half": MedianSlope,
    "trend (Holt)": Trend,
}


def even(rng: random.Random, total: int) -> Iterator[float]:
    for _ in range(total):
        yield rng.expovariate(1.0)


def slowing(rng: random.Random, total: int) -> Iterator[float]:
    """Three times as slow at the end as at the start, as when a table grows."""
    for i in range(total):
        yield rng.expovariate(1.0) * (1 + 2 * i / total)


def bursty(rng: random.Random, total: int) -> Iterator[float]:
    """Cheap and dear records in blocks, with pauses between, as when files come from many folders."""
    cost, left = 1.0, 0
    for _ in range(total):
        if not left:
            left = rng.randint(1, max(total // 20, 1))
            cost = rng.choice((0.1, 0.5, 1.0, 4.0))
            yield_pause = rng.choice((0.0, 0.0, total / 100))
        else:
            yield_pause = 0.0
        left -= 1
        yield yield_pause + rng.expovariate(1.0) * cost


SHAPES: dict[str, Callable[[random.Random, int], Iterator[float]]] = {
    "even": even,
    "slowing": slowing,
    "bursty": bursty,
}


def replayable(shape: str, seed: int) -> Log:
    """Return the lines of one run with the seconds at which they were printed."""
    rng = random.Random(f"{shape}-{seed}")  # noqa: S311 - a model, not a secret
    total = rng.choice((200, 1000, 3000))
    pace = rng.choice((0.05, 0.5, 2.0))
    now, log = 0.0, []
    for done, cost in enumerate(SHAPES[shape](rng, total), start=1):
        now += cost * pace
        log.append((now, f"[{done}/{total}] record {done}"))
    return log


def errors(estimator: Estimator, log: Log) -> dict[int, float]:
    """Return the error in % at each of `POINTS`; infinite where there was no answer."""
    total, end, out = len(log), log[-1][0], {}
    at = {total * point // 100: point for point in POINTS}
    for done, (now, line) in enumerate(log, start=1):
        said = estimator.take(done, total, line, now)
        if done in at:
            true = end - now
            out[at[done]] = math.inf if said is None else abs(said - true) / true * 100
    return out


def measured(runs: int) -> dict[str, dict[str, dict[int, tuple[float, float]]]]:
    """Return median and 90th percentile of the error by shape, estimator and point."""
    table: dict[str, dict[str, dict[int, tuple[float, float]]]] = {}
    for shape in SHAPES:
        logs = [replayable(shape, seed) for seed in range(runs)]
        for name, make in ESTIMATORS.items():
            found = [errors(make(), log) for log in logs]
            for point in POINTS:
                ordered = sorted(one[point] for one in found)
                pair = (ordered[len(ordered) // 2], ordered[min(len(ordered) * 9 // 10, len(ordered) - 1)])
                table.setdefault(shape, {}).setdefault(name, {})[point] = pair
    return table


def markdown(runs: int) -> str:
    """Return the table, and the mean over all shapes and points by which the estimators are ranked."""
    table = measured(runs)
    lines = [
        f"Error of the ETA in %, median/90th percentile of {runs} replayed runs, by the part done.",
        "",
        "| speed | estimator | " + " | ".join(f"{point} %" for point in POINTS) + " |",
        "|---|---|" + "---|" * len(POINTS),
    ]
    for shape, rows in table.items():
        for name, cells in rows.items():
            shown = " | ".join("/".join(_cell(value) for value in cells[point]) for point in POINTS)
            lines.append(f"| {shape} | {name} | {shown} |")
    lines += ["", "| estimator | mean of the medians | mean of the 90th percentiles |", "|---|---|---|"]
    for name in ESTIMATORS:
        pairs = [table[shape][name][point] for shape in SHAPES for point in POINTS]
        medians, highs = zip(*pairs, strict=True)
        lines.append(f"| {name} | {_cell(statistics.fmean(medians))} | {_cell(statistics.fmean(highs))} |")
    return "\n".join(lines)


def _cell(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "-"


if __name__ == "__main__":
    sys.stdout.write(markdown(int(sys.argv[1]) if len(sys.argv) > 1 else 100) + "\n")
