"""`status`: how much is left, of all commands side by side."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Program, Server
from tools import wait_until

from proof.conftest import Store

NO_COUNT = 'script = "media_duration.py"\n'
OTHER = 'script = "media_duration.py"\n[[option]]\nname = "project"\nrequired = true\n'


def spec_of(server: Server) -> str:
    """Return the text of the spec, without its first line."""
    return (server.scripts / "duration.toml").read_text(encoding="utf-8").partition("\n")[2]


@pytest.fixture
def several(working: Server) -> Server:
    """Five commands: one that counts, one that can't, one that needs more words, one broken, one hidden."""
    spec = spec_of(working)
    working.spec("file-hash", NO_COUNT)
    working.spec("snr", OTHER + spec[spec.index("[output]") :])
    working.spec("broken", "scrip = 1\n")
    return working


def listed(text: str) -> dict[str, dict[str, Any]]:
    """Return what `--json` wrote, by command."""
    return {each["command"]: each for each in json.loads(text)}


@pytest.mark.usefixtures("several")
def test_all_commands_are_listed_each_with_what_is_known(backfill: Program) -> None:
    ended = backfill("status")
    assert ended.code == 1, "two of them could not be counted"
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in ended.stdout.splitlines()}
    assert list(rows) == ["broken", "duration", "file-hash", "snr"]
    assert rows["duration"] == ["12 pending", "-", "-"]
    assert rows["file-hash"] == ["not countable", "-", "-"]
    assert rows["snr"] == ["-", "-", "Missing option '--project'."]
    assert rows["broken"][0] == "-"
    assert rows["broken"][2].startswith("its spec is broken: ")
    # Commands without a count are no trouble unless named.
    assert backfill("status", "duration").code == 0
    assert backfill("status", "duration", "file-hash").code == 1


@pytest.mark.usefixtures("working")
def test_json_has_counts_state_and_last_run(backfill: Program, store: Store, tmp_path: Path) -> None:
    assert json.loads(backfill("status", "--json").stdout) == [
        {"command": "duration", "counts": {"pending": 12}, "state": "left", "last_run": None, "reason": ""}
    ]
    assert not (tmp_path / "state").exists(), "looking makes no state folder"
    assert backfill("duration", "--dry-run").code == 0
    assert backfill("duration").code == 0
    known = listed(backfill("status", "--json").stdout)["duration"]
    assert (known["state"], known["counts"]) == ("done", {"pending": 0})
    assert (known["last_run"]["number"], known["last_run"]["state"]) == (2, "succeeded")
    assert store.calls[0] == "--media-type both --remaining"


@pytest.mark.usefixtures("working")
def test_the_table_shows_the_last_run_on_this_database(
    backfill: Program, store: Store, tmp_path: Path
) -> None:
    assert backfill("duration", "--limit", "2").code == 0
    left, last, _ = backfill("status").stdout.strip().split("\t")[1:]
    assert left == "10 pending"
    assert last.startswith("1 succeeded, 20")
    other = tmp_path / "other"
    other.write_text("3", encoding="utf-8")
    assert backfill("status", "-d", f"sqlite:///{other}").stdout.split("\t")[1:3] == ["3 pending", "-"]
    assert store.pending == 10


def test_the_last_run_of_what_can_not_be_counted_is_shown_too(several: Server, backfill: Program) -> None:
    several.spec("version-0", NO_COUNT)
    assert backfill("file-hash").code == 0
    assert backfill("snr", "--project", "x").code == 2, "its script's own words"
    assert backfill("version-0", "-d", "sqlite:////elsewhere").code == 1
    rows = [line.split("\t") for line in backfill("status").stdout.splitlines()]
    last = {row[0]: row[2].partition(",")[0] for row in rows}
    assert (last["file-hash"], last["snr"]) == ("1 succeeded", "2 failed")
    assert last["version-0"] == "-", "that was another database"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("hangs", "the count took longer than 0.5s and was ended"),
        ("exits", "the count ended with exit code 1: no such table: records"),
        ("nonsense", "the count printed no number that was asked for: banana"),
    ],
)
@pytest.mark.usefixtures("working")
def test_a_count_that_fails_has_its_reason_in_the_note(
    backfill: Program, monkeypatch: pytest.MonkeyPatch, fault: str, reason: str
) -> None:
    monkeypatch.setenv("FAULT", fault)
    ended = backfill("status", *(("--timeout", "500ms") if fault == "hangs" else ()))
    assert (ended.code, ended.stdout) == (1, f"duration\t-\t-\t{reason}\n")


def test_a_database_is_not_named_to_a_command_that_can_not_be_told(
    working: Server, backfill: Program, store: Store
) -> None:
    spec = spec_of(working).replace('skip-if-given = ["limit"]', "")
    working.spec("duration", f'common = ["dry-run"]\n{spec}')
    ended = backfill("status", "-d", "sqlite:////elsewhere")
    assert ended.code == 1
    assert "it has no --database-url" in ended.stdout
    assert store.calls == []


@pytest.mark.quiet  # four counts of a second each within 3.5 s
def test_counts_run_side_by_side(working: Server, backfill: Program) -> None:
    slow = "import sys, time; time.sleep(1); print('pending=1')"
    working.script("media_duration.py", slow)
    for name in ("file-hash", "snr", "version-0"):
        working.spec(name, spec_of(working))
    began = time.monotonic()
    assert len(listed(backfill("status", "--json").stdout)) == 4
    assert time.monotonic() - began < 3.5


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("durations",), "there is no spec named 'durations'"),
        (("--server-path", "/nowhere/at/all"), "does not exist"),
    ],
    ids=["unknown name", "no server app"],
)
def test_where_there_is_nothing_to_count_it_says_why(
    backfill: Program, words: tuple[str, ...], reason: str
) -> None:
    ended = backfill("status", *words)
    assert (ended.code, reason in ended.stderr) == (1, True)


@pytest.mark.usefixtures("working")
def test_a_ledger_that_can_not_be_read_keeps_nobody_from_the_counts(
    backfill: Program, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/ledger.sqlite3").write_bytes(b"no ledger" * 1000)
    ended = backfill("status")
    assert (ended.code, ended.stdout) == (0, "duration\t12 pending\t-\t-\n")
    assert "damaged" in ended.stderr


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_counts_as_well(
    monkeypatch: pytest.MonkeyPatch, store: Store, number: signal.Signals
) -> None:
    monkeypatch.setenv("FAULT", "hangs")
    began = time.monotonic()
    words = [sys.executable, "-m", "corpus_backfill_plugin", "status"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_until(lambda: bool(store.calls))
        os.kill(process.pid, number)
        assert process.wait(10) == 128 + number
    assert time.monotonic() - began < 20
