"""What several commands of the Manage section have in common."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.state import State, open_state
from corpus_backfill_plugin.cli import ON_KEY, refuse_elsewhere
from corpus_backfill_plugin.command import site_of
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.specs.catalog import BrokenSpec, LoadedSpec
    from corpus_backfill_plugin.targets.channel import Place
    from corpus_backfill_plugin.workspace import Site

number_argument = click.argument("number", metavar="[N]", type=click.IntRange(min=1), required=False)
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


on_option = click.option(
    "--on", metavar="NAME", expose_value=False, help="Work at this target. [env: CORPUS_BACKFILL_TARGET]"
)
"""Its value is read before any command is looked up: see `cli`."""


def place_of(ctx: click.Context) -> Place | None:
    """Return where the command is to work; None is here.

    Raises:
        BackfillError: there is no such target.
    """
    name = ctx.meta.get(ON_KEY)
    if not name:
        return None
    from corpus_backfill_plugin.config import target_named
    from corpus_backfill_plugin.targets.channel import Place

    return Place(name, target_named(name))


@contextmanager
def opened_ledger() -> Iterator[tuple[State, Ledger]]:
    """Open the state folder and its ledger, and first record the end of runs that have ended."""
    refuse_elsewhere(click.get_current_context())
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
    return [
        name for name in site_of(ctx).catalog.names() if name.startswith(incomplete) and name.isprintable()
    ]
