"""What a run did and what failed in it: read from its logs when it ends, reported, kept, and shown again."""

import tracemalloc
from pathlib import Path

import pytest

from corpus_backfill_plugin.agent.folder import RunFolder
from corpus_backfill_plugin.agent.logs import read_logs, view_at_end
from corpus_backfill_plugin.agent.output import MAX_FAILED
from corpus_backfill_plugin.agent.records import Failure, Output
from watching.conftest import WATCHED_OR_NOT, Place

OUTPUT = Output(failed="^FAILED {item}: {reason}", result=("^updated={updated}",), progress="tqdm")


@WATCHED_OR_NOT
def test_counts_and_failures_are_told_and_kept(place: Place, how: tuple[str, ...]) -> None:
    ended = place("work", "--bad", "a2,a5", *how)
    place.wait_for_end()
    told = place.shown()
    assert told["counts"] == {"updated": 4, "failed": 2}
    assert told["failures"] == 2
    assert told["failed"] == [{"item": "a2", "reason": "is bad"}, {"item": "a5", "reason": "is bad"}]
    assert told["state"] == "succeeded"
    assert (told["progress"]["done"], told["progress"]["total"], told["progress"]["eta"]) == (6, 6, None)
    if not how:
        assert "Updated 4, failed 2 in" in ended.stderr
        assert "  failed a2: is bad" in ended.stderr
    shown_to_people = place("runs", "show").stdout
    assert "counts\tupdated=4, failed=2" in shown_to_people
    assert "failed\ta2: is bad, a5: is bad" in shown_to_people
    assert place("runs").rows[0][6] == "100%, 2 failed"


def test_the_protocol_is_in_the_log_and_in_nothing_that_is_shown(place: Place) -> None:
    assert "::progress" not in place("work").stdout + place("runs", "logs").stdout
    assert place.log().decode().count("::progress done=") == 6


def test_a_run_that_says_nothing_of_itself_gets_no_summary(place: Place) -> None:
    place.server.script("media_duration.py", "print('out')")
    place.server.spec("duration", 'script = "media_duration.py"\n')
    assert place("duration").stderr == ""


@WATCHED_OR_NOT
def test_a_secret_of_one_letter_hides_no_failure(place: Place, how: tuple[str, ...]) -> None:
    option = '[[option]]\nname = "pin"\nsecret = true\npass-env = "PIN"\n'
    place.edit("[output]", f"{option}[output]", end="[postcondition]\nmax-failed = 1\n")
    place.server.script("work.py", "print('FAILED a2: no')\nprint('FAILED a5: no')")
    place("work", "--pin", "I", *how)
    place.wait_for_end()
    told = place.shown()
    assert (told["state"], told["failures"], told["masked"]) == ("failed", 2, True)
    assert place.log().decode() == "FA***LED a2: no\nFA***LED a5: no\n"


@pytest.mark.parametrize(
    ("allowed", "state"), [(1, "failed"), (2, "succeeded")], ids=["over", "at the limit"]
)
def test_more_failures_than_allowed_end_a_run_as_failed(place: Place, allowed: int, state: str) -> None:
    place.edit("[output]", f"[postcondition]\nmax-failed = {allowed}\n[output]")
    ended = place("work", "--bad", "a2,a5")
    told = place.shown()
    assert (told["state"], told["exit_code"]) == (state, 0)
    assert ended.code == (state == "failed")
    said = f"work (run 1) failed: 2 items failed, at most {allowed} allowed"
    assert (said in ended.stderr.splitlines()) == (state == "failed")


def test_failures_beyond_measure_are_counted_and_not_kept(place: Place) -> None:
    place.server.script("work.py", f"for n in range({MAX_FAILED} + 5): print(f'FAILED i{{n}}: x')")
    place("work", "--detach")
    assert place.wait_for_end().failures == MAX_FAILED + 5
    assert len(place.failed()) == MAX_FAILED
    assert "and 9,990 more, see --json" in place("runs", "show").stdout
    place("runs", "retry").refused(f"{MAX_FAILED + 5:,} items failed in run 1, of which 10,000 were kept")


def test_a_secret_in_a_reason_is_masked_before_it_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.edit('common = ["dry-run", "limit"]', "")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2hunter2@db/x")
    place.server.script("work.py", "import os; print('FAILED a1: at', os.environ['DATABASE_URL'])")
    place("work", "--detach")
    place.wait_for_end()
    assert b"hunter2" not in place.state.ledger.read_bytes()
    assert "at postgresql://me:***@db/x" in place("runs", "show").stdout


def test_forgotten_runs_take_their_failures_with_them(place: Place) -> None:
    place("work", "--bad", "a2")
    assert place.failed() == ["a2"]
    place("runs", "prune", "--older-than", "0s")
    assert place.sql("SELECT * FROM failures") == []


def test_memory_stays_flat_however_large_the_logs_are(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "")
    block = (b"x" * 79 + b"\n") * 13_107
    with folder.log("stdout").open("wb") as log:
        for number in range(60):
            log.write(block + b"FAILED i%d: late\n" % number)
        log.write(b"updated=7")
    folder.log("stderr").write_bytes(b"y" * (20 << 20) + b"\n 45%|####5     | 9/20 [00:12<00:15, 122it/s]\r")
    tracemalloc.start()
    watcher = read_logs(folder, OUTPUT)
    results, view = watcher.results, view_at_end(watcher, 10.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20
    assert results.counts == {"updated": 7}
    assert results.failures == 60
    assert results.failed[0] == Failure("i0", "late")
    assert view is not None
    assert (view.done, view.total, view.failures) == (9, 20, 60)


@pytest.mark.parametrize("how", ["option", "spec", "both"])
def test_a_run_that_takes_too_long_is_stopped_and_says_why(proved: Place, how: str) -> None:
    if how != "option":
        proved.edit("common", f"timeout = '{'1h' if how == 'both' else '500ms'}'\ncommon")
    words = () if how == "spec" else ("--timeout", "500ms")
    ended = proved("work", "--pause", "1", *words)
    told = proved.shown()
    assert ended.code == 128 + 2
    assert (told["state"], told["reason"]) == ("stopped", "it took longer than 0.5 s")
    assert told["stopped_by"] == "timeout"
    assert "after a stop was asked for (it took longer than 0.5 s)" in ended.stderr
    assert (told["proof"], proved.counts) == (None, 0)


@pytest.mark.parametrize(("time", "why"), [("110000d", "is too long"), ("0s", "is no time at all")])
def test_a_limit_that_no_timer_holds_is_refused(place: Place, time: str, why: str) -> None:
    """Before, the supervisor died of the one, so that the run was `lost`; the other was no limit."""
    ended = place("work", "--timeout", time)
    assert (ended.code, why in ended.stderr, ended.stdout) == (2, True, "")


@pytest.mark.parametrize("again", ["rerun", "retry"])
def test_a_repeated_run_keeps_its_limit(place: Place, again: str) -> None:
    """Before, the limit of the command line was forgotten."""
    place("work", "--bad", "a1", "--timeout", "2h")
    place("runs", again, "1")
    assert (place.shown()["parent"], place.shown()["timeout"]) == (1, 7200)
