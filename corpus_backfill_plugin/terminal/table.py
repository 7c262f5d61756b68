"""Rows for people and programs: drawn on a terminal, tab-separated in a pipe, JSON on request."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from corpus_backfill_plugin.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_STATES = {
    **dict.fromkeys(("succeeded", "ok", "done"), "green"),
    **dict.fromkeys(("failed", "lost", "broken", "unknown"), "red"),
    **dict.fromkeys(("incomplete", "unverified", "stopped", "pending"), "yellow"),
    "running": "cyan",
}  # colours of states, whatever they are of


def write_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool = False) -> None:
    """Write `rows` to stdout: as JSON with all their keys, or `columns` alone as a table."""
    if as_json:
        write_json(list(rows))
        return
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    if sys.stdout.isatty():
        _draw(columns, cells)
    else:
        click.echo("".join("\t".join(line) + "\n" for line in cells), nl=False)


def write_facts(facts: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Write one object to stdout: as JSON, or a line a fact."""
    if as_json:
        write_json(facts)
        return
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        shown = _cell(value)
        click.echo(f"{name:<{width}}  {shown}" if sys.stdout.isatty() else f"{name}\t{shown}")


def write_json(value: object) -> None:
    """Write a JSON-able value to stdout, indented, non-ASCII letters as they are."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    if printable(text) != text:  # JSON escapes less than a terminal obeys
        text = "".join(c if printable(c) == c else f"\\u{ord(c):04x}" for c in text)
    click.echo(text)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_cell, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return one_line(str(value))


def _draw(columns: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # What a row is found by stays on one line; the others fold when the terminal is narrow.
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column in (columns[0], "state"))
    for row in cells:
        # Text, not str: brackets in a path or a reason are no markup.
        styles = [
            _STATES.get(cell, "") if name == "state" else "" for name, cell in zip(columns, row, strict=True)
        ]
        table.add_row(*map(Text, row, styles))
    Console().print(table)
