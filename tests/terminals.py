"""A program on a real terminal, its screen read back with pyte."""

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence

import pexpect
import pyte


class Terminal:
    """A program on a terminal of a size, and the screen that a person would see."""

    def __init__(
        self, command: Sequence[str], *, rows: int = 24, columns: int = 80, environ: Mapping[str, str] = {}
    ) -> None:
        kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM", "COLUMNS", "LINES")}
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=0.1)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.process = pexpect.spawn(
            command[0],
            [*command[1:]],
            dimensions=(rows, columns),
            env={**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environ},
        )

    def pump(self, seconds: float = 0.05) -> bool:
        """Take in what comes within `seconds`; False at the end."""
        if not select.select([self.process.child_fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.process.child_fd, 65_536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def until(self, found: Callable[[], object] | str, seconds: float = 30) -> None:
        """Take in what comes until `found` holds, or is in what was written."""
        if isinstance(found, str):
            text = found
            return self.until(lambda: text in self.text, seconds)
        end = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < end, self.rows()
            if not self.pump():
                assert found(), self.rows()
                return None
        return None

    def finish(self, seconds: float = 30, code: int | None = None) -> list[str]:
        """Take in all that comes, check the exit code if one is expected, and return the rows at the end."""
        end = time.monotonic() + seconds
        while self.pump():
            assert time.monotonic() < end, self.rows()
        self.process.wait()
        self.process.close()
        assert code in (None, self.code), self.rows()
        return self.rows()

    @property
    def code(self) -> int:
        """The exit code, once it has finished; -1 for a death by signal."""
        return -1 if self.process.exitstatus is None else int(self.process.exitstatus)

    @property
    def text(self) -> str:
        return self.raw.decode(errors="replace")

    @property
    def bar(self) -> str:
        return self.rows()[-1]

    def rows(self) -> list[str]:
        """What is in sight, without blanks at the ends of rows."""
        return [row.rstrip() for row in self.screen.display]

    def all_rows(self) -> list[str]:
        """What has scrolled away, and what is in sight, without empty rows."""
        past = [
            "".join(row[x].data for x in range(self.screen.columns)).rstrip()
            for row in self.screen.history.top
        ]
        return [row for row in [*past, *self.rows()] if row]

    def resize(self, rows: int, columns: int) -> None:
        """Make the terminal another size, as a person who drags its corner."""
        dropped = max(self.screen.lines - rows, 0)
        self.screen.resize(rows, columns)
        self.screen.cursor.y = max(self.screen.cursor.y - dropped, 0)  # pyte moves the text alone
        self.process.setwinsize(rows, columns)

    def drop(self) -> None:
        self.process.close(force=True)
