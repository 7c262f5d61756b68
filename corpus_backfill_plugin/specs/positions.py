"""The line of every key in a TOML text, which neither Python's reader nor tomlkit reports.

The text is written again with a line number in the place of each value, and read by `tomllib` once more. That
happens only when an error is shown.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.specs.diagnostics import KeyPath

_STRING = r'"""(?:[^\\]|\\.)*?"{3,5}(?!")' + r"|'''.*?'{3,5}(?!')" + r'|"(?:[^"\\]|\\.)*"' + r"|'[^']*'"
_HEADER = re.compile(rf"\[\[?(?:{_STRING}|[^\]\"'])*\]\]?", re.DOTALL)
_TOKEN = re.compile(  # a date and a time may have a blank between
    rf"(?P<gap>[ \t\r\n]+|#[^\n]*)|(?P<scalar>{_STRING}|[^\s\[\]{{}}=,#\"']+(?: [0-9][^\s,\]}}#]*)?)"
    r"|(?P<empty>\{\s*\})|[\[\]{}=,]",
    re.DOTALL,
)
_LINE = r'"\u0000 line" = '  # a pair that holds the line of its table. No file has the key: a NUL is refused
_DEEPEST = 16
"""Parts of a dotted key that are distinguished: a spec has five at most, and long paths cost time."""


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of each table, key and array item; of an item of `[[option]]` its header's."""
    lines: dict[KeyPath, int] = {}
    for key, value in tomllib.loads("".join(_numbered(text.replace("\r\n", "\n")))).items():
        _note((key,), value, lines)
    return lines


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int:
    """Return the line of `path`, or that of the nearest table around it when the key itself is missing."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _numbered(text: str) -> Iterator[str]:
    """Yield `text` with its line in the place of each scalar, and as the first thing in each container."""
    at, line, is_value = 0, 1, False
    inside: list[str] = []  # the brackets that are open
    while at < len(text):
        is_header = text[at] == "[" and not is_value and not inside
        token = (_HEADER if is_header else _TOKEN).match(text, at)
        if token is None:
            raise ValueError(f"not TOML at offset {at}")
        word = token.group()
        if is_header:
            yield f"{word}\n{_LINE}{line}\n"
        elif token.lastgroup == "scalar":
            yield str(line) if is_value else word
        else:
            opened = {"[": f"[{line}, ", "{": f"{{{_LINE}{line}, "}
            yield f"{{{_LINE}{line}}}" if token.lastgroup == "empty" else opened.get(word, word)
            if word in opened:
                inside.append(word)
            elif word in ("]", "}"):
                inside.pop()
        if token.lastgroup != "gap":
            is_value = word == "=" or (inside[-1:] == ["["] and word in ("[", ","))
        line += word.count("\n")
        at = token.end()


def _note(path: KeyPath, value: Any, lines: dict[KeyPath, int]) -> int:  # noqa: ANN401 - a number or a container
    """Note the line of `path`, and of all that is in it; return the first of them."""
    if isinstance(value, dict):
        own = [value.pop("\0 line")] if "\0 line" in value else []
        items = list(value.items())
    else:
        value = value if isinstance(value, list) else [value]
        own = [item for item in value[:1] if isinstance(item, int)]  # an array of tables has none
        items = list(enumerate(value[len(own) :]))
    first: int = min([*own, *(_note((*path, key), item, lines) for key, item in items)])
    if len(path) <= _DEEPEST:
        lines[path] = first
    return first
