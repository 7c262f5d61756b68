"""The line of every key in a TOML text, which Python's reader does not report.

A scan, not a parser: it takes text that `tomllib` has accepted already, and only when an error is shown.
tomlkit knows no lines either.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from corpus_backfill_plugin.specs.diagnostics import KeyPath

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = r'"""(?:[^\\]|\\.)*?"{3,5}(?!")' + r"|'''.*?'{3,5}(?!')" + r'|"(?:[^"\\]|\\.)*"' + r"|'[^']*'"
_PART = rf"[ \t]*(?:[A-Za-z0-9_-]+|{_STRING})[ \t]*"
_KEY = re.compile(rf"{_PART}(?:\.{_PART})*", re.DOTALL)
_SCALAR = re.compile(  # a date and a time may have a blank between
    rf"{_STRING}|[^\s,\]}}#]+(?: [0-9][^\s,\]}}#]*)?", re.DOTALL
)

_DEEPEST = 16
"""Parts of a dotted key that are distinguished: a spec has five at most, and long paths cost time."""


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, of each table, key and array item in `text`.

    Args:
        text: valid TOML. An item of `[[option]]` has the path `("option", 0)`; its line is its header's.
    """
    return _Scan(text.replace("\r\n", "\n")).run()


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int:
    """Return the line of `path`, or that of the nearest table around it when the key itself is missing."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Scan:
    """One pass over a text. Positions are offsets; a line is counted when a key is met."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.counted = 0
        self.lines: dict[KeyPath, int] = {}
        self.arrays: dict[KeyPath, int] = {}

    def run(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_GAP)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_GAP)
        return self.lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"not TOML at offset {self.at}")
        self.at = match.end()
        return match.group()

    def _note(self, path: KeyPath, at: int) -> None:
        self.line += self.text.count("\n", self.counted, at)
        self.counted = at
        self.lines.setdefault(path, self.line)

    def _key(self) -> list[str]:
        nested: Any = tomllib.loads(f"{self._skip(_KEY)} = 0")
        names = []
        while isinstance(nested, dict):
            ((name, nested),) = nested.items()
            names.append(name)
        return names[:_DEEPEST]

    def _header(self) -> KeyPath:
        start = self.at
        brackets = 2 if self.text.startswith("[[", start) else 1
        self.at += brackets
        *above, last = self._key()
        self.at += brackets
        path: KeyPath = ()
        for name in above:  # of an array of tables its last item is meant
            path = (*path, name)
            self._note(path, start)
            if path in self.arrays:
                path = (*path, self.arrays[path] - 1)
        path = (*path, last)
        self._note(path, start)
        if brackets == 2:  # noqa: PLR2004 - an item of an array
            self.arrays[path] = self.arrays.get(path, 0) + 1
        if path in self.arrays:
            path = (*path, self.arrays[path] - 1)
            self._note(path, start)
        return path

    def _pair(self, path: KeyPath) -> None:
        start = self.at
        for name in self._key():
            path = (*path, name)
            self._note(path, start)
        self.at += 1  # the equals sign
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip(_GAP)
        close = {"[": "]", "{": "}"}.get(self.text[self.at])
        if close is None:
            self._skip(_SCALAR)
            return
        self.at += 1
        position = 0
        self._skip(_GAP)
        while self.text[self.at] != close:
            if close == "}":
                self._pair(path)
            else:
                self._note((*path, position), self.at)
                self._value((*path, position))
                position += 1
            self._skip(_GAP)
            self.at += self.text[self.at] == ","
            self._skip(_GAP)
        self.at += 1
