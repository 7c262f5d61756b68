"""What is wrong with a spec: as a rule finds it, and as a person or a program is told of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands in the parsed TOML: keys, and positions in arrays counted from 0."""


class Finding(msgspec.Struct, frozen=True):
    """Something wrong at a place of the parsed TOML, before it is known which file and line that is.

    Attributes:
        path: the place; empty for the file as a whole.
        problem: what is wrong, in words of the file's author, on one line.
        hint: what to do about it; empty when the problem says it all.
    """

    path: KeyPath
    problem: str
    hint: str = ""

    def under(self, *parents: str | int) -> Finding:
        """Return the same finding as seen from further up."""
        return Finding((*parents, *self.path), self.problem, self.hint)


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with a spec file; `str` gives `file:line: key: problem; hint`.

    Attributes:
        file: the file, as it is to be shown.
        line: line in the file, counted from 1; None when the whole file is meant.
        key: dotted path such as `option.model.choices`; empty when the whole file is meant.
        problem: what is wrong, on one line.
        hint: what to do about it, on one line, may be empty.
        kind: how grave it is: a fault of the file, drift from its script, or a note.
    """

    file: str
    line: int | None
    key: str
    problem: str
    hint: str = ""
    kind: Literal["fault", "drift", "note"] = "fault"

    def __str__(self) -> str:
        """Return the fault in the form that editors and CI jump to."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        what = f"{self.problem}; {self.hint}" if self.hint else self.problem
        return f"{where}: {self.key}: {what}" if self.key else f"{where}: {what}"
