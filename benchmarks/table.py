"""Tables in Markdown, and the document that keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = "<!-- made by `{command}`; what stands between these lines is written over -->"
END = "<!-- end of what is made -->"


@dataclass(frozen=True)
class Table:
    """One table and what has to be known to read it."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return it with its title as a heading; all columns but the first are numbers."""
        lines = [
            f"## {self.title}",
            "",
            self.note,
            "",
            _line(self.header),
            _line(("---", *("---:" for _ in self.header[1:]))),
            *map(_line, self.rows),
        ]
        return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def ratio(value: float, base: float) -> str:
    """Return `value` as a multiple of `base`."""
    return f"{value / base:.2f}"


def milliseconds(seconds: float) -> str:
    """Return a time for orientation."""
    return f"{seconds * 1000:.0f}"


def write_between(path: Path, text: str, command: str) -> None:
    """Put `text` into a document in the place of what stands between its marker lines.

    Raises:
        ValueError: the document has no such lines, or not in order.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN.split("{", maxsplit=1)[0])
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no two marker lines; the second is {END}")
    path.write_text(f"{before}{BEGIN.format(command=command)}\n\n{text}\n{END}{after}", encoding="utf-8")
