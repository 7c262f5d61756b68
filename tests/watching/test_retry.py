"""Only what failed, run again, as often as it takes."""

import io
import stat

import pytest

from watching.conftest import SPEC, Place


def test_a_chain_of_retries_ends_with_nothing_left(proved: Place) -> None:
    first = proved("work", "--bad", "a2,a3,a5")
    assert first.code == 1
    proved.heal("a2")
    second = proved("runs", "retry")
    assert [line for line in second.stdout.splitlines() if line.startswith("item")] == [
        "item a2", "item a3", "item a5",
    ]  # fmt: skip
    assert "work (run 2) is incomplete: 2 left (pending = 2, expected 0)" in second.stderr.splitlines()
    proved.heal("a3", "a5")
    third = proved("runs", "retry")
    assert third.code == 0
    assert third.stdout.splitlines()[:2] == ["item a3", "item a5"]
    assert third.stderr.splitlines()[-1] == "work (run 3): 0 left (pending = 0)"
    assert [(proved.shown(n)["parent"], proved.shown(n)["retries"]) for n in "123"] == [
        (None, [2]),
        (1, [3]),
        (2, []),
    ]
    assert "parent\t1\n" in proved("runs", "show", "2").stdout
    assert "retries\t3\n" in proved("runs", "show", "2").stdout


def test_the_file_of_items_is_private_and_lives_as_long_as_the_record(place: Place) -> None:
    place("work", "--bad", "a2,a3", "--limit", "4")
    place("runs", "retry")
    told = place.shown()
    file = place.state.run_folder(2) / "items"
    assert told["options"] == {"bad": "a2,a3", "ids-file": str(file)}  # without the limit
    assert told["arguments"][-2:] == ["--ids-file", str(file)]
    assert file.read_text() == "a2\na3\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    place("runs", "prune", "--older-than", "0s")
    assert not file.exists()


def test_a_retry_can_be_repeated(place: Place) -> None:
    place("work", "--bad", "a2,a3")
    place("runs", "retry")
    assert place("runs", "rerun", "2").stdout.splitlines()[:2] == ["item a2", "item a3"]
    assert place.shown()["options"]["ids-file"] == str(place.state.run_folder(3) / "items")
    assert place.shown()["parent"] == 2
    (place.state.run_folder(2) / "items").unlink()
    place("runs", "rerun", "2").refused("`backfill runs retry 1`")


def test_a_run_that_was_not_to_be_verified_is_repeated_unverified(proved: Place) -> None:
    """Before, a rerun of a run with --no-verify counted what is left, whether or not that one had failed."""
    proved.file.unlink()
    proved("work", "--no-verify", "--bad", "a2")
    assert proved.record(1).state == "failed"
    proved.fill(3)
    proved("runs", "rerun", "1")
    assert proved("runs", "retry", "2").code == 0
    for number in (2, 3):
        assert (proved.record(number).proof, proved.record(number).proof_reason) == ("skipped", "--no-verify")
    assert proved.counts == 0
    proved("work")
    assert proved("runs", "rerun").code == 0
    assert (proved.record(5).proof, proved.counts) == ("held", 2)


def test_a_retry_of_a_dry_run_is_one(place: Place) -> None:
    place("work", "--bad", "a2", "--dry-run")
    place.heal("a2")
    place("runs", "retry")
    assert place.shown()["dry_run"] is True
    assert "a2" in place.file.read_text()


def test_items_are_given_as_values_where_the_option_takes_several(place: Place) -> None:
    place.edit('name = "ids-file"\ntype = "path"', 'name = "item"\nmultiple = "repeat"\nmax-length = 4')
    named = "import sys; print(sys.argv[1:])\nfor n in (1, 2): print(f'FAILED n{n}: no')"
    place.server.script("work.py", named)
    place("work")
    assert place("runs", "retry").stdout.splitlines()[0] == "['--item', 'n1', '--item', 'n2']"
    assert place.shown()["options"] == {"item": ["n1", "n2"]}
    place.server.script("work.py", "print('FAILED much-too-long: no')")
    place("work")
    place("runs", "retry").refused("run 3 can't be repeated: item: ")


def test_what_cannot_be_retried_is_told(place: Place) -> None:
    place("work", "--limit", "1")
    place("runs", "retry").refused("nothing failed in run 1, as far as its output says")
    place("work", "--bad", "a2", "--pause", "5", "--detach")
    place("runs", "retry").refused("run 2 still runs")
    place("runs", "stop", "--after", "0")
    place.server.script("work.py", "print('updated=0 failed=3')")
    place("work")
    place("runs", "retry").refused("3 items failed in run 3, but it is not known which")
    place.server.script("work.py", "print('FAILED a2: no')")
    place.edit('role = "retry-items"', "")
    place("work")
    place("runs", "retry").refused("work can't be told to work on some items alone", 'role = "retry-items"')


def test_a_script_that_would_ignore_the_items_is_not_retried(place: Place) -> None:
    place("work", "--bad", "a2")
    place.edit('parser.add_argument("--ids-file")', "parser.set_defaults(ids_file=None)", "work.py")
    place.edit("parser.parse_args()", "parser.parse_known_args()[0]", "work.py")
    place.fill(6)
    place("runs", "retry").refused(
        "work can't be told to work on some items alone: the script has no --ids-file"
    )
    assert len(place.file.read_text().split()) == 6, "it did not work on everything"
    checked = place("specs", "check", "work").stdout
    assert "option.ids-file: the spec sends --ids-file, the script does not have it; remove it" in checked


def test_another_database_is_not_retried_on_by_mistake(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/one")
    place("work", "--bad", "a2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/two")
    place("runs", "retry").refused("run 1 worked on postgresql://db/one, now it would be postgresql://db/two")
    assert place("runs", "retry", "--anyway").stdout.splitlines()[0] == "item a2"


@pytest.mark.parametrize("again", ["rerun", "retry"])
def test_a_destructive_run_is_repeated_only_after_a_yes(
    place: Place, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    """Before, both ran what the command itself asks about."""
    place.server.spec("work", 'effect = "destructive"\n' + SPEC)
    place("work", "--yes", "--bad", "a2")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    place("runs", again, "1").refused("work changes data for good in", "not run: nobody answered")
    assert place.shown()["number"] == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    place("runs", again, "1")
    place("runs", again, "1", "--yes")
    assert (place.shown()["number"], place.shown()["parent"]) == (3, 1)


@pytest.mark.parametrize("command", ["work", "retry"])
def test_what_changed_while_it_waited_is_not_run(place: Place, command: str) -> None:
    """Before, the changed script ran, recorded with the hash of the one before it."""
    words = ("work",) if command == "work" else ("runs", "retry", "1")
    place("work", "--bad", "a2,a3")
    holder = place.start("work", "--pause", "30")
    place.process(2)
    waiting = place.start(*words, "--wait")
    assert waiting.stderr is not None
    assert b"; waiting (Ctrl-C to give up)" in waiting.stderr.readline()
    place.heal("a2")
    assert place("runs", "stop", "2", "--after", "0").code == 0
    holder.wait(60)
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, out) == (1, b"")
    assert b"Error: not run: while it waited, the script changed" in err
    assert not place.found(3), "nothing was recorded, and the lock is free"
    assert place("work").code == 0


def test_an_item_that_holds_a_secret_is_not_retried_by_its_mask(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret-a2@db/one")
    place.server.script(
        "work.py",
        "import sys; print(sys.argv[1:])\nfor item in ('x-secret-a2', 'b'): print(f'FAILED {item}: no')",
    )
    place("work")
    assert place.failed() == ["x-***", "b"]
    masked = "1 of the items that failed in run 1 held a secret, which was not kept: x-***"
    place("runs", "retry").refused(masked, "--anyway retries the other 1.")
    place("runs", "retry", "--anyway")
    assert (place.files(2).path / "items").read_text() == "b\n"
