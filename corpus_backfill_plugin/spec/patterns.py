"""Regular expressions from specs, which must not be able to hang the program.

Python's matcher tries one way after the other and has no time limit. So a pattern's form is judged before
it is used: it may cost time to the square of a line's length at the most, and lines are cut to `MAX_LINE`.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from corpus_backfill_plugin.display import one_line
from corpus_backfill_plugin.spec import ambiguity
from corpus_backfill_plugin.spec.automaton import Automaton, UnsupportedError

MAX_LINE = 4096
"""Characters of a line that are matched; what is longer is cut before."""

MAX_PATTERN = 1000
"""Characters of a pattern."""

_MAX_MEETINGS = {0: 8, 1: 8, 2: 1}
"""Steps at which two ways may meet, by the power of the length: each may double what all else costs."""

_MAX_CHOICES = {0: 64, 1: 64, 2: 8}
"""Ways for optional parts to match nothing, by the power of the length."""


class SlowError(ValueError):
    """A pattern could take long.

    Attributes:
        mend: how it can be made quick, on one line.
    """

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(problem)
        self.mend = mend


@lru_cache(maxsize=256)
def compile_pattern(text: str, *, whole: bool = False) -> re.Pattern[str]:
    """Return the pattern in `text`, once it is known to be quick on any line.

    Args:
        text: a regular expression as Python's `re` has it.
        whole: it is only matched against whole values (`fullmatch`), not searched for in lines.

    Raises:
        ValueError: it does not compile, or could take long; the message is one line, for its author.
    """
    if len(text) > MAX_PATTERN:
        raise ValueError(f"{len(text)} characters, {MAX_PATTERN} at the most")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pattern = re.compile(text)
            automaton = Automaton(text, anywhere=not whole)
    except UnsupportedError:
        raise
    except re.error as error:
        at = "" if error.pos is None else f" at character {error.pos + 1}"
        raise ValueError(f"is not a regular expression: {one_line(error.msg)}{at}") from None
    except Warning as warning:
        raise ValueError(f"is not a clear regular expression: {one_line(str(warning))}") from None
    except (OverflowError, RecursionError):
        raise ValueError("is not a regular expression: too large a repeat, or nested too deeply") from None
    _refuse_slow(automaton, whole=whole)
    return pattern


def _refuse_slow(automaton: Automaton, *, whole: bool) -> None:
    try:
        graph = ambiguity.pairs(automaton)
    except ambiguity.TooComplicatedError:
        raise SlowError("has too many combinations for its cost to be told") from None
    found = ambiguity.loops(automaton)
    if ambiguity.is_exponential(automaton, graph, found):
        raise SlowError(
            "could take for ever: what is repeated can match one text in two ways",
            "let the parts of a repeat begin with different characters",
        )
    power = ambiguity.degree(automaton, found)
    if power not in _MAX_MEETINGS:
        narrower = r"use narrower classes such as \S or [^,] in place of '.'"
        raise SlowError(
            "could take minutes: more than two repeats can match one text",
            narrower if whole else f"begin it with ^, or {narrower}",
        )
    ways = max(automaton.whole.choices, automaton.whole.empty)
    if ways > _MAX_CHOICES[power] or ambiguity.meetings(graph, found) > _MAX_MEETINGS[power]:
        raise SlowError("could take for ever: too many parts may be left out", "make fewer of them optional")
