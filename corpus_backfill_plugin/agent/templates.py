"""Lines recognised by templates: literal text and `{names}`, as in `FAILED {item}: {reason}`.

A name stands for all text up to the next literal, to the line's end when it comes last; a count for one
number; `{}` for anything, also nothing. A template matches anywhere in a line, or from its start with `^`.

Matching goes through a line once, from left to right, and never back: a literal is taken where it comes
first, and a number has a bounded length. So it takes time in proportion to the line's length, whatever the
line, and no template has to be refused for its cost.
"""

from __future__ import annotations

import re

MAX_TEMPLATE = 1000  # characters

_PART = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[^{}]+|.", re.DOTALL)
_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()\\]|\\.)*\)")


class TemplateError(ValueError):
    """A text is no template; `hint` is what to do about it, on one line or empty."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.hint = hint


class Template:
    """One template, ready to be matched.

    Attributes:
        names: in the order of the text, `{}` left out.
        needle: bytes that each matching line contains.
    """

    def __init__(self, text: str, *, counts: bool) -> None:
        """Read `text`; its names mean numbers if it `counts`. Raises a TemplateError for its author."""
        if len(text) > MAX_TEMPLATE:
            raise TemplateError(f"{len(text)} characters, at most {MAX_TEMPLATE}")
        self._from_start = text.startswith("^")
        literals, names = _split(text.removeprefix("^"))
        self.names = tuple(name for name in names if name)
        self.needle = max(literals, key=lambda literal: len(literal.strip())).encode()
        _check(text, literals, names, counts=counts)
        # A block has literals and numbers alone; between two blocks there is a text of any length.
        block = re.escape(literals[0])
        if not block and not self._from_start:
            block = r"(?<![\w.,'+-])"  # a number that comes first begins a word
        if names and not (counts and names[0]) and not literals[0]:
            block = r"\A"
        blocks: list[tuple[str, str]] = [("", block)]
        for name, after in zip(names, literals[1:], strict=True):
            if counts and name:
                block = f" {{0,15}}+(?P<{name}>{_number(after)}){re.escape(after)}"
                blocks[-1] = (blocks[-1][0], blocks[-1][1] + block)
            else:
                blocks.append((name, re.escape(after) or (r"\Z" if name else "")))
        self._first = re.compile(blocks[0][1])
        self._rest = tuple((name, re.compile(block)) for name, block in blocks[1:])

    def match(self, line: str) -> dict[str, str] | None:
        """Return what the names stand for in `line`, blanks around it left out; None without a match."""
        found = self._first.match(line) if self._from_start else self._first.search(line)
        if found is None:
            return None
        values = found.groupdict()
        for name, block in self._rest:
            begin = found.end()
            found = block.search(line, begin + bool(name))
            if found is None:
                return None
            values |= found.groupdict() | ({name: line[begin : found.start()].strip()} if name else {})
        return values


def _split(text: str) -> tuple[list[str], list[str]]:
    """Return the literals of a template, and the names between them: one less, "" for `{}`."""
    literals, names = [""], []
    for part in _PART.finditer(text):
        if part["name"] is not None:
            names.append(part["name"])
            literals.append("")
        elif part[0] == "{":
            raise TemplateError("a brace is not closed", "close it; a brace of the line itself is written {{")
        else:
            literals[-1] += part[0][:1] if part[0] in ("{{", "}}") else part[0]
    return literals, names


def _check(text: str, literals: list[str], names: list[str], *, counts: bool) -> None:
    if "(?P<" in text:
        raise TemplateError("is a regular expression; lines are read by templates", _as_template(text))
    if not any(names):
        raise TemplateError("has no name in braces", "write {name} where the value stands")
    if wrong := next((name for name in names if name and not (name.isascii() and name.isidentifier())), None):
        raise TemplateError(f"{{{wrong}}} is no name", "use letters, digits and _; a brace is written {{")
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise TemplateError(f"{{{twice}}} stands twice", "write {} for what is to be passed over")
    if "" in literals[1:-1]:
        at = literals.index("", 1)
        both = f"{{{names[at - 1]}}}{{{names[at]}}}"
        raise TemplateError(f"nothing stands between {both}", "put the text that is printed between them")
    if not any(literal.strip() for literal in literals):
        raise TemplateError("has no text to know the line by", "add some of the words printed with it")
    if any(end in text for end in "\r\n"):
        raise TemplateError("holds an end of line, and lines are read one at a time", "describe one line")
    for name, after in zip(names, literals[1:], strict=True):
        if counts and name and after[:1].isdigit():
            raise TemplateError(f"a digit stands right behind the number {{{name}}}", "separate them")


def _number(after: str) -> str:
    """Return the pattern of a number, of at most 15 digits, which the text `after` follows."""
    marks = re.escape("".join(mark for mark in ",_'" if after[:1] != mark))
    fraction, point = (r"(?:\.[0-9]{1,15})?", r"\.") if after[:1] != "." else ("", "")
    scale = r"(?:[kKMGT](?![A-Za-z]))?" if after[:1] not in tuple("kKMGT") else ""
    digits = rf"(?:[0-9]{{1,3}}(?:[{marks}][0-9]{{3}}){{1,4}}|[0-9]{{1,15}})"
    return rf"(?>{digits}{fraction}{scale})(?![0-9]|[{marks}{point}][0-9])"


def _as_template(pattern: str) -> str:
    """Return the hint how a simple regular expression is written as a template."""
    text = re.sub(r"\\(\W)", r"\1", _GROUP.sub(r"{\1}", pattern).removesuffix("$"))
    simple = not set(text) & set("\\()*+?|") and "{" in text
    any_other = "write {name} in place of (?P<name>...), the rest as it is printed"
    return f"write '{text}'" if simple else any_other
