"""The bar on real pseudo-terminals, the screen read back with pyte."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pyte
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Terminal:
    """A process on a terminal of a size, and the screen that a person would see."""

    def __init__(
        self,
        script: Path,
        *spec: str,
        rows: int = 24,
        columns: int = 80,
        job_control: bool = False,
        environ: dict[str, str] | None = None,
    ) -> None:
        kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM", "COLUMNS", "LINES")}
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=0.1)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        command = [sys.executable, RUN, str(script), *spec]
        self.process = pexpect.spawn(
            *(("/bin/sh", ["-i"]) if job_control else (command[0], command[1:])),
            dimensions=(rows, columns),
            env={**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **(environ or {})},
        )

        if job_control:
            self.process.sendline(shlex.join(command))

    def pump(self, seconds: float = 0.05) -> bool:
        """Take in what comes within `seconds`; False at the end."""
        if not select.select([self.process.child_fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.process.child_fd, 65_536)
        except OSError:
            return False
        self.raw += data
        self.stream.feed(data)
        return bool(data)

    def until(self, found: Callable[[], bool], seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < end, self.rows()
            if not self.pump():
                assert found(), self.rows()
                return

    def finish(self, seconds: float = 30) -> list[str]:
        end = time.monotonic() + seconds
        while self.pump():
            assert time.monotonic() < end, self.rows()
        self.process.close()
        return self.rows()

    def rows(self) -> list[str]:
        return [row.rstrip() for row in self.screen.display]

    def all_rows(self) -> list[str]:
        """What has scrolled away, and what is in sight, without empty rows."""
        past = [
            "".join(row[x].data for x in range(self.screen.columns)).rstrip()
            for row in self.screen.history.top
        ]
        return [row for row in [*past, *self.rows()] if row]

    def resize(self, rows: int, columns: int) -> None:
        dropped = max(self.screen.lines - rows, 0)
        self.screen.resize(rows, columns)
        self.screen.cursor.y = max(self.screen.cursor.y - dropped, 0)  # pyte moves the text alone
        self.process.setwinsize(rows, columns)

    def drop(self) -> None:
        self.process.close(force=True)


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    def make(text: str) -> Path:
        path = tmp_path / "script.py"
        path.write_text(text, encoding="utf-8")
        return path

    return make


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (50, 200), (10, 40), (5, 24), (24, 10)], ids=str)
def test_lines_scroll_above_the_bar_and_none_is_lost(
    script: Callable[[str], Path], rows: int, columns: int
) -> None:
    terminal = Terminal(script(STEPS), rows=rows, columns=columns)
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


def test_a_partial_line_is_shown_at_once_and_goes_on_where_it_stood(script: Callable[[str], Path]) -> None:
    terminal = Terminal(script(PAUSED), rows=10, columns=60)
    terminal.until(lambda: "half a li" in terminal.rows() and "75%" in terminal.rows()[-1])
    terminal.until(lambda: "half a line, now whole" in terminal.rows())
    assert "75%" in terminal.rows()[-1]
    terminal.drop()


@pytest.mark.parametrize(("rows", "columns"), [(16, 60), (6, 60), (10, 30), (10, 100), (24, 80)], ids=str)
def test_after_a_resize_there_is_one_bar_at_the_new_bottom(
    script: Callable[[str], Path], rows: int, columns: int
) -> None:
    terminal = Terminal(script(PAUSED), rows=10, columns=60)
    terminal.until(lambda: "75%" in terminal.rows()[-1])
    terminal.resize(rows, columns)
    terminal.until(lambda: "75%" in terminal.rows()[-1] and "half a line, now whole" in terminal.rows())
    assert sum("75%" in row for row in terminal.rows()) == 1
    terminal.drop()


def test_ctrl_c_leaves_a_clean_screen(script: Callable[[str], Path]) -> None:
    terminal = Terminal(script(PAUSED), rows=10, columns=60)
    terminal.until(lambda: "half a line, now whole" in terminal.rows())
    terminal.process.sendintr()
    left = terminal.finish()
    assert not any("75%" in row for row in left)
    assert "half a line, now whole" in " ".join(left)
    assert "stopped" in " ".join(left)
    assert terminal.raw.rindex(b"\x1b[r") > terminal.raw.rindex(b"\x1b[1;9r")


def test_ctrl_z_puts_the_bar_away_and_continuing_brings_it_back(script: Callable[[str], Path]) -> None:
    terminal = Terminal(script(PAUSED), rows=12, columns=60, job_control=True, environ={"PS1": "$ "})
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
def test_no_color_means_no_color(
    script: Callable[[str], Path],
    environ: dict[str, str],
    colored: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    terminal = Terminal(script(STEPS), environ=environ)
    terminal.finish()
    assert (b"\x1b[32m" in terminal.raw) is colored
    assert b"\x1b[24;1H" in terminal.raw


def test_a_dumb_terminal_gets_plain_lines(script: Callable[[str], Path]) -> None:
    terminal = Terminal(script(STEPS), environ={"TERM": "dumb", "LINE_EVERY": "0.3"})
    left = terminal.finish()
    assert b"\x1b" not in terminal.raw
    assert sum(row.startswith("demo: ") and "/40" in row for row in [*left, *terminal.all_rows()]) >= 2


def test_a_pipe_gets_a_plain_line_now_and_then_on_stderr(script: Callable[[str], Path]) -> None:
    done = subprocess.run(
        [sys.executable, RUN, str(script(STEPS))],
        capture_output=True,
        check=True,
        timeout=30,
        env={**os.environ, "LINE_EVERY": "0.3"},
    )
    assert done.stdout.decode() == "".join(f"record {i}\n" for i in range(1, 41))
    lines = done.stderr.decode().splitlines()
    assert 1 <= len([line for line in lines if line.startswith("demo: ") and "/40" in line]) <= 6
    assert lines[-1].startswith("Done 40 of 40 in ")


@pytest.mark.parametrize("columns", [120, 80, 45])
def test_the_real_tqdm_goes_on_drawing_above_the_bar(script: Callable[[str], Path], columns: int) -> None:
    terminal = Terminal(
        script(
            "import time\nfrom tqdm import tqdm\nfor i in tqdm(range(40), mininterval=0): time.sleep(0.03)"
        ),
        "tqdm",
        rows=8,
        columns=columns,
    )
    terminal.until(lambda: "/40" in terminal.rows()[-1] and any("|" in row for row in terminal.rows()[:-1]))
    assert "|" not in terminal.rows()[-1]
    left = terminal.finish()
    assert any("40/40 [" in row for row in left) or columns < 60
    assert any(row.startswith("Done 40 of 40 in ") for row in left)


def test_a_scripts_own_escapes_arrive_and_the_bar_comes_back(script: Callable[[str], Path]) -> None:
    terminal = Terminal(
        script(
            "import sys, time\n"
            "w = lambda t: (sys.stdout.write(t), sys.stdout.flush())\n"
            "w('::progress done=1 total=4\\nbefore\\n'); time.sleep(0.6)\n"
            "w('\\x1b[2J\\x1b[H\\x1b[3'); time.sleep(0.5); w('1mred\\x1b[0m \\xe4\\n'); time.sleep(0.5)\n"
            "w('\\x1bcreset\\n')\n" + WAIT
        ),
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
def test_a_flood_of_updates_draws_ten_times_a_second(script: Callable[[str], Path]) -> None:
    terminal = Terminal(
        script(
            "import time\nend = time.monotonic() + 1.0\ni = 0\n"
            "while time.monotonic() < end:\n"
            "    i += 1\n    print(f'::progress done={i} total=1000000')\n"
        )
    )
    terminal.finish()
    with contextlib.suppress(OSError):
        terminal.drop()
    assert 4 <= terminal.raw.count(b"\x1b[24;1H") <= 14


def test_failures_stand_in_the_bar_and_in_the_summary(script: Callable[[str], Path]) -> None:
    text = STEPS.replace('print(f"record {i}")', "print(f'FAILED {i}: bad')")
    terminal = Terminal(script(text), columns=100)
    terminal.until(lambda: "failed" in terminal.rows()[-1] and "%" in terminal.rows()[-1])
    left = terminal.finish()
    assert any(row.startswith("Done 40 of 40, failed 40 in ") for row in left)
    assert "  and 35 more; all of them: backfill runs show" in left
