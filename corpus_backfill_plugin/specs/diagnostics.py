"""What is wrong with a file that people write: found at a place of its TOML, then located in its lines."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value is in the parsed TOML: keys, and positions in arrays counted from 0."""

Found: TypeAlias = tuple[KeyPath | str, str, str]
"""What a rule found: a place or a single key, what is wrong there, and a hint or nothing."""


class Diagnostic(msgspec.Struct, frozen=True):
    """One thing wrong with a file; `str` gives `file:line: key: problem; hint`, where editors and CI jump to.

    Attributes:
        path: the place; empty for the file itself.
        problem: what is wrong, in words of the file's author, on one line.
        hint: what to do about it, or nothing.
        kind: an error of the file, drift from its script, or a note.
        file: as it is to be shown; empty until it is located.
        line: counted from 1; None for the file itself.
        key: dotted path such as `option.model.choices`; empty for the file itself.
    """

    path: KeyPath
    problem: str
    hint: str = ""
    kind: Literal["fault", "drift", "note"] = "fault"
    file: str = ""
    line: int | None = None
    key: str = ""

    def facts(self) -> dict[str, Any]:
        """Return it for programs."""
        return {key: getattr(self, key) for key in ("file", "line", "key", "problem", "hint", "kind")}

    def __str__(self) -> str:
        """Return it on one line."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        what = "note: " * (self.kind == "note") + self.problem + f"; {self.hint}" * bool(self.hint)
        return f"{where}: {self.key}: {what}" if self.key else f"{where}: {what}"
