"""What must not grow with the number of runs."""

import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import pytest

from corpus_backfill_plugin.agent.facts import facts
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.records import RunRecord
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.state import State


def filled(folder: Path, count: int) -> State:
    """Return a state folder with `count` runs that ended."""
    state = State(folder)
    state.runs.mkdir(parents=True)
    plain = RunRecord(
        number=0, token="", command="demo", user="ann", host="here", boot="b", started=1.0, spec_source="s",
        spec_path="p", spec_hash="h", script_path="p", script_hash="h", options={"limit": 3},
        arguments=("python", "script.py", "--limit", "3"), server="/srv",
    )  # fmt: skip
    with Ledger(state.ledger) as ledger:
        ledger._db.execute("PRAGMA synchronous = OFF")
        for _ in range(count):
            ledger.begin(replace(plain, token=os.urandom(8).hex()), lambda _: None)
        ledger._db.execute(
            "UPDATE runs SET state = CASE number % 3 WHEN 0 THEN 'failed' ELSE 'succeeded' END"
        )
    return state


def seconds_to_list(place: State, **chosen: str) -> float:
    """Return how long the work of `runs` takes, from opening the ledger to the facts: the median of many."""
    times = []
    for _ in range(41):
        begun = time.perf_counter()
        with Ledger(place.ledger) as ledger:
            recover(place, ledger)
            rows = [facts(record) for record in ledger.select(limit=10, **chosen)]
        times.append(time.perf_counter() - begun)
        assert len(rows) == 10
    return statistics.median(times)


@pytest.mark.quiet  # compares times
def test_ten_thousand_runs_are_listed_within_twice_the_time_of_thirty(tmp_path: Path) -> None:
    few, many = filled(tmp_path / "few", 30), filled(tmp_path / "many", 10_000)
    for chosen in ({}, {"state": "failed"}, {"command": "demo"}):
        assert seconds_to_list(many, **chosen) < 2 * seconds_to_list(few, **chosen), chosen
