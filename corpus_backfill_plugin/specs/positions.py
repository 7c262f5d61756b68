"""The line of every key in a TOML text, which Python's reader does not report.

A scan, not a parser: it takes text that `tomllib` has accepted already, and is only made when there is a
fault to show.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpus_backfill_plugin.specs.diagnostics import KeyPath

_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^\s,\]}#]+(?: [0-9][^\s,\]}#]*)?")  # a date and a time may have a blank between
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")' + r"|'''.*?'{3,5}(?!')" + r'|"(?:[^"\\]|\\.)*"' + r"|'[^']*'", re.DOTALL
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

    def _note(self, path: KeyPath) -> None:
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        self.lines.setdefault(path, self.line)

    def _header(self) -> KeyPath:
        array = self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        names = self._key()[:_DEEPEST]
        path = self._resolve(names[:-1])
        for end in range(len(path) + 1):
            if path[:end]:
                self._note(path[:end])
        path = (*path, names[-1])
        self._note(path)
        if array:
            position = self.arrays.get(path, 0)
            self.arrays[path] = position + 1
            path = (*path, position)
            self._note(path)
        elif path in self.arrays:
            path = (*path, self.arrays[path] - 1)
        self.at += 2 if array else 1
        return path

    def _resolve(self, names: list[str]) -> KeyPath:
        """Return the path of a table that a header names: of an array of tables its last item is meant."""
        path: KeyPath = ()
        for name in names:
            path = (*path, name)
            if path in self.arrays:
                path = (*path, self.arrays[path] - 1)
        return path

    def _key(self) -> list[str]:
        names = []
        while True:
            self._skip(_SPACE)
            quoted = self.text[self.at] in "\"'"
            word = self._skip(_STRING if quoted else _BARE)
            names.append(_unquoted(word) if quoted else word)
            self._skip(_SPACE)
            if self.text[self.at] != ".":
                return names
            self.at += 1

    def _pair(self, table: KeyPath) -> None:
        start = self.at
        names = self._key()
        after, self.at = self.at, start
        path = table
        for name in names[:_DEEPEST]:
            path = (*path, name)
            self._note(path)
        self.at = after + 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        first = self.text[self.at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            self._skip(_STRING if first in "\"'" else _SCALAR)

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        position = 0
        while True:
            self._skip(_GAP)
            if self.text[self.at] == "]":
                break
            self._note((*path, position))
            self._value((*path, position))
            position += 1
            self._skip(_GAP)
            self.at += self.text[self.at] == ","
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while True:
            self._skip(_GAP)
            if self.text[self.at] == "}":
                break
            self._pair(path)
            self._skip(_GAP)
            self.at += self.text[self.at] == ","
        self.at += 1


def _unquoted(word: str) -> str:
    if word.startswith("'"):
        return word[1:-1]
    import tomllib

    return str(tomllib.loads(f"key = {word}")["key"])
