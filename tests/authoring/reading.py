"""How much of the example scripts is read right, from their text and by running them.

`python tests/authoring/reading.py` prints the shares that the documentation states.
"""

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.parsers.model import ParsedOption, ParserModel
from corpus_backfill_plugin.parsers.running import read_by_running
from corpus_backfill_plugin.parsers.source import read_file

HERE = Path(__file__).parent
SCRIPTS = HERE / "scripts"
FRAMEWORKS = HERE / "frameworks"
TRUTH: dict[str, list[str]] = tomllib.loads((HERE / "truth.toml").read_text())


def static(name: str) -> ParserModel:
    """Return what the text of a script in `scripts` tells."""
    path = SCRIPTS / f"{name}.py"
    return read_file(path, SCRIPTS)


def ran(name: str) -> ParserModel:
    """Return what a run of a script in `scripts` tells."""
    return read_by_running(SCRIPTS / f"{name}.py", SCRIPTS, (sys.executable,))


def shape(option: ParsedOption) -> str:
    """Return an option as a line of truth.toml; what is unsure about it follows question marks."""
    parts = ["/".join(option.flags) or option.dest, option.kind]
    if option.takes_value:
        parts.append(f"({option.type_name})" if option.type == "other" else option.type)
    if option.choices:
        parts.append("{" + ",".join(map(str, option.choices)) + "}" + ("~" if option.ignore_case else ""))
    parts += [f"nargs={option.nargs}"] if option.nargs else []
    parts += [f"={option.default!r}"] if option.default is not None else []
    parts += [f"[{option.default_note}]"] if option.default_note else []
    parts += ["required"] if option.required else []
    parts += ["hidden"] if option.hidden else []
    parts += [option.negative] if option.negative else []
    parts += ["??", *sorted(option.unsure)] if option.unsure else []
    return " ".join(parts)


def lines(model: ParserModel, prefix: str = "") -> Iterator[str]:
    """Yield all that a model tells as lines of truth.toml."""
    for option in (*model.options, *model.positionals):
        yield prefix + shape(option)
    for group in model.groups:
        yield f"{prefix}group {group.members} {group.required}"
    for sub in model.subcommands:
        yield from lines(sub.parser, f"{prefix}{sub.name} ")


def reading_shares() -> dict[str, dict[str, float]]:
    """Return for each way of reading the lines of truth: how many, read right, said to be unknown, wrong."""
    return {"static": _share("static"), "run": _share("run")}


def _share(way: str) -> dict[str, float]:
    right = unsure = wrong = 0
    for name, expected in TRUTH.items():
        try:
            told = list(lines(static(name) if way == "static" else ran(name)))
        except BackfillError:
            told = []  # one of the scripts is started by an entry point only, and never parses in a run
        right += sum(line in told for line in expected)
        unsure += sum("??" in line for line in told)
        wrong += sum(line not in expected and "??" not in line for line in told)
    lines_in_all = sum(map(len, TRUTH.values()))
    return {
        "scripts": len(TRUTH),
        "lines": lines_in_all,
        "right": right,
        "share": round(right / lines_in_all, 4),
        "said_unsure": unsure,
        "wrong": wrong,
    }


if __name__ == "__main__":
    print(json.dumps(reading_shares(), indent=2))  # noqa: T201 - this is what it is called for
