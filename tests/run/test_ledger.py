"""The ledger and the state folder: rows, numbers, versions, and files that are not as they should be."""

import contextlib
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
from run.conftest import Runs

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.facts import facts
from corpus_backfill_plugin.agent.ledger import MIGRATIONS, Ledger
from corpus_backfill_plugin.agent.records import RunRecord
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.state import State, open_state, state_root
from corpus_backfill_plugin.agent.value import replace


def row(**facts: object) -> RunRecord:
    plain = {
        "number": 0, "token": os.urandom(8).hex(), "command": "demo", "user": "ann", "host": "here",
        "boot": "b", "started": 1000.0, "spec_source": "s", "spec_path": "p", "spec_hash": "h",
        "script_path": "p", "script_hash": "h", "options": {"limit": 3, "names": ["a"]}, "given": ("limit",),
        "arguments": ("python", "x.py"), "server": "/srv",
    }  # fmt: skip
    return RunRecord(**(plain | facts))  # type: ignore[arg-type]  # mixed values


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as opened:
        yield opened


@contextlib.contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


def begin(ledger: Ledger, **facts: object) -> int:
    return ledger.begin(row(**facts), lambda _: None)


def test_a_row_comes_back_as_it_was_written(ledger: Ledger) -> None:
    written = row(database="postgresql://u:***@h/d")
    number = ledger.begin(written, lambda _: None)
    assert ledger.get(number) == replace(written, number=number)


def test_a_number_is_never_given_twice_and_a_running_row_not_forgotten(ledger: Ledger) -> None:
    running, ended = begin(ledger), begin(ledger)
    ledger.finish(ended, state="failed")
    ledger.forget([running, ended])
    assert ledger.get(running) is not None
    assert ledger.get(ended) is None
    assert begin(ledger) == ended + 1


def test_a_failed_preparation_takes_the_row_back(ledger: Ledger) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(AgentError, match="No space left"):
        ledger.begin(row(), fail)
    assert ledger.latest() is None


def test_an_end_is_written_once(ledger: Ledger) -> None:
    number = begin(ledger)
    ledger.finish(number, state="failed", exit_code=3)
    ledger.finish(number, state="succeeded", exit_code=0)
    (found,) = ledger.select()
    assert (found.state, found.exit_code) == ("failed", 3)


def test_runs_are_listed_newest_first_and_chosen(ledger: Ledger) -> None:
    """In the order of their numbers: a clock that was set back changes nothing."""
    for command, started in (("a", 3000.0), ("b", 1000.0), ("a", 2000.0)):
        begin(ledger, command=command, started=started)
    assert ledger.latest() == ledger.select()[0]
    ledger.finish(1, state="failed")
    assert [r.number for r in ledger.select()] == [3, 2, 1]
    assert [r.number for r in ledger.select(limit=1)] == [3]
    assert [r.number for r in ledger.select(command="a")] == [3, 1]
    assert [r.number for r in ledger.select(command="a", state="failed")] == [1]


@pytest.mark.parametrize(
    "chosen", [{}, {"state": "failed"}, {"command": "demo"}], ids=["all", "state", "command"]
)
def test_a_list_is_read_through_an_index(path: Path, ledger: Ledger, chosen: dict[str, str]) -> None:
    seen: list[str] = []
    ledger._db.set_trace_callback(seen.append)
    ledger.select(**chosen, limit=20)
    with raw(path) as db:
        steps = [step[3] for step in db.execute(f"EXPLAIN QUERY PLAN {seen[-1]}")]
    assert len(steps) == 1
    assert "USING INDEX" in steps[0] if chosen else steps[0].startswith("SCAN runs")
    assert not any("TEMP B-TREE" in step for step in steps)


def test_the_file_is_closed_to_others(path: Path, ledger: Ledger) -> None:
    begin(ledger)
    assert {p.stat().st_mode & 0o777 for p in path.parent.glob("ledger*")} == {0o600}


def test_a_newer_ledger_is_refused_and_left_as_it_is(path: Path) -> None:
    Ledger(path).__exit__()
    with raw(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = path.read_bytes()
    with pytest.raises(AgentError, match=f"has version {len(MIGRATIONS) + 1}") as refused:
        Ledger(path)
    assert "upgrade" in refused.value.hint
    assert path.read_bytes() == before


def test_a_failed_migration_leaves_the_version_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(path).__exit__()
    broken = ("CREATE TABLE extra (x)", "CREATE TABLE runs (x)")
    monkeypatch.setattr("corpus_backfill_plugin.agent.ledger.MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(AgentError, match="already exists"):
        Ledger(path)
    with raw(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'extra'").fetchone() == (0,)


@pytest.mark.parametrize("content", [b"no database at all" * 100, None], ids=["other file", "torn page"])
def test_a_damaged_ledger_is_named_and_kept(path: Path, content: bytes | None) -> None:
    with Ledger(path) as ledger:
        for _ in range(200):
            begin(ledger)
    whole = path.read_bytes()
    spoilt = content or whole[:4096] + b"\xff" * 4096 + whole[8192:]
    for extra in ("-wal", "-shm"):
        path.with_name(path.name + extra).unlink(missing_ok=True)
    path.write_bytes(spoilt)
    with pytest.raises(AgentError, match="damaged") as raised, Ledger(path) as ledger:
        ledger.select()
    assert str(path) in raised.value.problem
    assert "Move it away" in raised.value.hint
    assert path.read_bytes() == spoilt


def test_a_ledger_locked_for_a_second_is_waited_for(path: Path, ledger: Ledger) -> None:
    with raw(path) as db:
        db.execute("BEGIN IMMEDIATE")
        begun: list[int] = []

        def second() -> None:
            with Ledger(path) as other:
                begun.append(begin(other))

        waits = threading.Thread(target=second)
        waits.start()
        time.sleep(1)
        assert begun == []
        db.execute("COMMIT")
        waits.join(20)
    assert begun == [1]
    assert ledger.latest() is not None


def test_who_waits_for_the_ledger_asks_as_often_as_who_comes_last(
    path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, who waited asked ten times a second, who came last at once: of 90 writers some were refused."""
    with raw(path) as db:
        db.execute("BEGIN IMMEDIATE")
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 400:
                db.execute("COMMIT")

        monkeypatch.setattr("corpus_backfill_plugin.agent.ledger.time.sleep", wait)
        assert begin(ledger) == 1
    assert len(waits) == 400
    assert max(waits) <= 0.005


def test_a_ledger_locked_for_long_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(path).__exit__()
    monkeypatch.setattr("corpus_backfill_plugin.agent.ledger.BUSY_SECONDS", 0.1)
    with raw(path) as db:
        db.execute("BEGIN IMMEDIATE")
        with Ledger(path) as ledger, pytest.raises(AgentError, match="locked by another process"):
            begin(ledger)


def test_numbers_go_on_above_the_folders_of_a_ledger_that_was_moved_away(runs: Runs) -> None:
    script = runs.script("print('kept')")
    runs.run(script)
    runs.run(script)
    for file in runs.state.root.glob("ledger*"):
        file.unlink()
    assert runs.run(script).code == 0
    assert runs.record(3).state == "succeeded"
    assert (runs.state.run_folder(1) / "stdout.log").read_bytes() == b"kept\n"


def in_a_mount(runs: Runs, script: str, *words: str, size: str = "64k") -> subprocess.CompletedProcess[bytes]:
    """Run shell `script` with the state folder on a small file system that only it sees."""
    unshare = shutil.which("unshare")
    assert unshare, "util-linux is needed"
    runs.state.root.mkdir(exist_ok=True, mode=0o700)
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f'set -e; mount -t tmpfs -o mode=700,size={size} none "$CORPUS_BACKFILL_STATE"; {script}'
    return subprocess.run(
        [unshare, "--mount", *own, "sh", "-c", mount, "sh", *words],
        capture_output=True, check=False, timeout=100,
    )  # fmt: skip


def test_a_full_disk_stops_a_run_before_it_starts(runs: Runs) -> None:
    script = runs.script("print('started')")
    fill = 'head -c 1M /dev/zero > "$CORPUS_BACKFILL_STATE/fill" || true; exec "$@"'
    ended = in_a_mount(runs, fill, *runs.words(script), size="128k")
    assert (ended.returncode, ended.stdout) == (1, b""), ended.stderr
    assert (b"--no-record" in ended.stderr, b"Traceback" in ended.stderr) == (True, False)


@pytest.mark.parametrize("secret", ["", "geheim"])
def test_a_disk_that_fills_during_a_run_does_not_lose_its_end(runs: Runs, secret: str) -> None:
    """With a secret in its log there is no room to write that anew: it is unsearched, or searched later."""
    script = runs.script(f"print('on{secret}', flush=True); gate(); raise SystemExit(5)")
    steps = f"""
        "$@" & run=$!
        until grep -q on "$CORPUS_BACKFILL_STATE/runs/1/stdout.log"; do sleep 0.1; done
        head -c 9M /dev/zero > "$CORPUS_BACKFILL_STATE/fill" 2>/dev/null || true
        touch {runs.gate}
        wait $run && code=0 || code=$?
        echo "code $code"
        rm "$CORPUS_BACKFILL_STATE/fill"
        tries=0
        until {sys.executable} -m corpus_backfill_plugin runs --state failed | grep . || [ $tries = 50 ]
        do tries=$((tries + 1)); sleep 0.2; done
    """
    steps += f"{sys.executable} -m corpus_backfill_plugin runs show --json"
    words = ["--secret", secret, script] if secret else [script]
    ended = in_a_mount(runs, steps, *runs.words(*words), size="1M")
    lines = ended.stdout.decode().splitlines()
    assert lines[:2] == ["on***" if secret else "on", "code 5"], ended.stderr
    assert json.loads("".join(lines[3:]))["masked"] in ([None, True] if secret else [False])
    assert b"Traceback" not in ended.stderr
    row = lines[2].split("\t")
    assert [*row[:3], row[5]] == ["1", "failed", "demo", "5"]


def test_a_read_only_state_folder_is_told(runs: Runs) -> None:
    script = runs.script("print('started')")
    steps = 'mount -o remount,ro "$CORPUS_BACKFILL_STATE"; exec "$@"'
    ended = in_a_mount(runs, steps, *runs.words(script))
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert b"Read-only" in ended.stderr or b"Permission denied" in ended.stderr, ended.stderr
    free = in_a_mount(runs, steps, *runs.words("--no-record", script))
    assert (free.returncode, free.stdout) == (0, b"started\n")


def filled(folder: Path, count: int) -> State:
    """Return a state folder with `count` runs that ended."""
    state = State(folder)
    state.runs.mkdir(parents=True)
    with Ledger(state.ledger) as ledger:
        ledger._db.execute("PRAGMA synchronous = OFF")
        for _ in range(count):
            begin(ledger)
        ledger._db.execute(
            "UPDATE runs SET state = CASE number % 3 WHEN 0 THEN 'failed' ELSE 'succeeded' END"
        )
    return state


def seconds_to_list(place: State, **chosen: str) -> float:
    """Return how long the work of `runs` takes, from opening the ledger to the facts: the median of many."""
    times = []
    for _ in range(41):
        begun = time.perf_counter()
        with Ledger(place.ledger) as ledger:
            recover(place, ledger)
            rows = [facts(record) for record in ledger.select(limit=10, **chosen)]
        times.append(time.perf_counter() - begun)
        assert len(rows) == 10
    return statistics.median(times)


@pytest.mark.quiet  # compares times
def test_ten_thousand_runs_are_listed_within_twice_the_time_of_thirty(tmp_path: Path) -> None:
    few, many = filled(tmp_path / "few", 30), filled(tmp_path / "many", 10_000)
    for chosen in ({}, {"state": "failed"}, {"command": "demo"}):
        assert seconds_to_list(many, **chosen) < 2 * seconds_to_list(few, **chosen), chosen


@pytest.mark.parametrize("mode", [None, 0o755], ids=["missing", "too open"])
def test_it_is_where_the_variable_says_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None
) -> None:
    folder = tmp_path / "here"
    if mode:
        folder.mkdir()
        folder.chmod(mode)
    monkeypatch.setenv("CORPUS_BACKFILL_STATE", str(folder))
    assert open_state().root == folder
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("named", ["", "relative", "/srv/state"])
def test_the_users_own_is_where_other_programs_have_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.delenv("CORPUS_BACKFILL_STATE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", named)
    assert state_root() == platformdirs.user_state_path("corpus-backfill")


def test_another_owners_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    open_state()
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.raises(AgentError, match="belongs to"):
        open_state()


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(AgentError, match="can't be used") as told:
        open_state()
    assert "--no-record" in told.value.hint
