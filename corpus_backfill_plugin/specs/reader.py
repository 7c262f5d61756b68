"""TOML text to a Script, or to all that is wrong with it, each with file, line, key and hint."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from corpus_backfill_plugin.specs.checks import check_script
from corpus_backfill_plugin.specs.diagnostics import Diagnostic, KeyPath
from corpus_backfill_plugin.specs.model import NAME_PATTERN, Script
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_BYTES", "Diagnostic", "UnreadableError", "read_script", "read_toml"]

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

MAX_TABLES = 500
"""Options, arguments or groups of a spec: nobody wrote more by hand, and each start would pay for them."""

_DEEPEST = 16  # keys within keys that are looked at; a spec has five at most
MAX_BYTES = 1024 * 1024
"""A spec larger than this is refused unread: nobody wrote it by hand, and it would cost every listing."""


class UnreadableError(Exception):
    """The text is no TOML at all."""

    def __init__(self, problem: str, hint: str = "", line: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.hint, self.line = problem, hint, line

    def diagnostic(self, file: str) -> Diagnostic:
        """Return it for `file`, as that is to be shown."""
        return Diagnostic((), self.problem, self.hint, file=file, line=self.line)


def read_script(
    text: bytes | str, file: str, name: str | None = None
) -> tuple[Script | None, tuple[Diagnostic, ...]]:
    """Return the Script in `text`, or None and everything that is wrong with it, sorted by line.

    `file` is as it is to be shown; its stem is the command's name unless that is given.
    """
    try:
        source, raw = read_toml(text)
        script, findings = _judge(raw, PurePath(file).stem if name is None else name)
    except UnreadableError as unreadable:
        return None, (unreadable.diagnostic(file),)
    return (None, located(findings, raw, source, file)) if findings else (script, ())


def read_toml(text: bytes | str) -> tuple[str, dict[str, Any]]:
    """Return a file's text, and what it says as TOML; an UnreadableError says why it is none."""
    if len(text) > MAX_BYTES:
        raise UnreadableError(f"{len(text)} bytes, {MAX_BYTES} at most", "write less into one file")
    try:
        source = text if isinstance(text, str) else text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        raise UnreadableError(problem, "save the file as UTF-8", line) from None
    # Some editors put the mark there; TOML forbids it, and its message would point at what nobody sees.
    source = source.removeprefix("\ufeff")
    return source, _parse(source)


_SYNTAX_HINTS = (
    ("overwrite", "a key or table may stand only once"),
    ("Cannot declare", "a key or table may stand only once"),
    ("Duplicate inline table key", "a key may stand only once"),
    ("Invalid value", "text needs quotes; true, false and numbers have none"),
    ("Expected '='", "a line is: key = value"),
    ("Unescaped '\\'", "put it in single quotes: '\\d+'"),
    ("Illegal character '\\n'", "text over several lines needs three quotes"),
    ("Unterminated string", "close the quotes"),
    ("Unclosed array", "close the bracket"),
)
_SYNTAX_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)\Z")

_LONG_KEY = re.compile(r"(?:\.[ \t]*[^\s.,=\[\]{}#]{1,64}[ \t]*){100}")
"""A key of too many parts. tomllib keeps each beginning of it: a megabyte of dots would take all memory."""


def _parse(source: str) -> dict[str, Any]:
    if long := _LONG_KEY.search(source):
        line = source.count("\n", 0, long.start()) + 1
        raise UnreadableError("a key of too many parts", "a spec has three levels at most", line)
    try:
        return tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _SYNTAX_PLACE.search(message)
        line = int(place[1]) if place and place[1] else source.count("\n") + 1
        problem = one_line(_SYNTAX_PLACE.sub("", message))
        hint = next((hint for word, hint in _SYNTAX_HINTS if word in message), "")
        raise UnreadableError(f"not TOML: {problem[:1].lower()}{problem[1:]}", hint, line) from None
    except RecursionError:
        raise UnreadableError("nested too deeply to be read", "a spec has three levels at most") from None
    except ValueError:
        raise UnreadableError("not TOML: a number has too many digits") from None


def _judge(raw: dict[str, Any], name: str) -> tuple[Script | None, list[Diagnostic]]:
    """Return the Script, and all that is wrong with it as far as it can be made out."""
    tables = max((len(value) for value in raw.values() if isinstance(value, list)), default=0)
    if tables > MAX_TABLES:
        problem = f"a list of {tables} items, {MAX_TABLES} at most"
        raise UnreadableError(problem, "split it into several commands")
    findings = list(_nul_characters(raw))
    version = raw.get("spec-version")
    if isinstance(version, int) and version > 1:
        # Keys of a later vocabulary would all be called unknown: say only what is the matter.
        hint = "upgrade corpus-backfill-plugin, or write spec-version = 1"
        return None, [Diagnostic(("spec-version",), f"version {version} is not known", hint)]
    script, found = converted(raw, Script)
    findings += found
    return script, findings + check_script(script, name, frozenset(f.path for f in findings))


def converted(raw: dict[str, Any], kind: type[_Struct]) -> tuple[_Struct, list[Diagnostic]]:
    """Return `raw` as a `kind`, and where it is none something that serves further checks, and why."""
    with suppress(msgspec.ValidationError, RecursionError):
        return msgspec.convert(raw, kind), []
    from corpus_backfill_plugin.specs.schema import fit

    return fit(raw, kind)


def _nul_characters(raw: dict[str, Any]) -> Iterator[Diagnostic]:
    """Yield where a NUL is: TOML can write one, an argument list or environment cannot carry it."""
    problem = "holds a NUL character, which no argument or variable can carry"
    waiting: list[tuple[KeyPath, object]] = [((), raw)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > _DEEPEST:
            continue  # unknown keys in any case, and long paths cost time
        if isinstance(value, str) and "\0" in value:
            yield Diagnostic(path, problem, "remove \\u0000")
        elif isinstance(value, dict):
            yield from (Diagnostic((*path, key), f"the key {problem}") for key in value if "\0" in key)
            waiting += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, position), item) for position, item in enumerate(value)]


def located(
    findings: list[Diagnostic], raw: dict[str, Any], source: str, file: str
) -> tuple[Diagnostic, ...]:
    """Return `findings` with the line of each, sorted by it."""
    from corpus_backfill_plugin.specs.positions import key_lines, line_of

    try:
        lines = key_lines(source)
    except (RecursionError, ValueError, IndexError):
        lines = {}
    placed = [
        msgspec.structs.replace(
            found,
            file=one_line(file),
            line=line_of(found.path, lines) if found.path else None,
            key=_dotted(found.path, raw),
            problem=one_line(found.problem),
            hint=one_line(found.hint),
        )
        for found in dict.fromkeys(findings)
    ]
    return tuple(sorted(placed, key=lambda found: found.line or 0))


def _dotted(path: KeyPath, raw: Any) -> str:  # noqa: ANN401 - any parsed TOML
    """Return `path` for people: tables of an array by their name where they have a usable one."""
    words = []
    for step in path:
        with suppress(KeyError, IndexError, TypeError):
            raw = raw[step]
        word = str(step + 1) if isinstance(step, int) else step
        name = raw.get("name") if isinstance(step, int) and isinstance(raw, dict) else None
        words.append(name if isinstance(name, str) and re.search(NAME_PATTERN, name) else one_line(word))
    return ".".join(words)
