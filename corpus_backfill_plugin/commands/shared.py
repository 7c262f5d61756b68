"""What several commands of the Manage section have in common."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.state import State, open_state
from corpus_backfill_plugin.command import site_of
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.specs.catalog import BrokenSpec, LoadedSpec
    from corpus_backfill_plugin.workspace import Site

number_argument = click.argument("number", metavar="[N]", type=click.IntRange(min=1), required=False)
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


@contextmanager
def opened_ledger() -> Iterator[tuple[State, Ledger]]:
    """Open the state folder and its ledger, and first record the end of runs that have ended."""
    state = open_state()
    with Ledger(state.ledger) as ledger:
        recover(state, ledger)
        yield state, ledger


def spec_named(site: Site, name: str) -> LoadedSpec | BrokenSpec:
    """Return the active spec of a name."""
    spec = site.catalog.load(name)
    if spec is None:
        problem = f"there is no spec named '{one_line(name)}'"
        raise BackfillError(problem, "See 'specs list' for those there are.")
    return spec


def complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the names of specs."""
    del param
    names = site_of(ctx).catalog.names()
    return [name for name in names if name.startswith(incomplete) and name.isprintable()]
