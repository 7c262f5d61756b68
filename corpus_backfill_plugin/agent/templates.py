"""Lines recognised by templates: literal text and `{names}`, as in `FAILED {item}: {reason}`.

A name stands for all text up to the next literal, to the line's end when it comes last; a count for one
number; `{}` for anything, also nothing. A template matches anywhere in a line, or from its start with `^`.

A template becomes a regular expression of atomic groups, each up to the next literal behind a text. So
matching goes through a line once and never back: it takes time in proportion to the line's length, whatever
the line, and no template has to be refused for its cost.
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
    """One template, whose names mean numbers if it `counts`; raises a `TemplateError` for its author."""

    def __init__(self, text: str, *, counts: bool) -> None:
        if len(text) > MAX_TEMPLATE:
            raise TemplateError(f"{len(text)} characters, at most {MAX_TEMPLATE}")
        literals, names = _split(text.removeprefix("^"))
        self.names = tuple(name for name in names if name)
        # Each matching line contains it.
        self.needle = max(literals, key=lambda literal: len(literal.strip())).encode()
        _check(text, literals, names, counts=counts)
        begins_with_text = not literals[0] and not (counts and names[0])
        pattern = "(?>" if text.startswith("^") or begins_with_text else "(?>.*?"
        if pattern.endswith("?") and not literals[0]:
            pattern += r"(?<![\w.,'+-])"  # a number that comes first begins a word
        pattern += re.escape(literals[0])
        for name, after in zip(names, literals[1:], strict=True):
            if counts and name:
                pattern += f" {{0,15}}+(?P<{name}>{_number(after)}){re.escape(after)}"
            elif name:
                pattern += f")(?>(?P<{name}>.+?)" + (re.escape(after) or r"\Z")
            else:
                pattern += f")(?>.*?{re.escape(after)}"
        self._pattern = re.compile(f"{pattern})", re.DOTALL)

    def match(self, line: str) -> dict[str, str] | None:
        """Return what the names mean in `line`, blanks around it left out; None without a match."""
        found = self._pattern.match(line)
        return {name: value.strip() for name, value in found.groupdict().items()} if found else None


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
