"""The bar on real pseudo-terminals, the screen read back with pyte."""

import contextlib
import re
import shlex
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest
from terminals import Terminal

RUN = str(Path(__file__).with_name("watched_run.py"))
STEPS = """
import sys, time
for i in range(1, 41):
    print(f"record {i}")
    print(f"::progress done={i} total=40")
    time.sleep(0.02)
"""
WAIT = """
import os
parent = os.getppid()
while os.getppid() == parent:
    time.sleep(0.05)
"""
PAUSED = f"""
import sys, time
for i in range(1, 31):
    print("record", i)
print("::progress done=30 total=40", flush=True)
sys.stdout.write("half a li"); sys.stdout.flush()
time.sleep(0.7)
print("ne, now whole")
{WAIT}
"""


OURS = re.compile(rb"\x1b7.*?\x1b8|\x1bD\x1b\[A", re.DOTALL)
"""What the bar writes, all of it: what is left is what the script wrote."""


class Watched(Protocol):
    def __call__(self, text: str, *, typed: bool = False, **how: Any) -> Terminal: ...  # noqa: ANN401  as of Terminal


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Run `watched_run.py` with a script on a terminal, or type its command line into a shell there."""

    def run(text: str, *, typed: bool = False, **how: Any) -> Terminal:  # noqa: ANN401  as of Terminal
        script = tmp_path / "script.py"
        script.write_text(text, encoding="utf-8")
        command = [sys.executable, RUN, str(script)]
        terminal = Terminal(["/bin/sh", "-i"] if typed else command, **how)
        if typed:
            terminal.process.sendline(shlex.join(command))
        return terminal

    return run


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (50, 200), (10, 40), (5, 24), (24, 10)], ids=str)
def test_lines_scroll_above_the_bar_and_none_is_lost(watched: Watched, rows: int, columns: int) -> None:
    terminal = watched(STEPS, rows=rows, columns=columns)
    terminal.until(lambda: "%" in terminal.rows()[-1])
    assert any(row.startswith("record") for row in terminal.rows()[:-1])
    assert terminal.rows()[-1].count("%") == 1
    left = terminal.finish()
    assert not any("%" in row for row in left)
    assert "::progress" not in terminal.raw.decode()
    assert "Done 40 of 40 in" in " ".join(terminal.all_rows()) or columns < 20
    expected = b"".join(b"record %d\r\n" % i for i in range(1, 41))
    assert OURS.sub(b"", terminal.raw).startswith(expected)
    if rows < 40:
        shown = [row for row in left if row.startswith("record")]
        assert shown == [f"record {i}" for i in range(41 - len(shown), 41)]


def test_a_partial_line_is_shown_at_once_and_goes_on_where_it_stood(watched: Watched) -> None:
    terminal = watched(PAUSED, rows=10, columns=60)
    terminal.until(lambda: "half a li" in terminal.rows() and "75%" in terminal.rows()[-1])
    terminal.until(lambda: "half a line, now whole" in terminal.rows())
    assert "75%" in terminal.rows()[-1]
    terminal.drop()


@pytest.mark.parametrize(("rows", "columns"), [(16, 60), (6, 60), (10, 30), (10, 100), (24, 80)], ids=str)
def test_after_a_resize_there_is_one_bar_at_the_new_bottom(watched: Watched, rows: int, columns: int) -> None:
    terminal = watched(PAUSED, rows=10, columns=60)
    terminal.until(lambda: "75%" in terminal.rows()[-1])
    terminal.resize(rows, columns)
    terminal.until(lambda: "75%" in terminal.rows()[-1] and "half a line, now whole" in terminal.rows())
    assert sum("75%" in row for row in terminal.rows()) == 1
    terminal.drop()


def test_ctrl_c_leaves_a_clean_screen(watched: Watched) -> None:
    terminal = watched(PAUSED, rows=10, columns=60)
    terminal.until(lambda: "half a line, now whole" in terminal.rows())
    terminal.process.sendintr()
    left = terminal.finish()
    assert not any("75%" in row for row in left)
    assert "half a line, now whole" in " ".join(left)
    assert "stopped" in " ".join(left)
    assert terminal.raw.rindex(b"\x1b[r") > terminal.raw.rindex(b"\x1b[1;9r")


def test_ctrl_z_puts_the_bar_away_and_continuing_brings_it_back(watched: Watched) -> None:
    terminal = watched(PAUSED, rows=12, columns=60, typed=True, environ={"PS1": "$ "})
    terminal.until(lambda: "75%" in terminal.rows()[-1])
    terminal.process.sendcontrol("z")
    terminal.until(lambda: any("Stopped" in row for row in terminal.rows()))
    assert not any("75%" in row for row in terminal.rows())
    terminal.process.sendline("bg")
    terminal.process.sendline("sleep 0.5; echo in the back''ground")
    terminal.until(lambda: "in the background" in terminal.rows())
    assert not any("75%" in row for row in terminal.rows())
    terminal.process.sendline("fg")
    terminal.until(lambda: "75%" in terminal.rows()[-1])
    terminal.process.sendintr()
    terminal.until(lambda: any("Done 30 of 40" in row for row in terminal.rows()))
    assert not any("75%" in row for row in terminal.rows())
    terminal.drop()


@pytest.mark.parametrize(("environ", "colored"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=str)
def test_no_color_means_no_color(watched: Watched, environ: dict[str, str], *, colored: bool) -> None:
    terminal = watched(STEPS, environ=environ)
    terminal.finish()
    assert (b"\x1b[32m" in terminal.raw) is colored
    assert b"\x1b[24;1H" in terminal.raw


def test_a_dumb_terminal_gets_plain_lines(watched: Watched) -> None:
    terminal = watched(STEPS, environ={"TERM": "dumb", "LINE_EVERY": "0.3"})
    left = terminal.finish()
    assert b"\x1b" not in terminal.raw
    assert sum(row.startswith("demo: ") and "/40" in row for row in [*left, *terminal.all_rows()]) >= 2


def test_a_scripts_own_escapes_arrive_and_the_bar_comes_back(watched: Watched) -> None:
    terminal = watched(
        "import sys, time\n"
        "w = lambda t: (sys.stdout.write(t), sys.stdout.flush())\n"
        "w('::progress done=1 total=4\\nbefore\\n'); time.sleep(0.6)\n"
        "w('\\x1b[2J\\x1b[H\\x1b[3'); time.sleep(0.5); w('1mred\\x1b[0m \\xe4\\n'); time.sleep(0.5)\n"
        "w('\\x1bcreset\\n')\n" + WAIT,
        rows=8,
        columns=60,
    )
    terminal.until(lambda: "25%" in terminal.rows()[-1])
    terminal.until(lambda: terminal.rows()[0] == "red ä" and "25%" in terminal.rows()[-1])
    assert terminal.screen.buffer[0][0].fg == "red"
    assert "before" not in terminal.rows()
    terminal.until(lambda: terminal.rows()[0] == "reset" and "25%" in terminal.rows()[-1])
    terminal.drop()


@pytest.mark.quiet  # counts drawings in a second
def test_a_flood_of_updates_draws_ten_times_a_second(watched: Watched) -> None:
    terminal = watched(
        "import time\nend = time.monotonic() + 1.0\ni = 0\n"
        "while time.monotonic() < end:\n"
        "    i += 1\n    print(f'::progress done={i} total=1000000')\n"
    )
    terminal.finish()
    with contextlib.suppress(OSError):
        terminal.drop()
    assert 4 <= terminal.raw.count(b"\x1b[24;1H") <= 14
