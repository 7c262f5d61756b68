"""A backfill with typer."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Mode(str, Enum):
    """How."""

    FAST = "fast"
    SLOW = "slow"


def main(
    source: Path,
    mode: Annotated[Mode, typer.Option(help="how")] = Mode.FAST,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1)] = 2,
    overwrite: Annotated[bool, typer.Option("--overwrite/--keep")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
    limit: int | None = None,
) -> None:
    """Tag pictures."""


if __name__ == "__main__":
    typer.run(main)
