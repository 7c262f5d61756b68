"""A script's parser read from its source: the code is followed, nothing of it runs.

The module is walked as `python script.py` would run it, from its first line into `main()` and the functions
that are called from there, with values worked out as far as they stand in the text. Where the text alone
does not decide (a condition, a loop over something computed, a function of another file), what depends on
it is an `Unknown`, never a guess.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from corpus_backfill_plugin.authoring.introspect import Library, ParserModel, Unknown
from corpus_backfill_plugin.authoring.introspect_argparse import Parser, to_model
from corpus_backfill_plugin.authoring.introspect_follow import Modules, Reading
from corpus_backfill_plugin.errors import BackfillError

if TYPE_CHECKING:
    from pathlib import Path


def read_source(text: str, file: str, modules: Modules | None = None) -> ParserModel:
    """Return what the script's text tells of its command line.

    Args:
        text: Python source.
        file: the script's name, as `%(prog)s` and messages show it.
        modules: gives the source of a module that the script imports, or None for one that is not the
            server's own. Without it, functions of other files stay unknown.

    Raises:
        BackfillError: the text is not Python.
    """
    name = file.replace("\\", "/").rpartition("/")[2]
    try:
        tree = ast.parse(text, filename=name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f"{file}:{line}" if line else file
        raise BackfillError(
            f"{where}: not Python that can be read: {getattr(error, 'msg', error)}",
            "correct the script first",
        ) from None
    library = library_of(tree)
    reading = Reading(name, tree, modules)
    if library == "argparse":
        model = _model(reading)
    else:
        model = ParserModel(
            library=library, description=ast.get_docstring(tree) or "", unknowns=_why_not(library)
        )
    return msgspec.structs.replace(
        model,
        environment=tuple(dict.fromkeys([*reading.environment, *_variables(tree)])),
        database=_database(tree),
    )


def modules_beside(script: Path, folder: Path) -> Modules:
    """Return what gives the sources of the server's own modules.

    Args:
        script: modules are looked for beside it, as Python would.
        folder: the server app; its packages, in the folder or in `src`, are looked for next.
    """

    def source(module: str) -> str | None:
        parts = module.split(".")
        for root in (script.parent, folder, folder / "src"):
            for path in (root.joinpath(*parts).with_suffix(".py"), root.joinpath(*parts, "__init__.py")):
                try:
                    if path.is_file():  # a pipe would never end
                        return path.read_text(encoding="utf-8")
                except (OSError, UnicodeDecodeError, ValueError):
                    continue
        return None

    return source


def _model(reading: Reading) -> ParserModel:
    """Follow the script, and return the parser that reads its command line."""
    reading.run()
    parser, strict = _chosen(reading)
    if parser is None:
        lost = reading.lost or [Unknown(0, "options", "no parser is made in this file", hides_options=True)]
        return ParserModel(unknowns=tuple(lost))
    model = to_model(parser, strict=strict)
    unknowns = dict.fromkeys([*model.unknowns, *reading.lost, *_unreached(reading)])
    return msgspec.structs.replace(model, unknowns=tuple(sorted(unknowns, key=lambda unknown: unknown.where)))


def _chosen(reading: Reading) -> tuple[Parser | None, bool]:
    """Return the parser that the script parses with, and whether it refuses what it does not know."""
    certain = [p for p in reading.parsed if not p.doubtful] or reading.parsed
    whole = [p for p in certain if p.strict] or certain
    candidates = list(dict.fromkeys(p.parser for p in whole if not p.parser.below)) or [
        p.parser for p in whole
    ]
    if not candidates:
        candidates = [p for p in reading.parsers if not p.below]
        candidates.sort(key=lambda p: -len(p.actions))
        return (candidates[0] if candidates else None), True
    for other in candidates[1:]:
        reason = f"another parser is used as well; this is the one of line {candidates[0].line}"
        reading.lost.append(Unknown(other.line, "options", reason, hides_options=True))
    chosen = candidates[0]
    return chosen, any(p.strict for p in whole if p.parser is chosen)


def _unreached(reading: Reading) -> list[Unknown]:
    """Return an unknown for each `add_argument` in a function that takes a parser and was never called."""
    unknowns = []
    for function in ast.walk(reading.tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or id(function) in reading.called:
            continue
        if any(
            isinstance(n, ast.Name | ast.Attribute) and _last(n) == "ArgumentParser" for n in _body(function)
        ):
            continue
        for node in _body(function):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "add_argument"
            ):
                flags = [
                    a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                ]
                what = ", ".join(flags) or "an option"
                reason = f"is added in {function.name}(), and nothing in this file was seen to call it"
                unknowns.append(Unknown(node.lineno, what, reason, hides_options=True))
    return unknowns


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.AST]:
    return [node for statement in function.body for node in ast.walk(statement)]


def library_of(tree: ast.Module) -> Library:
    """Return what the script reads its command line with, by its imports."""
    imported: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0]: node.lineno for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported[node.module.split(".")[0]] = node.lineno
    libraries: tuple[Library, ...] = (
        "argparse",
        "typer",
        "click",
        "fire",
        "docopt",
        "absl",
        "optparse",
        "getopt",
    )
    for library in libraries:
        if library in imported:
            return library
    if any(name in imported for name in ("configargparse", "tap", "jsonargparse", "simple_parsing")):
        return "argparse"
    argv = any(isinstance(n, ast.Attribute) and n.attr == "argv" for n in ast.walk(tree))
    return "sys.argv" if argv else "none"


def _why_not(library: Library) -> tuple[Unknown, ...]:
    if library == "none":
        return ()
    if library == "sys.argv":
        return (Unknown(0, "options", "the script reads sys.argv itself", hides_options=True),)
    run = "; with --run they are" if library in {"click", "typer"} else ""
    reason = f"the script's options are declared with {library}, which is not read from the source{run}"
    return (Unknown(0, "options", reason, hides_options=True),)


def _variables(tree: ast.Module) -> list[str]:
    """Return the names of variables that the text reads anywhere, those outside the parser as well."""
    names = []
    for node in ast.walk(tree):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
            key = node.slice
        elif (
            isinstance(node, ast.Call)
            and node.args
            and ast.unparse(node.func).endswith(("environ.get", "getenv"))
        ):
            key = node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            names.append(key.value)
    return names


_DATABASE_LIBRARIES = {
    "sqlalchemy", "sqlmodel", "psycopg", "psycopg2", "asyncpg", "django", "peewee", "pymysql", "MySQLdb",
    "databases", "tortoise", "pony", "aiosqlite", "aiopg", "alembic", "records", "dataset",
}  # fmt: skip
_DATABASE_WORDS = {"db", "database", "models", "session", "engine", "orm"}


def _database(tree: ast.Module) -> str:
    """Return why the script is taken to work on the database: a variable, a library, or a module's name."""
    if "DATABASE_URL" in _variables(tree):
        return "it reads DATABASE_URL"
    for node in ast.walk(tree):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(f"{node.module or ''}.{alias.name}" for alias in node.names)]
        for module in modules:
            if (
                module.split(".")[0] in _DATABASE_LIBRARIES
                or set(module.lower().split(".")) & _DATABASE_WORDS
            ):
                return f"it imports {module}"
    return ""
