"""Imports go one way through the rooms of the house, none in a circle; the documentation keeps its word."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import corpus_backfill_plugin

NAME = "corpus_backfill_plugin"
PACKAGE = Path(corpus_backfill_plugin.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}

ORDER = (
    "agent", "text", "about", "errors", "specs", "config", "invocation", "workspace",
    "parsers", "authoring", "prepare", "params", "terminal", "runs", "targets", "plans", "command", "bridge",
    "cli", "commands", "__main__",
)  # fmt: skip
"""Each room, folder or module, imports only rooms before it."""


@cache
def imports(module: str) -> dict[str, bool]:
    """Return what `module` imports: our modules by name within the package, others whole.

    The value says whether it is imported when the program runs, not for type checkers alone.
    """
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    tests = (n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    unreal = {id(node) for test in tests for node in ast.walk(test)}
    found: dict[str, bool] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}".removeprefix(f"{NAME}.") for alias in node.names]
            names = [name if name in MODULES else node.module.removeprefix(f"{NAME}.") for name in inside]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            found[name] = found.get(name, False) or id(node) not in unreal
    return found


def between_rooms() -> Iterator[tuple[str, str, str]]:
    """Yield each import of ours as room, room, and the two modules in words."""
    for module in MODULES:
        for name in imports(module):
            here, there = module.partition(".")[0], name.partition(".")[0]
            if name in MODULES and here != there:
                yield here, there, f"{module} imports {name}"


def test_every_room_has_its_place_in_the_order() -> None:
    assert {module.partition(".")[0] for module in MODULES} - {"__init__", ""} == set(ORDER)


def test_a_room_imports_only_rooms_before_it() -> None:
    back = {words for here, there, words in between_rooms() if ORDER.index(there) >= ORDER.index(here)}
    assert back == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {
        module: {name for name, real in imports(module).items() if real and name in MODULES}
        for module in MODULES
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_agent_imports_only_itself_and_the_standard_library() -> None:
    foreign = {
        f"{module} imports {name}"
        for module in MODULES
        if module.startswith("agent")
        for name in imports(module)
        if name.partition(".")[0] not in {"agent", *sys.stdlib_module_names}
    }
    assert foreign == set()


def test_every_test_that_the_documentation_names_is_there() -> None:
    """Its promises rest on them: one that is renamed or removed takes a promise with it."""
    tests = {
        path: path.read_text() for path in PACKAGE.parent.rglob("test_*.py") if ".venv" not in path.parts
    }
    known = {path.name for path in tests}
    known.update(
        name for text in tests.values() for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    )
    named: set[str] = set()
    for document in (PACKAGE.parent / "README.md", *(PACKAGE.parent / "docs").glob("*.md")):
        text = document.read_text()
        named.update(re.findall(r"(?<![\w/])test_\w+(?:\.py)?", text))
        for path in re.findall(r"`(tests/[\w/]+\.py)`", text):
            assert (PACKAGE.parent / path).is_file(), f"{document.name}: {path}"
    assert len(named) > 20
    assert named <= known
