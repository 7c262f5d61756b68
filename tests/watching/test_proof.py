"""A claim of success put to the test: `succeeded` only when the script itself counts nothing left."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tools import cases, wait_until

from corpus_backfill_plugin.agent.processes import is_stopped
from watching.conftest import PROVED, SPEC, WATCHED_OR_NOT, WORK, Place

LEFT = "2 left (pending = 2, expected 0)"


def counting(proved: Place, how: str) -> subprocess.Popen[bytes]:
    """Start a run, and wait until it counts what is left."""
    process = proved.start("work", "--count", how)
    wait_until(lambda: proved.counts == 1)
    return process


def kill_count(proved: Place) -> None:
    """Kill the first process that counted, which nobody waits for any more."""
    os.kill(int(proved.file.with_suffix(".counts").read_text().split()[0]), signal.SIGKILL)


def assert_counted_twice(proved: Place) -> None:
    record = proved.wait_for_end()
    assert (record.state, record.proof, proved.counts) == ("succeeded", "held", 2)


@WATCHED_OR_NOT
@pytest.mark.parametrize(
    ("words", "outcome", "reason"),
    cases("""
        nothing left   |                  | succeeded, held     | 0 left (pending = 0)
        something left | --bad a2,a4      | incomplete, failed  | 2 left (pending = 2, expected 0)
        nonsense       | --count nonsense | unverified, unknown
                       | the count printed no number that was asked for: banana
        an error       | --count exits    | unverified, unknown
                       | the count ended with exit code 1: no such table
        too long       | --count hangs    | unverified, unknown
                       | the count took longer than 0.5s and was ended
        a limit        | --limit 6        | succeeded, skipped  | --limit was given
        no check       | --no-verify      | succeeded, skipped  | --no-verify
        a dry run      | --dry-run        | succeeded, skipped  | a dry run changes nothing
    """),
)
def test_what_is_counted_decides_on_success(
    proved: Place, how: tuple[str, ...], words: str, outcome: str, reason: str
) -> None:
    state, proof = outcome.split(", ")
    proved.server.spec("work", PROVED % ("500ms" if "hangs" in words else "20s"))
    ended = proved("work", *words.split(), *how)
    proved.wait_for_end()
    told = proved.shown()
    succeeded, skipped = state == "succeeded", proof == "skipped"
    assert (told["state"], told["exit_code"], proved.counts) == (state, 0, 0 if skipped else 1)
    assert told["reason"] == ("" if succeeded else reason)
    assert told["proof"] == {"state": proof, "reason": reason}
    assert [row["number"] for row in proved.listed("--state", state)] == [1]
    if skipped:
        assert f"proof\tnot checked: {reason}" in proved("runs", "show").stdout
    elif not how:
        verb = "" if succeeded else f" is {state}"
        assert ended.stderr.splitlines()[-1] == f"work (run 1){verb}: {reason}"
    assert ended.code == (0 if succeeded or how else 1)


IGNORING = 'DIGIT = "\\d"  # newer Pythons warn of it, on nobody else\'s terminal\n' + WORK.replace(
    'parser.add_argument("--remaining", action="store_true")', ""
).replace("parser.parse_args()", "argparse.Namespace(remaining=False, **vars(parser.parse_known_args()[0]))")
"""A script that does its work when it is asked to count, as it ignores words that it does not know."""


@WATCHED_OR_NOT
def test_a_script_without_the_words_for_it_is_never_asked_to_count(
    proved: Place, how: tuple[str, ...]
) -> None:
    proved.server.script("work.py", IGNORING)
    reason = "not countable: the script has no --remaining"
    looked = proved("status", "work")
    assert (looked.code, looked.stdout) == (1, f"work\t{reason}\t-\t-\n")
    assert len(proved.file.read_text().split()) == 6, "looking did no work"
    ended = proved("work", "--limit", "6", *how)
    proved.wait_for_end()
    assert proved.shown()["proof"] == {"state": "skipped", "reason": "--limit was given"}
    proved.fill(6)
    ended = proved("work", *how)
    proved.wait_for_end(2)
    told = proved.shown()
    assert (ended.code, told["state"], told["exit_code"]) == (0 if how else 1, "unverified", 0)
    assert told["reason"] == reason
    assert told["proof"] == {"state": "unknown", "reason": reason}
    if not how:
        assert ended.stderr.splitlines()[-1] == f"work (run 2) is unverified: {reason}"
    row = proved("status", "--json", "work").told[0]
    assert (row["state"], row["reason"]) == ("not countable", "the script has no --remaining")
    assert row["last_run"]["number"] == 2


def test_a_script_that_can_not_be_read_is_asked_to_count(proved: Place) -> None:
    hidden = WORK.replace(
        'parser.add_argument("--remaining",', 'parser.add_argument("--%s" % os.path.basename("x/remaining"),'
    )
    proved.server.script("work.py", hidden)
    assert proved("work").code == 0
    assert (proved.record().proof, proved.counts) == ("held", 1)


def test_few_enough_failures_are_a_check_of_their_own(place: Place) -> None:
    place.server.spec("work", f"{SPEC}\n[postcondition]\nmax-failed = 1\n")
    assert [place("work", "--bad", bad).code for bad in ("a1", "a1,a2")] == [0, 0]
    assert place.record(1).proof_reason == "1 failed, at most 1 allowed"
    place.fill(3)
    assert place("work", "--bad", "a1,a2").code == 1
    assert (place.record(3).state, place.record(3).proof) == ("failed", "")


def test_a_run_that_failed_is_not_checked(proved: Place) -> None:
    proved.file.unlink()
    assert proved("work").code == 1
    assert (proved.shown()["state"], proved.shown()["proof"], proved.counts) == ("failed", None, 0)


def test_the_lock_is_kept_while_what_is_left_is_counted(proved: Place) -> None:
    process = counting(proved, "hangs")
    assert proved.record().state == "running"
    refused = proved("work")
    assert (refused.code, "run 1 of" in refused.stderr) == (75, True)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 1
    record = proved.record()
    assert (record.state, record.exit_code) == ("unverified", 0)
    assert record.reason == "the count was stopped"
    assert proved("work").code == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP], ids=["killed", "its terminal went"])
def test_a_viewer_that_ends_while_counting_has_it_counted_again(
    proved: Place, number: signal.Signals
) -> None:
    process = counting(proved, "hangs-once")
    process.send_signal(number)
    assert process.wait(20) == (-number if number == signal.SIGKILL else 128 + number)
    assert_counted_twice(proved)
    if number == signal.SIGKILL:
        kill_count(proved)


def test_a_viewer_stopped_while_counting_blocks_nobody_and_reports_what_is_recorded(proved: Place) -> None:
    process = counting(proved, "hangs-once")
    process.send_signal(signal.SIGSTOP)
    assert_counted_twice(proved)
    assert proved("work").code == 0
    process.send_signal(signal.SIGCONT)
    assert b"0 left (pending = 0)" in process.communicate(timeout=15)[1]
    assert process.returncode == 0


def test_a_viewer_that_counts_for_long_is_not_taken_for_stopped(proved: Place) -> None:
    process = counting(proved, "hangs")
    time.sleep(6)  # longer than a supervisor waits for a sign of life
    assert (process.poll(), proved.counts) == (None, 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 1


@pytest.mark.quiet  # ended within 10 s
def test_a_finisher_that_was_stopped_is_continued_by_whoever_looks(proved: Place) -> None:
    proved("work", "--count", "hangs", "--detach")
    wait_until(lambda: proved.counts == 1)
    facts = proved.process()
    for words, lasts in ((("runs",), 10), (("runs", "stop"), 15)):
        os.kill(facts.supervisor, signal.SIGSTOP)
        wait_until(lambda: is_stopped(facts.supervisor))
        begun = time.monotonic()
        assert proved(*words).code == 0
        assert time.monotonic() - begun < lasts
        assert not is_stopped(facts.supervisor)
    assert proved.record().reason.endswith("the count was stopped")


def test_what_was_reported_is_recorded_though_the_ledger_was_locked(proved: Place, tmp_path: Path) -> None:
    # It gives the ledger up sooner than after ten seconds.
    (tmp_path / "sitecustomize.py").write_text(
        "import corpus_backfill_plugin.agent.ledger as l; l.BUSY_SECONDS = 1\n"
    )
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    process = proved.start("work", "--pause", "0.2", "--bad", "a2,a4", env=environ)
    facts = proved.process()
    with proved.locked():
        _, reported = process.communicate(timeout=60)
        os.kill(facts.supervisor, signal.SIGKILL)  # the finisher that it became was not to write it either
    assert process.returncode == 1
    assert LEFT in reported.decode()
    wait_until(lambda: proved("runs").rows[0][1] != "running")
    record = proved.record()
    assert (record.state, record.proof_reason, proved.counts) == ("incomplete", LEFT, 1)
    assert proved.failed() == ["a2", "a4"]


@pytest.mark.quiet  # ended within 15 s
def test_runs_stop_ends_a_count_and_the_run_with_it(proved: Place) -> None:
    proved("work", "--count", "hangs", "--detach")
    wait_until(lambda: proved.counts == 1)
    begun = time.monotonic()
    stopped = proved("runs", "stop")
    assert time.monotonic() - begun < 15
    assert "Run 1 has ended: unverified." in stopped.stderr
    assert proved.record().reason == "the count was stopped"


@pytest.mark.parametrize(
    ("word", "why"),
    [("", "its supervisor was killed before it was counted"), ("E: gone\n", "its finisher failed: E: gone")],
    ids=["killed", "failed"],
)
def test_a_run_that_nobody_could_count_is_not_called_a_success(proved: Place, *, word: str, why: str) -> None:
    process = counting(proved, "hangs")
    facts = proved.process()
    os.kill(facts.supervisor, signal.SIGKILL)
    process.kill()
    process.wait()
    (proved.files().path / "finisher.log").write_text(word)  # as a finisher leaves it
    wait_until(lambda: proved("runs").rows[0][1] != "running")
    record = proved.record()
    assert (record.state, record.exit_code, record.proof) == ("unverified", 0, "unknown")
    assert record.reason == why
    kill_count(proved)
