"""How far a run is: by the bar of who watches it, on terminals of several sizes, and seen from elsewhere."""

import itertools
import os
import re
import signal
import time
from pathlib import Path

import pytest
from tools import cases, wait_until

from corpus_backfill_plugin.prepare import prepare
from corpus_backfill_plugin.runs.execute import execute
from corpus_backfill_plugin.specs.catalog import LoadedSpec
from corpus_backfill_plugin.specs.selection import Selection
from corpus_backfill_plugin.workspace import Site
from watching.conftest import Place

TQDM = """
import sys, time
from tqdm import tqdm
for number in tqdm(range(60), mininterval=0.02, ncols=36):
    if number % 10 == 0:
        print(f"record {number}", flush=True)
    time.sleep(0.02)
"""
PLAIN = """
import sys, time
for number in range(1, 41):
    print(f"[{number}/40] record {number}", flush=True)
    time.sleep(0.03)
"""


def declare(place: Place, script: str, progress: str = "^[{done}/{total}]") -> None:
    place.server.script("media_duration.py", script)
    place.server.spec("duration", f"script = 'media_duration.py'\n[output]\nprogress = '{progress}'\n")


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [(24, 100, r"[━╸]+─+ +\d+%  \d+/60  .*ETA \d:\d\d"), (8, 45, r"\d+%.*ETA \d:\d\d"), (6, 14, r"\d+%")],
    ids=["wide", "narrow", "tiny"],
)
def test_tqdm_has_a_bar_below_it(place: Place, rows: int, columns: int, expected: str) -> None:
    declare(place, TQDM, "tqdm")
    seen = place.terminal("duration", rows=rows, columns=columns, NO_COLOR="1")
    seen.until(lambda: re.search(expected, seen.bar) and any("|" in row for row in seen.rows()[:-1]))
    assert "|" not in seen.bar
    left = seen.finish(code=0)
    assert "ETA" not in seen.bar
    if columns > 14:
        shown = " ".join("".join(seen.screen.display).split())
        assert "record 50" in shown
        assert "Done 60 of 60 in" in shown
        assert any("60/60 [" in row for row in left) or columns < 60


def test_a_pattern_has_a_bar_while_lines_scroll_above_it(place: Place) -> None:
    declare(place, PLAIN)
    seen = place.terminal("duration", rows=8)
    seen.until(lambda: "ETA" in seen.bar and "[25/40]" in "\n".join(seen.rows()))
    numbers = [int(line.split("/")[0][1:]) for line in seen.rows()[:-1] if line.startswith("[")]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len(numbers) >= 6
    seen.finish(code=0)
    assert any(line.startswith("Done 40 of 40 in") for line in seen.rows())
    script = re.sub(r"\x1b7.*?\x1b8|\x1bD\x1b\[A", "", seen.text)
    lines = [line for line in script.splitlines() if line.startswith("[")]
    assert lines == [f"[{number}/40] record {number}" for number in range(1, 41)]


def test_the_protocol_is_not_shown_and_colours_are_left_out_on_request(place: Place) -> None:
    place.fill(30)
    seen = place.terminal("work", "--pause", "0.03", NO_COLOR="1")
    seen.until(lambda: "ETA" in seen.bar)
    seen.finish(code=0)
    assert "::progress" not in seen.text
    assert not re.search(r"\x1b\[[0-9;]*[1-9]m", seen.text)
    assert b"::progress done=30 total=30" in place.log()


def test_a_dumb_terminal_gets_no_escapes(place: Place) -> None:
    seen = place.terminal("work", "--pause", "0.1", TERM="dumb")
    seen.finish(code=0)
    assert "\x1b" not in seen.text
    assert "item a6" in seen.text


def test_a_pipe_gets_a_plain_line_now_and_then(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    place.fill(20)
    site = Site(os.environ)
    spec = site.catalog.load("work")
    assert isinstance(spec, LoadedSpec)
    request = prepare(spec, Selection(values={"pause": "0.05"}, given=frozenset({"pause"})), site)
    assert execute(request, line_every=0.3) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == [*(f"item a{number}" for number in range(1, 21)), "updated=20 failed=0"]
    lines = [line for line in err.splitlines() if line.startswith("work: ")]
    assert 2 <= len(lines) <= 5
    assert all(re.match(r"work: \d+%, \d+/20, .*ETA 0:0\d", line) for line in lines)
    assert err.splitlines()[-1].startswith("Updated 20, failed 0 in")


LIES = cases("""
    more done than there is | [90/40]
    total changes           | [{n}/{t}]
    goes backwards          | [{back}/40]
    not a number            | [nan/inf]
    enormous                | [{n}/99999999999999999999999999]
    negative                | [-{n}/40]
    total zero              | [{n}/0]
""")


@pytest.mark.parametrize("lie", LIES)
def test_a_script_that_lies_runs_like_any_other(place: Place, lie: str) -> None:
    declare(place, f"for n in range(1, 30): print({lie!r}.format(n=n, t=n * 7 % 11, back=40 - n))")
    ended = place("duration")
    assert (ended.code, place.record().state) == (0, "succeeded")
    assert len(ended.stdout.splitlines()) == 29
    view = place.record().view
    assert view is None or view.eta is None
    assert "nan" not in ended.stderr
    assert place("runs").code == 0


LIAR = """
import random, time
random.seed(1)
end = time.monotonic() + 1
while time.monotonic() < end:  # ten thousand updates a second, each with another claim
    for _ in range(100):
        done = random.choice(["9" * 40, "nan", "-1", "0", "90", "12"])
        print(f"[{done}/{random.choice(['0', '40', 'x'])}]")
    print(end="", flush=True)
    time.sleep(0.01)
"""


def test_a_liar_on_a_terminal_shows_no_percentage_beyond_the_whole(place: Place) -> None:
    declare(place, LIAR)
    seen = place.terminal("duration")
    seen.finish(code=0)
    drawn = re.findall(r"(\d+)%", "".join(re.findall(r"\x1b7.*?\x1b8", seen.text)))
    assert all(int(percent) <= 100 for percent in drawn)
    assert place.record().state == "succeeded"


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_a_table_fits_the_terminal_and_states_have_colours_there_alone(place: Place, columns: int) -> None:
    place("work")
    seen = place.terminal("runs", columns=columns, COLUMNS="", NO_COLOR="1")
    lines = [line for line in seen.finish() if line]
    assert seen.code == 0
    assert any(line.split()[:2] == ["1", "succeeded"] for line in lines), lines
    assert max(map(len, lines)) <= columns
    assert "\x1b[3" not in seen.text
    seen = place.terminal("runs", columns=120, TERM="xterm-256color")
    seen.finish(code=0)
    assert "\x1b[32msucceeded" in seen.text
    assert "\x1b" not in place("runs").stdout


@pytest.mark.quiet  # a rate of 3 to 12 a second
def test_a_run_that_nobody_watches_is_read_from_its_logs(place: Place) -> None:
    place.fill(40)
    place("work", "--pause", "0.1", "--detach")
    wait_until(lambda: (place.shown()["progress"] or {"done": 0})["done"] >= 10)
    seen = place.shown()["progress"]
    assert seen["total"] == 40
    assert 3 < seen["rate"] < 12
    assert abs(seen["eta"] - (40 - seen["done"]) / seen["rate"]) < 0.1
    assert place.record().view is None
    cell = place("runs").rows[0][6]
    assert cell.split("%, ETA 0:0")[0].isdigit()
    assert "progress\t" in place("runs", "show").stdout
    place("runs", "stop")


def test_a_run_that_somebody_watches_is_read_from_the_ledger(place: Place) -> None:
    place.fill(60)
    watching = place.terminal("work", "--pause", "0.1", "--bad", "a3")
    watching.until(lambda: "1 failed" in watching.bar and "ETA" in watching.bar)
    wait_until(lambda: (view := place.record().view) and view.failures)
    record = place.record()
    assert record.view is not None
    assert (record.view.total, record.view.failures, record.failures) == (60, 1, 1)
    assert record.seen is not None
    assert abs(time.time() - record.seen) < 5
    row = place.listed()[0]
    assert row["progress"]["done"] >= record.view.done
    assert row["progress"]["failures"] == 1
    (place.files().log("stdout")).rename(place.state.root / "away")  # so that it can only be the ledger's
    assert place.listed()[0]["progress"]["total"] == 60
    place("runs", "stop")


@pytest.mark.quiet  # notes 0.9 s apart
def test_notes_of_progress_come_once_a_second_at_the_most(place: Place) -> None:
    place.fill(200)
    process = place.start("work", "--pause", "0.01")
    wait_until(lambda: place.found() and place.files().log("stdout").exists())
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
def test_attach_shows_the_same_bar_with_what_was_printed_before(place: Place) -> None:
    place.fill(60)
    place("work", "--pause", "0.1", "--detach")
    wait_until(lambda: b"done=11" in place.log())
    attached = place.terminal("runs", "attach", NO_COLOR="1")
    attached.until(lambda: "ETA" in attached.bar)
    assert "::progress" not in attached.text
    assert "item a1\r\n" in attached.text
    # Ten a second at most, from the begin of the run on and not from when one began to look.
    done, rate = attached.bar.split("/60")[0].split()[-1], attached.bar.split("/s")[0].split()[-1]
    assert int(done) >= 10
    assert 2 < float(rate) < 11.5
    attached.process.sendintr()
    attached.finish()
    assert attached.code == 128 + signal.SIGINT
    assert place.wait_for_end().state == "stopped"


def test_attach_ends_with_the_summary_and_the_proof(proved: Place) -> None:
    proved("work", "--pause", "0.3", "--bad", "a1", "--detach")
    wait_until(proved.log)
    attached = proved("runs", "attach")
    assert attached.code == 1
    assert "Updated 5, failed 1 in" in attached.stderr
    assert "work (run 1) is incomplete: 1 left (pending = 1, expected 0)" in attached.stderr.splitlines()


@pytest.mark.quiet  # no line later than 1 s
def test_a_ledger_that_cannot_be_written_does_not_hold_a_run_up(place: Place) -> None:
    place.fill(25)
    process = place.start("work", "--pause", "0.1")
    wait_until(lambda: place.found() and place.files().log("stdout").exists())
    assert process.stdout is not None
    with place.locked():
        longest = 0.0
        until_free = time.monotonic() + 2
        while (before := time.monotonic()) < until_free:
            process.stdout.readline()
            longest = max(longest, time.monotonic() - before)
    assert longest < 1
    assert process.wait(20) == 0
    assert place.record().state == "succeeded"


def test_a_viewer_killed_while_progress_is_written_leaves_a_sound_ledger(
    place: Place, tmp_path: Path
) -> None:
    # The more often it writes, the likelier it is hit: a note for each look at the logs.
    often = "import corpus_backfill_plugin.terminal.sink as s; s.NOTE_EVERY = s.DRAW_EVERY = 0\n"
    (tmp_path / "sitecustomize.py").write_text(often)
    for number in range(1, 4):
        place.fill(70)
        process = place.start("work", "--pause", "0.01", env=os.environ | {"PYTHONPATH": str(tmp_path)})
        place.process(number)
        wait_until(lambda: place.record(number).view is not None)  # noqa: B023 - waited for here
        time.sleep(0.013 * number)
        process.kill()
        process.wait()
        assert place.sql("PRAGMA integrity_check") == [("ok",)]
        record = place.wait_for_end(number)
        assert (record.state, record.counts) == ("succeeded", {"updated": 70, "failed": 0})
