"""What is wrong with a file that people write: found at a place of its TOML, then located in its lines."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value is in the parsed TOML: keys, and positions in arrays counted from 0."""

Found: TypeAlias = tuple[KeyPath, str, str]
"""What a rule found: a place, what is wrong there, and a hint or nothing."""


class Diagnostic(msgspec.Struct, frozen=True):
    """One thing wrong with a file; `str` gives `file:line: key: problem; hint`, where editors and CI jump to.

    Of the file itself path and key are empty, and the line is None. File, line (from 1) and key, such as
    `option.model.choices`, are known once it is located.
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
