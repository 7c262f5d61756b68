"""`backfill targets`: other places that runs can be started at."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from corpus_backfill_plugin import config
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.commands.shared import json_option
from corpus_backfill_plugin.targets.channel import Place, ask
from corpus_backfill_plugin.terminal.table import write_rows

COLUMNS = ("name", "via", "server", "state", "default")
CHECKED = ("name", "state", "took", "python", "uv", "user", "server", "commit", "folder", "free", "problem")
_AT_ONCE = 8
_CLOCK_SECONDS = 60.0


@click.command()
@json_option
@click.option("--check", is_flag=True, help="Connect to each, and say what is there.")
@click.pass_context
def targets(ctx: click.Context, *, as_json: bool, check: bool) -> None:
    """List the targets of config.toml; with --check connect to each, and say what is there."""
    known, default = config.targets()
    places = [Place(name, target) for name, target in sorted(known.items())]
    if not check:
        write_rows([_row(place, default) for place in places], COLUMNS, as_json=as_json)
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows = list(pool.map(_checked, places))
    write_rows(rows if as_json else [_cells(row) for row in rows], CHECKED, as_json=as_json)
    ctx.exit(any(row["state"] != "ok" for row in rows))


def _row(place: Place, default: str) -> dict[str, str]:
    target = place.target
    shown = {"name": place.name, "via": ", ".join(target.via), "server": target.server_path or "-"}
    return shown | {"state": target.state or "-", "default": "yes" if place.name == default else ""}


def _checked(place: Place) -> dict[str, Any]:
    """Return what is at a target, or why that is not known."""
    row: dict[str, Any] = dict.fromkeys(CHECKED, "") | {"name": place.name}
    began = time.monotonic()
    try:
        found = ask(place, "about")
    except AgentError as error:
        return row | {"state": "failed", "took": time.monotonic() - began, "problem": error.problem}
    problems = list(found.pop("problems"))
    off = found.pop("clock") - time.time()
    if abs(off) > _CLOCK_SECONDS:
        problems.append(f"its clock is {off:+.0f} s off")
    folder = found.pop("state")
    took = time.monotonic() - began
    state = "failed" if problems else "ok"
    return row | found | {"state": state, "folder": folder, "took": took, "problem": "; ".join(problems)}


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    free = f"{row['free'] / 1e9:.1f} GB" if row["free"] != "" else ""
    shown = row | {"took": f"{row['took']:.2f}s", "commit": str(row["commit"])[:9], "free": free}
    return shown | {"uv": "yes" if row["uv"] else "no"}
