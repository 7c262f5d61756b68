r"""The literal text that a regular expression cannot match without.

`^FAILED (?P<item>\S+)` matches no line that lacks `FAILED `; looking for that with `bytes.find` is some
fifty times faster than trying the expression on each line. The reading is deliberately timid: whatever is
not plainly a literal ends it, and an expression that is not understood has no literal and is tried always.
"""

from __future__ import annotations

import re

_CLASSES = frozenset("dDwWsSbBAZ")
_CONTROL = {"t": "\t", "f": "\f", "v": "\v"}
_REPEATS = frozenset("*+?{")
_BRACES = re.compile(r"\{[0-9]*,?[0-9]*\}")
_UNREAD = re.compile(r"\(\?(?!P<|:)|\{(?![0-9]*,?[0-9]*\})|\ufffd")
"""Inline flags, lookarounds, conditions, a brace that is no repeat, the mark of undecodable bytes."""


def required_literal(pattern: re.Pattern[str]) -> str:
    """Return the longest text found that every match of `pattern` contains; empty when there is none."""
    if pattern.flags & (re.IGNORECASE | re.VERBOSE) or _UNREAD.search(pattern.pattern):
        return ""
    return max(_runs(pattern.pattern), key=len, default="")


def _runs(pattern: str) -> list[str]:
    """Return the runs of literal characters at the top level, none when an alternative stands there."""
    runs: list[str] = [""]
    place = 0
    while place < len(pattern):
        char = pattern[place]
        literal = ""
        if char == "|":
            return []
        if char == "(":
            place = _after_group(pattern, place)
        elif char == "[":
            place = _after_set(pattern, place)
        elif char == "\\":
            literal, place = _escape(pattern, place)
        else:
            literal = "" if char in "^$." or char in "\r\n" else char
            place += 1
        repeat = pattern[place : place + 1]
        if repeat and repeat in _REPEATS:
            place = _after_repeat(pattern, place)
            if repeat == "+" and literal:  # once at least, and then anything of its kind
                runs[-1] += literal
            runs.append("")
        elif literal:
            runs[-1] += literal
        elif char not in "^$" or runs[-1]:
            runs.append("")
    return runs


def _escape(pattern: str, place: int) -> tuple[str, int]:
    """Return what the escape at `place` stands for ("" if for no single character), and where it ends."""
    char = pattern[place + 1 : place + 2]
    if char in _CONTROL:
        return _CONTROL[char], place + 2
    if char in _CLASSES or not char:
        return "", place + 2
    if char.isalnum():  # \x41, \u0041, \1, \n, \r and the like: leave the digits behind it alone too
        end = place + 2
        while end < len(pattern) and pattern[end].isalnum():
            end += 1
        return "", end
    return char, place + 2


def _after_set(pattern: str, place: int) -> int:
    """Return where the set that opens at `place` ends; a `]` that comes first is a member."""
    place += 1
    if pattern[place : place + 1] == "^":
        place += 1
    if pattern[place : place + 1] == "]":
        place += 1
    while place < len(pattern) and pattern[place] != "]":
        place += 2 if pattern[place] == "\\" else 1
    return place + 1


def _after_group(pattern: str, place: int) -> int:
    """Return where the group that opens at `place` ends."""
    depth = 0
    while place < len(pattern):
        char = pattern[place]
        if char == "\\":
            place += 2
            continue
        if char == "[":
            place = _after_set(pattern, place)
            continue
        depth += {"(": 1, ")": -1}.get(char, 0)
        place += 1
        if depth == 0:
            break
    return place


def _after_repeat(pattern: str, place: int) -> int:
    """Return where the repeat at `place` ends, its lazy or possessive mark included."""
    braces = _BRACES.match(pattern, place)
    end = braces.end() if braces else place + 1
    while pattern[end : end + 1] and pattern[end] in "?+":
        end += 1
    return end
