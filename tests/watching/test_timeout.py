"""A run that takes too long is stopped, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from watching.places import Place, Program


@pytest.mark.parametrize("how", ["option", "spec", "both"])
def test_a_run_that_takes_too_long_is_stopped_and_says_why(
    proved: Place, backfill: Program, shown: Callable[..., dict[str, Any]], how: str
) -> None:
    if how != "option":
        spec = proved.server.scripts / "work.toml"
        spec.write_text(
            spec.read_text().replace("common", f"timeout = '{'1h' if how == 'both' else '500ms'}'\ncommon")
        )
    words = () if how == "spec" else ("--timeout", "500ms")
    ended = backfill("work", "--pause", "1", *words)
    told = shown()
    assert ended.code == 128 + 2
    assert (told["state"], told["reason"]) == ("stopped", "it took longer than 0.5 s")
    assert told["stopped_by"] == "timeout"
    assert "after a stop was asked for (it took longer than 0.5 s)" in ended.stderr
    assert (told["proof"], proved.counts) == (None, 0)
