"""Rows of the corpus as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_client_cli.corpus import Row


def table(rows: list[Row]) -> Iterator[str]:
    """Yield a heading and one line a row, in columns; a value that is not there yet is a dash."""
    if not rows:
        yield "no records"
        return
    lines = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def details(row: Row, versions: list[Row]) -> Iterator[str]:
    """Yield one line a column, then one line a version."""
    width = max(map(len, row))
    for name, value in row.items():
        yield f"{name.ljust(width)}  {_text(value, shorten=False)}"
    for version in versions:
        yield f"version {version['version']}  {version['created_at']}"


def counts(stats: Row) -> Iterator[str]:
    """Yield how many records have each thing, and how many do not yet."""
    yield f"{'records':10}{stats['records']:>8}"
    yield f"{'':10}{'with':>8}{'without':>10}"
    for name in ("duration", "hash", "snr", "version"):
        yield f"{name:10}{stats[name]:>8}{stats['records'] - stats[name]:>10}"


def _text(value: object, *, shorten: bool = True) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    text = "".join(char if char.isprintable() else " " for char in str(value))
    return f"{text[:31]}…" if shorten and len(text) > 32 else text  # noqa: PLR2004  a column's width
