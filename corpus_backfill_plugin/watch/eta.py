"""How fast a run goes, and when it will be over.

The rate is an exponentially weighted mean over time whose time constant grows with the run: short memory
at the start, when little is known, long memory later, when a burst or a pause of some seconds should not
move the end of a run of hours. It was chosen by measurement: `tests/watch/eta_accuracy.py` replays runs of
even, slowing and bursty speed against this and other estimators.
"""

from __future__ import annotations

import math

import msgspec

MEMORY = 0.5
"""Time constant of the mean, as a part of the time gone by."""

MIN_MEMORY = 2.0
"""Time constant at the start, in seconds."""

GRAIN = 0.05
"""Updates closer together than this many seconds are taken as one."""

MAX_ETA = 99 * 86_400.0
"""Seconds; what would take longer is not known, rather than shown as an absurd number."""


class Pace(msgspec.Struct, frozen=True):
    """What is remembered of a phase's speed. Times are seconds of one clock, that of `now`.

    Attributes:
        start: when the phase was first seen.
        at: when `done` was reached, as far as it has been taken in.
        done: items done at `at`.
        weight: seconds that the mean rests on, older ones counting less.
        work: items done in these.
        gap: a smoothed time between two updates.
    """

    start: float
    at: float
    done: float
    weight: float = 0.0
    work: float = 0.0
    gap: float = 0.0


def advance(pace: Pace, done: float, now: float) -> Pace:
    """Return `pace` with `done` items reached at `now`; unchanged while less than `GRAIN` has passed."""
    passed = now - pace.at
    if passed < GRAIN or not math.isfinite(passed):
        return pace
    weight, work = _faded(pace, passed, now)
    gap = passed if pace.gap == 0 else pace.gap + (passed - pace.gap) * 0.2
    memory = _memory(pace, now)
    share = memory * -math.expm1(-passed / memory)
    return Pace(
        start=pace.start,
        at=now,
        done=done,
        weight=weight + share,
        work=work + (done - pace.done) / passed * share,
        gap=gap,
    )


def rate(pace: Pace, now: float) -> float | None:
    """Return items per second as of `now`, or None while nothing is known.

    A silence of more than two usual gaps counts as time in which nothing was done.
    """
    if pace.weight <= 0 or pace.work <= 0:
        return None
    silence = now - pace.at - 2 * pace.gap
    if silence <= 0:
        return pace.work / pace.weight
    weight, work = _faded(pace, silence, now)
    memory = _memory(pace, now)
    return work / (weight + memory * -math.expm1(-silence / memory))


def remaining(pace: Pace, done: float, total: float, now: float) -> float | None:
    """Return the seconds until `total`, of which `done` is reached; None when unknown or over `MAX_ETA`."""
    speed = rate(pace, now)
    if speed is None or speed <= 0 or total < done:
        return None
    # Between two updates the work goes on: count down for as long as an update may take to come.
    seconds = (total - done) / speed - min(max(now - pace.at, 0.0), pace.gap)
    return max(seconds, 0.0) if seconds <= MAX_ETA else None


def _memory(pace: Pace, now: float) -> float:
    return max(MIN_MEMORY, (now - pace.start) * MEMORY)


def _faded(pace: Pace, passed: float, now: float) -> tuple[float, float]:
    """Return weight and work as they count `passed` seconds later."""
    fade = math.exp(-passed / _memory(pace, now))
    return pace.weight * fade, pace.work * fade
