"""A regular expression as the graph of its single-character steps (a position automaton).

Two ways through the graph for one text are two things that a backtracking matcher may try. Edges count how
many ways lead from one step to the next, so that a repeat within a repeat is seen as such.
"""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]  # the parser's own names; typeshed has none
from re import _parser as sre_parser  # type: ignore[attr-defined]  # Python offers no other way to a parsed pattern
from typing import Any, TypeAlias

import msgspec

Characters: TypeAlias = int
"""A set of characters as bits: one each for ASCII, and one each for four kinds of all others."""

_OTHERS_WORD, _OTHERS_DIGIT, _OTHERS_SPACE, _OTHERS = 1 << 128, 1 << 129, 1 << 130, 1 << 131
ANY: Characters = (1 << 132) - 1
_ASCII_SIZE = 128
_ASCII = (1 << _ASCII_SIZE) - 1

MAX_POSITIONS = 200
"""Steps of a pattern that are looked at; one with more is refused as too long."""

_UNROLLED = 64
"""Steps that a counted repeat may be written out to; beyond it is taken for one without an upper limit."""


def _bits(characters: str) -> Characters:
    return sum(1 << ord(c) for c in characters)


_DIGIT = _bits("0123456789") | _OTHERS_DIGIT
_SPACE = _bits(" \t\n\r\f\v\x1c\x1d\x1e\x1f") | _OTHERS_SPACE
_WORD = (
    _bits("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") | _OTHERS_WORD | _OTHERS_DIGIT
)
_CATEGORIES = {
    sre.CATEGORY_DIGIT: _DIGIT,
    sre.CATEGORY_NOT_DIGIT: ANY & ~_DIGIT,
    sre.CATEGORY_SPACE: _SPACE,
    sre.CATEGORY_NOT_SPACE: ANY & ~_SPACE,
    sre.CATEGORY_WORD: _WORD,
    sre.CATEGORY_NOT_WORD: ANY & ~_WORD,
}


class UnsupportedError(ValueError):
    """The pattern uses something whose cost cannot be told from its form; the message is for its author."""


class Part(msgspec.Struct, frozen=True):
    """A piece of a pattern.

    Attributes:
        empty: in how many ways it can match nothing.
        choices: in how many ways in all its optional pieces can match nothing, side by side.
        first: steps it can begin with, and in how many ways.
        last: steps it can end with, and in how many ways.
    """

    empty: int
    choices: int
    first: dict[int, int]
    last: dict[int, int]


class Automaton:
    """The steps of one pattern.

    Attributes:
        steps: for each step the characters it takes.
        edges: for each step those that can follow, each with the number of ways.
        whole: the pattern as one piece.
    """

    def __init__(self, text: str, *, anywhere: bool) -> None:
        """Build the graph of `text`; with `anywhere` a match may begin at any place of a line.

        Raises:
            re.error: the text is no regular expression.
            UnsupportedError: it has something that is not analysed.
        """
        tree = sre_parser.parse(text)
        self.steps: list[Characters] = []
        self.edges: list[dict[int, int]] = []
        self._fold = bool(tree.state.flags & re.IGNORECASE) or "(?i" in text or "i:" in text or "i-" in text
        pieces = [self._sequence(tree)]
        if anywhere and not (_anchored(tree) and not tree.state.flags & re.MULTILINE):
            pieces.insert(0, self._repeat(0, None, lambda: self._step(ANY)))
        self.whole = self._joined(pieces)

    def _step(self, characters: Characters) -> Part:
        if len(self.steps) >= MAX_POSITIONS:
            raise UnsupportedError("too long a pattern for its cost to be told")
        if self._fold:
            lower = sum(1 << ord(c) for c in map(chr, range(97, 123)) if characters >> ord(c) & 1)
            upper = sum(1 << ord(c) for c in map(chr, range(65, 91)) if characters >> ord(c) & 1)
            characters |= lower >> 32 | upper << 32
        self.steps.append(characters)
        self.edges.append({})
        position = len(self.steps) - 1
        return Part(0, 1, {position: 1}, {position: 1})

    def _link(self, last: dict[int, int], first: dict[int, int]) -> None:
        for p, ways in last.items():
            for q, more in first.items():
                self.edges[p][q] = self.edges[p].get(q, 0) + ways * more

    def _joined(self, parts: list[Part]) -> Part:
        whole = Part(1, 1, {}, {})
        for part in parts:
            self._link(whole.last, part.first)
            first = _sum(whole.first, part.first, whole.empty)
            last = _sum(part.last, whole.last, part.empty)
            whole = Part(whole.empty * part.empty, whole.choices * max(part.choices, part.empty), first, last)
        return whole

    def _sequence(self, items: Any) -> Part:  # noqa: ANN401 - the parser's own tree
        return self._joined([self._piece(operator, value) for operator, value in items])

    def _piece(self, operator: Any, value: Any) -> Part:  # noqa: ANN401, PLR0911 - the parser's own tree; one return a kind
        if operator in {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}:
            low, high, body = value
            return self._repeat(low, None if high is sre.MAXREPEAT else high, lambda: self._sequence(body))
        if operator is sre.BRANCH:
            return _either([self._sequence(branch) for branch in value[1]])
        if operator is sre.SUBPATTERN:
            return self._sequence(value[-1])
        if operator is sre.ATOMIC_GROUP:
            return self._sequence(value)
        if operator is sre.AT:
            return Part(1, 1, {}, {})
        if operator in {sre.ASSERT, sre.ASSERT_NOT}:
            return _assertion(value[1])
        return self._step(_characters(operator, value))

    def _repeat(self, low: int, high: int | None, make: Any) -> Part:  # noqa: ANN401 - a function that adds the body
        start = len(self.steps)
        body: Part = make()
        size = len(self.steps) - start
        if high is not None and high * max(size, 1) <= _UNROLLED:
            if high == 0:
                return Part(1, 1, {}, {})
            return self._counted(low, [body, *(make() for _ in range(high - 1))])
        if high is not None and not size:
            return Part(1, 1, {}, {})  # anchors, repeated
        self._link(body.last, body.first)
        empty = body.empty if low else body.empty + 1
        return Part(empty, max(body.choices, empty), body.first, body.last)

    def _counted(self, low: int, copies: list[Part]) -> Part:
        """Return `x{low,n}` written out: x x ... (x (x ...)?)?."""
        tail = Part(1, 1, {}, {})
        for copy in reversed(copies[low:]):
            joined = self._joined([copy, tail])
            tail = Part(joined.empty + 1, max(joined.choices, joined.empty + 1), joined.first, joined.last)
        return self._joined([*copies[:low], tail]) if copies[low:] else self._joined(copies[:low])


def _sum(one: dict[int, int], other: dict[int, int], ways: int) -> dict[int, int]:
    return one | {p: one.get(p, 0) + n * ways for p, n in other.items()} if ways else one


def _either(parts: list[Part]) -> Part:
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for part in parts:
        first |= part.first
        last |= part.last
    return Part(sum(p.empty for p in parts), max(p.choices for p in parts), first, last)


def _assertion(body: Any) -> Part:  # noqa: ANN401 - the parser's own tree
    if any(operator in {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.BRANCH, sre.SUBPATTERN} for operator, _ in body):
        raise UnsupportedError("a look-ahead or look-behind may hold plain characters only")
    return Part(1, 1, {}, {})


def _anchored(items: Any) -> bool:  # noqa: ANN401 - the parser's own tree
    """Whether a match can begin at the start of a line only."""
    for operator, value in items:
        if operator is sre.AT:
            if value in {sre.AT_BEGINNING, sre.AT_BEGINNING_STRING}:
                return True
            continue
        if operator is sre.SUBPATTERN:
            return _anchored(value[-1])
        return operator is sre.BRANCH and all(map(_anchored, value[1]))
    return False


def _characters(operator: Any, value: Any) -> Characters:  # noqa: ANN401 - the parser's own tree
    if operator is sre.ANY:
        return ANY
    if operator is sre.LITERAL:
        return _literal(value)
    if operator is sre.NOT_LITERAL:
        return ANY & ~(1 << value) if value < _ASCII_SIZE else ANY
    if operator is sre.IN:
        return _class(value)
    raise UnsupportedError("references to a group, and conditions on one, have no bound on their cost")


def _literal(code: int) -> Characters:
    if code < _ASCII_SIZE:
        return 1 << code
    character = chr(code)
    if character.isdigit() or character.isdecimal():
        return _OTHERS_DIGIT
    if character.isspace():
        return _OTHERS_SPACE
    return _OTHERS_WORD if character.isalnum() else _OTHERS


def _class(items: Any) -> Characters:  # noqa: ANN401 - the parser's own tree
    """Return the characters of `[...]`: never fewer than there are."""
    negated = items[0][0] is sre.NEGATE
    found = 0
    for operator, value in items[1:] if negated else items:
        if operator is sre.LITERAL:
            found |= _literal(value)
        elif operator is sre.RANGE:
            low, high = value
            found |= sum(1 << code for code in range(low, min(high + 1, _ASCII_SIZE)))
            found |= ANY & ~_ASCII if high >= _ASCII_SIZE else 0
        elif operator is sre.CATEGORY:
            found |= _CATEGORIES[value]
    if not negated:
        return found
    # Of the kinds beyond ASCII single characters were named, not the whole: the others of a kind still match.
    categories = 0
    for operator, value in items[1:]:
        categories |= _CATEGORIES[value] if operator is sre.CATEGORY else 0
    return ANY & ~(found & _ASCII) & ~categories
