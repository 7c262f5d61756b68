"""Only what failed, run again, as often as it takes."""

from __future__ import annotations

import io
import stat
from typing import TYPE_CHECKING, Any

import pytest

from watching.places import SPEC, WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Program

    from watching.places import Place

Shown = "Callable[..., dict[str, Any]]"


def hint(place: Place, *good: str) -> None:
    """Change the script so that these items are not bad any more."""
    script = place.server.scripts / "work.py"
    script.write_text(
        script.read_text().replace("item in options", f"item not in {good} and item in options")
    )


def test_a_chain_of_retries_ends_with_nothing_left(
    proved: Place, backfill: Program, shown: Callable[..., dict[str, Any]]
) -> None:
    first = backfill("work", "--bad", "a2,a3,a5")
    assert first.code == 1
    hint(proved, "a2")
    second = backfill("runs", "retry")
    assert [line for line in second.stdout.splitlines() if line.startswith("item")] == [
        "item a2", "item a3", "item a5",
    ]  # fmt: skip
    assert "work (run 2) is incomplete: 2 left (pending = 2, expected 0)" in second.stderr.splitlines()
    hint(proved, "a3", "a5")
    third = backfill("runs", "retry")
    assert third.code == 0
    assert third.stdout.splitlines()[:2] == ["item a3", "item a5"]
    assert third.stderr.splitlines()[-1] == "work (run 3): 0 left (pending = 0)"
    assert [(shown(n)["parent"], shown(n)["retries"]) for n in "123"] == [(None, [2]), (1, [3]), (2, [])]
    assert "parent\t1\n" in backfill("runs", "show", "2").stdout
    assert "retries\t3\n" in backfill("runs", "show", "2").stdout


def test_the_file_of_items_is_private_and_lives_as_long_as_the_record(
    place: Place, backfill: Program, shown: Callable[..., dict[str, Any]]
) -> None:
    backfill("work", "--bad", "a2,a3", "--limit", "4")
    backfill("runs", "retry")
    told = shown()
    file = place.state.run_folder(2) / "items"
    assert told["options"] == {"bad": "a2,a3", "ids-file": str(file)}  # without the limit
    assert told["arguments"][-2:] == ["--ids-file", str(file)]
    assert file.read_text() == "a2\na3\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    backfill("runs", "prune", "--older-than", "0s")
    assert not file.exists()


def test_a_retry_can_be_repeated(
    place: Place, backfill: Program, shown: Callable[..., dict[str, Any]]
) -> None:
    backfill("work", "--bad", "a2,a3")
    backfill("runs", "retry")
    assert backfill("runs", "rerun", "2").stdout.splitlines()[:2] == ["item a2", "item a3"]
    assert shown()["options"]["ids-file"] == str(place.state.run_folder(3) / "items")
    assert shown()["parent"] == 2
    (place.state.run_folder(2) / "items").unlink()
    gone = backfill("runs", "rerun", "2")
    assert (gone.code, "`backfill runs retry 1`" in gone.stderr) == (1, True)


def test_a_run_that_was_not_to_be_verified_is_repeated_unverified(proved: Place, backfill: Program) -> None:
    """Before, a rerun of a run with --no-verify counted what is left, whether or not that one had failed."""
    proved.file.unlink()
    backfill("work", "--no-verify", "--bad", "a2")
    assert proved.record(1).state == "failed"
    proved.fill(3)
    backfill("runs", "rerun", "1")
    assert backfill("runs", "retry", "2").code == 0
    for number in (2, 3):
        assert (proved.record(number).proof, proved.record(number).proof_reason) == ("skipped", "--no-verify")
    assert proved.counts == 0
    backfill("work")
    assert backfill("runs", "rerun").code == 0
    assert (proved.record(5).proof, proved.counts) == ("held", 2)


def test_a_retry_of_a_dry_run_is_one(
    place: Place, backfill: Program, shown: Callable[..., dict[str, Any]]
) -> None:
    backfill("work", "--bad", "a2", "--dry-run")
    hint(place, "a2")
    backfill("runs", "retry")
    assert shown()["dry_run"] is True
    assert "a2" in place.file.read_text()


def test_items_are_given_as_values_where_the_option_takes_several(
    place: Place, backfill: Program, shown: Callable[..., dict[str, Any]]
) -> None:
    spec = place.server.scripts / "work.toml"
    spec.write_text(
        spec.read_text().replace(
            'name = "ids-file"\ntype = "path"', 'name = "item"\nmultiple = "repeat"\nmax-length = 4'
        )
    )
    place.server.script(
        "work.py", "import sys; print(sys.argv[1:])\nfor n in (1, 2): print(f'FAILED n{n}: no')"
    )
    backfill("work")
    assert backfill("runs", "retry").stdout.splitlines()[0] == "['--item', 'n1', '--item', 'n2']"
    assert shown()["options"] == {"item": ["n1", "n2"]}
    place.server.script("work.py", "print('FAILED much-too-long: no')")
    backfill("work")
    refused = backfill("runs", "retry")
    assert (refused.code, "run 3 can't be repeated: item: " in refused.stderr) == (
        1,
        True,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing failed in run 1, as far as its output says"),
        (("--bad", "a1", "--pause", "5", "--detach"), "run 1 still runs"),
    ],
    ids=["nothing failed", "running"],
)
def test_what_cannot_be_retried_is_told(backfill: Program, words: tuple[str, ...], said: str) -> None:
    backfill("work", *words)
    refused = backfill("runs", "retry")
    assert (refused.code, said in refused.stderr) == (1, True)


def test_a_spec_without_the_option_is_told(place: Place, backfill: Program) -> None:
    backfill("work", "--bad", "a2")
    spec = place.server.scripts / "work.toml"
    spec.write_text(spec.read_text().replace('role = "retry-items"', ""))
    refused = backfill("runs", "retry")
    assert refused.code == 1
    assert "work can't be told to work on some items alone" in refused.stderr
    assert 'role = "retry-items"' in refused.stderr


def test_failures_that_were_counted_and_not_named_are_told(place: Place, backfill: Program) -> None:
    place.server.script("work.py", "print('updated=0 failed=3')")
    backfill("work")
    refused = backfill("runs", "retry")
    assert (refused.code, "3 items failed in run 1, but it is not known which" in refused.stderr) == (1, True)


def test_a_script_that_would_ignore_the_items_is_not_retried(place: Place, backfill: Program) -> None:
    backfill("work", "--bad", "a2")
    place.server.script(
        "work.py",
        WORK.replace('parser.add_argument("--ids-file")', "parser.set_defaults(ids_file=None)").replace(
            "parser.parse_args()", "parser.parse_known_args()[0]"
        ),
    )
    place.fill(6)
    refused = backfill("runs", "retry")
    assert refused.code == 1
    assert "work can't be told to work on some items alone: the script has no --ids-file" in refused.stderr
    assert len(place.file.read_text().split()) == 6, "it did not work on everything"
    checked = backfill("specs", "check", "work").stdout
    assert "option.ids-file: the spec sends --ids-file, the script does not have it; remove it" in checked


def test_another_database_is_not_retried_on_by_mistake(
    backfill: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/one")
    backfill("work", "--bad", "a2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/two")
    refused = backfill("runs", "retry")
    assert refused.code == 1
    assert "run 1 worked on postgresql://db/one, now it would be postgresql://db/two" in refused.stderr
    assert backfill("runs", "retry", "--anyway").stdout.splitlines()[0] == "item a2"


@pytest.mark.parametrize("again", ["rerun", "retry"])
def test_a_destructive_run_is_repeated_only_after_a_yes(
    place: Place,
    backfill: Program,
    shown: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    again: str,
) -> None:
    """Before, both ran what the command itself asks about."""
    place.server.spec("work", 'effect = "destructive"\n' + SPEC)
    backfill("work", "--yes", "--bad", "a2")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    refused = backfill("runs", again, "1")
    assert refused.code == 1
    assert "work changes data for good in" in refused.stderr
    assert "not run: nobody answered" in refused.stderr
    assert shown()["number"] == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    backfill("runs", again, "1")
    backfill("runs", again, "1", "--yes")
    assert (shown()["number"], shown()["parent"]) == (3, 1)


@pytest.mark.parametrize("command", ["work", "retry"])
def test_what_changed_while_it_waited_is_not_run(
    place: Place, backfill: Program, start: Callable[..., Any], until: Callable[..., None], command: str
) -> None:
    """Before, the changed script ran, recorded with the hash of the one before it."""
    words = ("work",) if command == "work" else ("runs", "retry", "1")
    backfill("work", "--bad", "a2,a3")
    holder = start("work", "--pause", "30")
    until(lambda: place.begun(2) and place.folder(2).process())
    waiting = start(*words, "--wait")
    assert b"; waiting (Ctrl-C to give up)" in waiting.stderr.readline()
    hint(place, "a2")
    assert backfill("runs", "stop", "2", "--after", "0").code == 0
    holder.wait(60)
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, out) == (1, b"")
    assert b"Error: not run: while it waited, the script changed" in err
    assert not place.begun(3), "nothing was recorded, and the lock is free"
    assert backfill("work").code == 0


def test_an_item_that_holds_a_secret_is_not_retried_by_its_mask(
    place: Place, backfill: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret-a2@db/one")
    place.server.script(
        "work.py",
        "import sys; print(sys.argv[1:])\nfor item in ('x-secret-a2', 'b'): print(f'FAILED {item}: no')",
    )
    backfill("work")
    assert place.failed() == ["x-***", "b"]
    refused = backfill("runs", "retry")
    assert refused.code == 1
    assert "1 of the items that failed in run 1 held a secret, which was not kept: x-***" in refused.stderr
    assert "--anyway retries the other 1." in refused.stderr
    backfill("runs", "retry", "--anyway")
    assert (place.folder(2).path / "items").read_text() == "b\n"
