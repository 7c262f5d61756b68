"""What a script's source says of its command line."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, get_args

import msgspec

from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.parsers.follow import Follower, ReadParser, Stop, adds, makes_parser
from corpus_backfill_plugin.parsers.model import Library, ParserModel, Unknown
from corpus_backfill_plugin.parsers.probe import describe
from corpus_backfill_plugin.parsers.rules import to_model
from corpus_backfill_plugin.parsers.values import Function, last_word
from corpus_backfill_plugin.specs.catalog import read_plain
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


_MAX_SOURCE = 16 << 20
_DATABASE_URL = re.compile(r"(?<![A-Za-z0-9_])DATABASE_URL(?![A-Za-z0-9_])")
_RUNNERS = {"exec", "__import__", "import_module", "run_module", "run_path"}
"""Functions that run code which is not in the script's text."""


def read_file(script: Path, folder: Path) -> ParserModel:
    """Return what a script's text says of its command line, that of the server's modules with it.

    Args:
        script: modules are looked for beside it, as Python would.
        folder: the server app; its packages, in the folder or in `src`, are looked for next.

    Raises:
        BackfillError: it can't be read, or is not Python.
    """
    try:
        text = read_plain(script, _MAX_SOURCE)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BackfillError(f"{one_line(str(script))} cannot be read: {reason}", "Check the path.") from None
    return read_source(text, script.name, (script.parent, folder, folder / "src"))


def read_source(text: bytes | str, file: str, roots: Iterable[Path] = ()) -> ParserModel:
    """Return what the script's text says of its command line.

    Args:
        text: Python source; bytes may begin with a byte order mark or declare their encoding.
        file: the script's name, as `%(prog)s` and messages show it.
        roots: folders in which modules are looked for; the first is the script's own.

    Raises:
        BackfillError: the text is not Python.
    """
    try:
        tree = ast.parse(text.removeprefix("\ufeff") if isinstance(text, str) else text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, reason = getattr(error, "lineno", None), str(getattr(error, "msg", error))
        reason = reason or "it nests too deeply"  # a MemoryError says nothing
        where = f"{file}:{line}" if line else file
        what = "cannot be read" if "unicode error" in reason else "not Python that can be read"
        raise BackfillError(f"{where}: {what}: {one_line(reason)}", "correct the script first") from None
    with warnings.catch_warnings(action="ignore"):  # argparse's own, of what is deprecated in the script
        reading = _follow(tree, file, tuple(roots))
    parser, strict = _chosen(reading)
    nodes = [node for one in reading.trees for node in ast.walk(one)]
    if parser is None:
        model = _without_parser(reading, tree, nodes)
    else:
        model = to_model(describe(parser, "parse_args" if strict else "parse_known_args"))
        unknowns = dict.fromkeys([*model.unknowns, *reading.lost, *_not_called(reading, tree)])
        ordered = tuple(sorted(unknowns, key=lambda unknown: unknown.where))
        model = msgspec.structs.replace(model, unknowns=ordered)
    names = tuple(dict.fromkeys(filter(None, map(_variable, nodes))))
    database = "it names DATABASE_URL" if any(map(_names_database_url, nodes)) else ""
    return msgspec.structs.replace(model, environment=names, database=database)


def _follow(tree: ast.Module, file: str, roots: tuple[Path, ...]) -> Follower:
    """Follow the script as `python script.py` would run it; if that makes no parser, what makes one in it."""
    reading = Follower(file, roots)
    _until_stop(reading, partial(reading.run, tree, "__main__", roots[0] if roots else None))
    scope = reading.modules.get("__main__")
    for value in list(scope.names.values()) if scope and not reading.parsed else ():
        # What nothing was seen to call, as an entry point's `main`.
        called = isinstance(value, Function) and id(value.node) in reading.called
        if isinstance(value, Function) and not called and makes_parser(value.node):
            _until_stop(reading, partial(reading.follow, value, None))
    return reading


def _until_stop(reading: Follower, follow: Callable[[], object]) -> None:
    reading.doubt, reading.returned, reason = (), [], ""
    try:
        follow()
    except Stop as stop:
        reason = str(stop)
    except RecursionError:
        reason = "the script nests too deeply to follow"
    except Exception as error:  # noqa: BLE001 - what strangers write may surprise, and must not end in a traceback
        reason = f"the script could not be followed: {type(error).__name__}"
    if reason:
        reading.lost.append(Unknown(0, "options", reason, hides_options=True))


def _chosen(reading: Follower) -> tuple[ReadParser | None, bool]:
    """Return the parser that the script parses with, and whether it refuses what it does not know."""
    certain = [parse for parse in reading.parsed if parse[2]] or reading.parsed
    best = [parse for parse in certain if parse[1]] or certain
    candidates = list(dict.fromkeys(p[0] for p in best if not p[0].below)) or [p[0] for p in best]
    if not candidates:
        found = [p for p in reading.parsers if not p.below]
        candidates = sorted(found, key=lambda p: -len(p._actions))  # noqa: SLF001 - as in the probe
    if not candidates:
        return None, True
    for other in (other for other in candidates[1:] if other.line != candidates[0].line):
        reason = f"another parser is used as well; this is the one of line {candidates[0].line}"
        reading.lost.append(Unknown(other.line, "options", reason, hides_options=True))
    own = [parse for parse in reading.parsed if parse[0] is candidates[0]]
    return candidates[0], any(p[1] and p[2] for p in own) or all(p[1] for p in own)


def _not_called(reading: Follower, tree: ast.Module) -> Iterator[Unknown]:
    """Yield an unknown for each option added where nothing was followed."""
    owners: dict[int, tuple[ast.AST, ast.AST]] = {}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            # The inner functions come last.
            owners |= {id(n): (n, function) for n in ast.walk(function) if adds(n)}
        elif isinstance(function, ast.Call) and getattr(function.func, "id", "") == "exec":
            yield Unknown(function.lineno, "options", "exec() is not followed", hides_options=True)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    called = [f for f in functions if id(f) in reading.called and not makes_parser(f)]
    helpers = {f.name for f in called if any(map(adds, ast.walk(f)))}
    for function in functions if helpers else ():
        met = id(function) in reading.called or makes_parser(function)
        for node in [] if met else ast.walk(function):
            if isinstance(node, ast.Call) and last_word(node.func) in helpers:
                what, where = f"options added by {last_word(node.func)}()", f"{function.name}()"
                reason = f"it is called in {where}, and nothing in this file was seen to call that"
                yield Unknown(node.lineno, what, reason, hides_options=True)
    for call, function in owners.values():
        if isinstance(call, ast.Call) and id(function) not in reading.called and not makes_parser(function):
            flags = [str(a.value) for a in call.args if isinstance(a, ast.Constant)]
            where = f"{getattr(function, 'name', 'a lambda')}()"
            reason = f"is added in {where}, and nothing in this file was seen to call it"
            yield Unknown(call.lineno, ", ".join(flags) or "an option", reason, hides_options=True)


def _without_parser(reading: Follower, tree: ast.Module, nodes: list[ast.AST]) -> ParserModel:
    """Return that a script has no parser, or why none was seen."""
    imported = dict.fromkeys(name for node in nodes for name in _imports(node, reading))
    library: Library = next((one for one in get_args(Library) if one in imported), "none")
    if library == "none" and any(last_word(node) == "argv" for node in nodes):
        library = "sys.argv"
    others = [name for name in imported if name not in sys.stdlib_module_names]
    others += [
        f"{last_word(n.func)}()" for n in nodes if isinstance(n, ast.Call) and last_word(n.func) in _RUNNERS
    ]
    reason = ""
    if library == "sys.argv":
        reason = "the script reads sys.argv itself"
    elif library == "argparse":
        reason = "no parser is made in this file"
    elif library != "none":
        run = "; with --run they are" if library in {"click", "typer"} else ""
        reason = f"the script's options are declared with {library}, which is not read from the source{run}"
    elif others:
        listed = ", ".join(others[:5])
        reason = f"no parser was found: what {listed} may do with the command line is not read; try --run"
    unknowns = list(reading.lost) if library == "argparse" else []
    if reason and not unknowns:
        unknowns = [Unknown(0, "options", reason, hides_options=True)]
    return ParserModel(library=library, description=ast.get_docstring(tree) or "", unknowns=tuple(unknowns))


def _imports(node: ast.AST, reading: Follower) -> Iterator[str]:
    """Yield the modules that are imported here and are not the server's own, by their first word."""
    if isinstance(node, ast.ImportFrom) and node.level:
        yield "." * node.level + (node.module or "")
    elif isinstance(node, ast.Import | ast.ImportFrom):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        yield from (name.partition(".")[0] for name in names if reading.modules.get(name) is None)


def _variable(node: ast.AST) -> str:
    """Return the environment variable that is read here, if any."""
    key: ast.expr | None = None
    if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
        key = node.slice
    elif isinstance(node, ast.Call) and node.args:
        function = ast.unparse(node.func)
        key = node.args[0] if function.endswith(("environ.get", "getenv", "env", "config")) else None
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""


def _names_database_url(node: ast.AST) -> bool:
    text = node.value if isinstance(node, ast.Constant) else last_word(node)
    return isinstance(text, str) and bool(_DATABASE_URL.search(text))
