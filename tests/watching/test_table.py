"""The table of runs on real terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Program

    from watching.places import Place, Terminal


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_a_table_fits_the_terminal_and_states_keep_their_line(
    place: Place, backfill: Program, terminal: Callable[..., Terminal], columns: int
) -> None:
    backfill("work")
    place.until_ended()
    seen = terminal("runs", columns=columns, COLUMNS="", NO_COLOR="1")
    assert seen.read_to_end() == 0
    lines = [line.rstrip() for line in seen.screen.display if line.strip()]
    assert any(line.split()[:2] == ["1", "succeeded"] for line in lines), lines
    assert max(map(len, lines)) <= columns
    assert "\x1b[3" not in seen.raw


def test_states_have_colours_on_a_terminal_alone(
    place: Place, backfill: Program, terminal: Callable[..., Terminal]
) -> None:
    backfill("work")
    place.until_ended()
    seen = terminal("runs", columns=120, TERM="xterm-256color")
    assert seen.read_to_end() == 0
    assert "\x1b[32msucceeded" in seen.raw
    assert "\x1b" not in backfill("runs").stdout
