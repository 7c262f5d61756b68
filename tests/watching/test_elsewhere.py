"""How far a run is, seen from another terminal: by the ledger while somebody watches, else by its logs."""

from __future__ import annotations

import itertools
import json
import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from conftest import Program

    from watching.places import Place, Terminal


@pytest.mark.quiet  # a rate of 3 to 12 a second
def test_a_run_that_nobody_watches_is_read_from_its_logs(
    place: Place, backfill: Program, shown: Callable[..., dict[str, Any]], until: Callable[..., None]
) -> None:
    place.fill(40)
    backfill("work", "--pause", "0.1", "--detach")
    until(lambda: (shown()["progress"] or {"done": 0})["done"] >= 10)
    seen = shown()["progress"]
    assert seen["total"] == 40
    assert 3 < seen["rate"] < 12
    assert abs(seen["eta"] - (40 - seen["done"]) / seen["rate"]) < 0.1
    assert place.record().view is None
    cell = backfill("runs").stdout.split("\t")[6]
    assert cell.split("%, ETA 0:0")[0].isdigit()
    assert "progress\t" in backfill("runs", "show").stdout
    backfill("runs", "stop")


def test_a_run_that_somebody_watches_is_read_from_the_ledger(
    place: Place, terminal: Callable[..., Terminal], backfill: Program
) -> None:
    place.fill(60)
    watching = terminal("work", "--pause", "0.1", "--bad", "a3")
    watching.read_until(lambda: "ETA" in watching.bar and place.record().view is not None)
    record = place.record()
    assert record.view is not None
    assert (record.view.total, record.view.failures, record.failures) == (60, 1, 1)
    assert record.seen is not None
    assert abs(time.time() - record.seen) < 5
    row = json.loads(backfill("runs", "--json").stdout)[0]
    assert row["progress"]["done"] >= record.view.done
    assert row["progress"]["failures"] == 1
    (place.folder().log("stdout")).rename(place.state.root / "away")  # so that it can only be the ledger's
    assert json.loads(backfill("runs", "--json").stdout)[0]["progress"]["total"] == 60
    backfill("runs", "stop")


@pytest.mark.quiet  # notes 0.9 s apart
def test_notes_of_progress_come_once_a_second_at_the_most(
    place: Place, start: Callable[..., subprocess.Popen[bytes]], until: Callable[..., None]
) -> None:
    place.fill(200)
    process = start("work", "--pause", "0.01")
    until(lambda: place.begun() and place.folder().log("stdout").exists())
    seen = set()
    begun = time.monotonic()
    while process.poll() is None and time.monotonic() - begun < 20:
        seen.add(place.record().seen)
        time.sleep(0.05)
    lasted = time.monotonic() - begun
    moments = sorted(moment for moment in seen if moment is not None)
    assert 1 <= len(moments) <= lasted + 1
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(moments))


@pytest.mark.quiet  # a rate of 2 to 11.5 a second
def test_attach_shows_the_same_bar_with_what_was_printed_before(
    place: Place, backfill: Program, terminal: Callable[..., Terminal]
) -> None:
    place.fill(60)
    backfill("work", "--pause", "0.1", "--detach")
    time.sleep(2)
    attached = terminal("runs", "attach", NO_COLOR="1")
    attached.read_until(lambda: "ETA" in attached.bar)
    assert "::progress" not in attached.raw
    assert "item a1\r\n" in attached.raw
    # Ten a second at most, from the begin of the run on and not from when one began to look.
    done, rate = attached.bar.split("/60")[0].split()[-1], attached.bar.split("/s")[0].split()[-1]
    assert int(done) >= 10
    assert 2 < float(rate) < 11.5
    attached.process.sendintr()
    assert attached.read_to_end() == 128 + signal.SIGINT
    assert place.until_ended().state == "stopped"


def test_attach_ends_with_the_summary_and_the_proof(
    proved: Place, backfill: Program, until: Callable[..., None]
) -> None:
    backfill("work", "--pause", "0.3", "--bad", "a1", "--detach")
    until(lambda: proved.folder().log("stdout").read_bytes())
    attached = backfill("runs", "attach")
    assert attached.code == 1
    assert "Updated 5, failed 1 in" in attached.stderr
    assert "work (run 1) is incomplete: 1 left (pending = 1, expected 0)" in attached.stderr.splitlines()


@pytest.mark.quiet  # no line later than 1 s
def test_a_ledger_that_cannot_be_written_does_not_hold_a_run_up(
    place: Place, start: Callable[..., subprocess.Popen[bytes]], until: Callable[..., None]
) -> None:
    place.fill(25)
    process = start("work", "--pause", "0.1")
    until(lambda: place.begun() and place.folder().log("stdout").exists())
    assert process.stdout is not None
    with closing(sqlite3.connect(place.state.ledger, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        longest = 0.0
        until_free = time.monotonic() + 2
        while (before := time.monotonic()) < until_free:
            process.stdout.readline()
            longest = max(longest, time.monotonic() - before)
        db.execute("ROLLBACK")
    assert longest < 1
    assert process.wait(20) == 0
    assert place.record().state == "succeeded"


def test_a_viewer_killed_while_progress_is_written_leaves_a_sound_ledger(
    place: Place,
    start: Callable[..., subprocess.Popen[bytes]],
    until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The more often it writes, the likelier it is hit: a note for each look at the logs.
    hook = place.file.parent / "often"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import corpus_backfill_plugin.terminal.sink as s; s.NOTE_EVERY = s.DRAW_EVERY = 0\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(hook))
    for number in range(1, 4):
        place.fill(70)
        process = start("work", "--pause", "0.01")
        until(lambda: place.begun(number))  # noqa: B023 - waited for here
        until(lambda: place.record(number).view is not None)  # noqa: B023 - same
        time.sleep(0.013 * number)
        process.kill()
        process.wait()
        with closing(sqlite3.connect(place.state.ledger)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        record = place.until_ended(number)
        assert (record.state, record.counts) == ("succeeded", {"updated": 70, "failed": 0})
