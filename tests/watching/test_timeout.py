"""A run that takes too long is stopped, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Program

    from watching.places import Place


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


@pytest.mark.parametrize(("time", "why"), [("110000d", "is too long"), ("0s", "is no time at all")])
@pytest.mark.usefixtures("place")
def test_a_limit_that_no_timer_holds_is_refused(backfill: Program, time: str, why: str) -> None:
    """Before, the supervisor died of the one, so that the run was `lost`; the other was no limit."""
    ended = backfill("work", "--timeout", time)
    assert (ended.code, why in ended.stderr, ended.stdout) == (2, True, "")


@pytest.mark.parametrize("again", ["rerun", "retry"])
@pytest.mark.usefixtures("place")
def test_a_repeated_run_keeps_its_limit(
    backfill: Program, shown: Callable[..., dict[str, Any]], again: str
) -> None:
    """Before, the limit of the command line was forgotten."""
    backfill("work", "--bad", "a1", "--timeout", "2h")
    backfill("runs", again, "1")
    assert (shown()["parent"], shown()["timeout"]) == (1, 7200)
