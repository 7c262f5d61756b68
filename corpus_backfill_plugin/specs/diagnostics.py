"""What is wrong with a file that people write: found at a place of its TOML, then located in its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from corpus_backfill_plugin.specs.values import value_text
from corpus_backfill_plugin.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from corpus_backfill_plugin.specs.model import Scalar

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value is in the parsed TOML: keys, and positions in arrays counted from 0."""

Found: TypeAlias = tuple[KeyPath, str, str]
"""What a rule found: a place, what is wrong there, and a hint or nothing."""

Row: TypeAlias = tuple[str, object, str, str]
"""A row of a table of rules: a key, whether it is wrong, what is wrong with it, and a hint or nothing."""

REMOVE_ONE = "remove one of them"


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


def wrong(rows: Iterable[Row], table: KeyPath = ()) -> Iterator[Found]:
    """Yield what is wrong of the rows of a table of rules, whose keys are those of `table`."""
    return (((*table, key), problem, hint) for key, is_wrong, problem, hint in rows if is_wrong)


def each(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, Any]]:  # noqa: ANN401 - any value of a spec
    """Yield what is at `path`, one value or a list of them, each with its own place."""
    if isinstance(value, tuple):
        yield from (((*path, position), item) for position, item in enumerate(value))
    elif value is not None:
        yield path, value


def doubles(path: KeyPath, values: Iterable[Scalar], *, ignore_case: bool = False) -> Iterator[Found]:
    """Yield each item of the list at `path` that is in it before: a thing said twice is a slip."""
    seen = set()
    for place, value in each(path, tuple(values)):
        text = value_text(value).lower() if ignore_case else value_text(value)
        if text in seen:
            yield place, f"{quoted(value)} stands twice", REMOVE_ONE
        seen.add(text)
