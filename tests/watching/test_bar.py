"""The bar on terminals of several sizes, and plain lines where there is none, by the real program."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from corpus_backfill_plugin.prepare import prepare
from corpus_backfill_plugin.runs.execute import execute
from corpus_backfill_plugin.specs.catalog import LoadedSpec
from corpus_backfill_plugin.specs.selection import Selection
from corpus_backfill_plugin.workspace import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Program, Server

    from watching.places import Place, Terminal

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


def declare(server: Server, script: str, progress: str) -> None:
    server.script("media_duration.py", script)
    server.spec("duration", f"script = 'media_duration.py'\n[output]\nprogress = '{progress}'\n")


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (24, 100, r"[━╸]+─+ +\d+%  \d+/60  .*ETA \d:\d\d"),
        (10, 40, r"\d+%.*ETA \d:\d\d"),
        (6, 14, r"\d+%"),
    ],
    ids=["wide", "narrow", "tiny"],
)
def test_tqdm_has_a_bar_below_it(
    place: Place,
    terminal: Callable[..., Terminal],
    rows: int,
    columns: int,
    expected: str,
) -> None:
    declare(place.server, TQDM, "tqdm")
    seen = terminal("duration", rows=rows, columns=columns, NO_COLOR="1")
    seen.read_until(lambda: re.search(expected, seen.bar))
    assert re.search(expected, seen.bar)
    assert seen.read_to_end() == 0
    told = " ".join("".join(seen.screen.display).split())
    assert not re.search(r"ETA", seen.bar)
    if columns > 14:
        assert "record 50" in told
        assert "Done 60 of 60 in" in told


def test_a_pattern_has_a_bar_while_lines_scroll_above_it(
    place: Place, terminal: Callable[..., Terminal]
) -> None:
    declare(place.server, PLAIN, "^[{done}/{total}]")
    seen = terminal("duration", rows=8)
    seen.read_until(lambda: "ETA" in seen.bar and "[25/40]" in "\n".join(seen.lines))
    numbers = [int(line.split("/")[0][1:]) for line in seen.lines[:-1] if line.startswith("[")]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len(numbers) >= 6
    assert seen.read_to_end() == 0
    assert any(line.startswith("Done 40 of 40 in") for line in seen.lines)
    script = re.sub(r"\x1b7.*?\x1b8|\x1bD\x1b\[A", "", seen.raw)
    assert [line for line in script.splitlines() if line.startswith("[")] == [
        f"[{number}/40] record {number}" for number in range(1, 41)
    ]


def test_the_protocol_is_not_shown_and_colours_are_left_out_on_request(
    place: Place, terminal: Callable[..., Terminal]
) -> None:
    place.fill(30)
    seen = terminal("work", "--pause", "0.03", NO_COLOR="1")
    seen.read_until(lambda: "ETA" in seen.bar)
    assert seen.read_to_end() == 0
    assert "::progress" not in seen.raw
    assert not re.search(r"\x1b\[[0-9;]*[1-9]m", seen.raw)
    assert b"::progress done=30 total=30" in place.folder().log("stdout").read_bytes()


def test_a_dumb_terminal_gets_no_escapes(terminal: Callable[..., Terminal]) -> None:
    seen = terminal("work", "--pause", "0.1", TERM="dumb")
    assert seen.read_to_end() == 0
    assert "\x1b" not in seen.raw
    assert "item a6" in seen.raw


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


LIES = {
    "more done than there is": "[90/40]",
    "total changes": "[{n}/{t}]",
    "goes backwards": "[{back}/40]",
    "not a number": "[nan/inf]",
    "enormous": "[{n}/99999999999999999999999999]",
    "negative": "[-{n}/40]",
    "total zero": "[{n}/0]",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_script_that_lies_runs_like_any_other(place: Place, backfill: Program, lie: str) -> None:
    declare(
        place.server,
        f"for n in range(1, 30): print({lie!r}.format(n=n, t=n * 7 % 11, back=40 - n))",
        "^[{done}/{total}]",
    )
    ended = backfill("duration")
    assert (ended.code, place.record().state) == (0, "succeeded")
    assert len(ended.stdout.splitlines()) == 29
    view = place.record().view
    assert view is None or view.eta is None
    assert "nan" not in ended.stderr
    assert backfill("runs").code == 0


def test_a_liar_on_a_terminal_shows_no_percentage_beyond_the_whole(
    place: Place, terminal: Callable[..., Terminal]
) -> None:
    # Ten thousand updates a second, each with another claim.
    script = """
        import random, time
        random.seed(1)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            for _ in range(100):
                done = random.choice(["9" * 40, "nan", "-1", "0", "90", "12"])
                print(f"[{done}/{random.choice(['0', '40', 'x'])}]")
            print(end="", flush=True)
            time.sleep(0.01)
    """
    declare(place.server, "\n".join(line[8:] for line in script.splitlines()), "^[{done}/{total}]")
    seen = terminal("duration")
    assert seen.read_to_end() == 0
    drawn = re.findall(r"(\d+)%", "".join(re.findall(r"\x1b7.*?\x1b8", seen.raw)))
    assert all(int(percent) <= 100 for percent in drawn)
    assert place.record().state == "succeeded"
