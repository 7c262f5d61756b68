"""How far a run is: a frozen state, and the pure step from one to the next.

A script's numbers are claims. `advance` takes them as they come, and the questions asked of the state
answer None where the claims contradict each other: more done than there is gives no percentage and no
ETA, a fall back to less is a new phase whose speed is learnt anew, and nothing of it ever raises.
"""

from __future__ import annotations

import re

import msgspec

from corpus_backfill_plugin.watch import eta
from corpus_backfill_plugin.watch.numbers import Count, count

PROTOCOL = b"::progress"
"""What a line of the protocol begins with: `::progress done=120 total=3400`."""

_PROTOCOL_LINE = re.compile(rb"::progress done=([0-9]{1,15}) total=([0-9]{1,15})")

BACKSTEP = 0.05
"""Falling back by less than this part of the total is workers finishing out of order, not a new phase."""


class Update(msgspec.Struct, frozen=True):
    """What one line says: items done, of how many, and the script's own rate in items per second."""

    done: Count
    total: Count | None = None
    rate: float | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far a run is.

    Attributes:
        done: items done, as the script says.
        total: items there are, as the script says; None when it does not, or says 0 with items done.
        pace: what the rate is computed from.
        said_rate: the script's own rate, in items per second; used until ours is known.
        phase: 1, and one more each time the script began to count anew.
    """

    done: Count
    total: Count | None
    pace: eta.Pace
    said_rate: float | None = None
    phase: int = 1

    @property
    def fraction(self) -> float | None:
        """The part done, 0 to 1; None without a total or when more is done than there is."""
        if self.total is None or self.done > self.total:
            return None
        return self.done / self.total if self.total else 1.0

    def rate(self, now: float) -> float | None:
        """Return items per second, smoothed; None while unknown."""
        return eta.rate(self.pace, now) or self.said_rate

    def eta(self, now: float) -> float | None:
        """Return the seconds still to go, never negative; None while unknown or beyond all measure."""
        if self.total is None or self.fraction is None:
            return None
        if self.done >= self.total:
            return 0.0
        if eta.rate(self.pace, now) is not None:
            return eta.remaining(self.pace, self.done, self.total, now)
        if self.said_rate:
            seconds = (self.total - self.done) / self.said_rate
            return seconds if seconds <= eta.MAX_ETA else None
        return None


def advance(state: Progress | None, update: Update, now: float) -> Progress:
    """Return the state after `update`, read at `now` (seconds of a clock that does not go back)."""
    total = update.total if update.total or not update.done else None
    if state is None:
        return _phase(update, total, now, 1)
    done = update.done
    if done < state.done:
        if total != state.total or state.done - done > max(BACKSTEP * (total or 0), 1):
            return _phase(update, total, now, state.phase + 1)
        done = state.done
    return Progress(
        done=done,
        total=total,
        pace=eta.advance(state.pace, done, now),
        said_rate=update.rate if update.rate is not None else state.said_rate,
        phase=state.phase,
    )


def _phase(update: Update, total: Count | None, now: float, number: int) -> Progress:
    pace = eta.Pace(start=now, at=now, done=update.done)
    return Progress(done=update.done, total=total, pace=pace, said_rate=update.rate, phase=number)


def from_protocol(line: bytes) -> Update | None:
    """Return what a whole line of the protocol says; None when it is not exactly one."""
    found = _PROTOCOL_LINE.fullmatch(line)
    return Update(done=int(found[1]), total=int(found[2])) if found else None


def from_pattern(pattern: re.Pattern[str], line: str) -> Update | None:
    """Return what `line` says by the groups `done`, `total` and `rate` of `pattern`.

    A line whose `done` is missing or no number is an ordinary line; a bad `total` or `rate` is unknown.
    """
    found = pattern.search(line)
    if found is None:
        return None
    said = found.groupdict()
    done = count(said.get("done"))
    if done is None:
        return None
    rate = count(said.get("rate"))
    return Update(done=done, total=count(said.get("total")), rate=float(rate) if rate else None)
