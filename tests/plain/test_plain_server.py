"""The mission on a server app whose scripts know only the mission's options: what is said of it is true.

Judged by what is in the database afterwards and by what the record says. What has nothing to do with the
scripts' work (where the server is found, who runs the script) is in `cli/test_scenarios.py`.
"""

import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, Server
from tools import wait_until

PLAIN = Path(__file__).parent / "server"
RECORDS = 6
COMMANDS = {
    "duration": ["--media-type", "both", "--workers", "3", "--batch-size", "10"],
    "file-hash": ["--algorithm", "sha256"],
    "snr": [],
    "version-0": [],
}
"""Each with what it sends by itself."""
_COLUMNS = {"duration": "duration", "file-hash": "file_hash, hash_algorithm", "snr": "snr_db, dominant_hz"}


class Plain(Server):
    """The plain server app of a test, with its corpus beside it."""

    @property
    def database(self) -> Path:
        return self.folder.parent / "corpus.db"

    def query(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.database)) as db, db:
            return db.execute(sql).fetchall()

    def grow(self, copies: int) -> None:
        """Add so many copies of each row: a run can be met in its middle."""
        for _ in range(copies):
            self.query(
                "INSERT INTO recordings (path, media_type)"
                " SELECT path, media_type FROM recordings GROUP BY path, media_type"
            )

    def filled(self, command: str) -> int:
        """Return in how many recordings `command` has filled in its values, which have to be right."""
        if command == "version-0":
            return len(self.query("SELECT recording_id FROM recording_versions WHERE version = 0"))
        rows = self.query(f"SELECT path, {_COLUMNS[command]} FROM recordings")  # noqa: S608
        done = [row for row in rows if row[1] is not None]
        for path, *values in done:
            assert_true(command, Path(path), *values)
        return len(done)


def assert_true(command: str, path: Path, value: Any, more: Any = None) -> None:  # noqa: ANN401  of a database
    """Check that the values of a recording are those of its file."""
    if command == "duration":
        assert value == 0.5 + int(path.stem) / 4
    elif command == "file-hash":
        assert value == hashlib.new(more, path.read_bytes()).hexdigest()
    else:
        assert more == 200 + 100 * int(path.stem)
        assert abs(value - 23.0) < 1.0, "a sine of 8000 in noise of 400: 20 log10(20 / sqrt 2)"


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus in which nothing is filled in. Its database is copied, its files are shared."""
    folder = tmp_path_factory.mktemp("media")
    make = [sys.executable, str(PLAIN / "make_corpus.py"), str(folder), "--records", str(RECORDS)]
    subprocess.run(make, check=True, timeout=60)
    return folder


@pytest.fixture
def plain(media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plain:
    """The plain server app and a corpus beside it, both named by the environment."""
    made = Plain(tmp_path / "srv/corpus-server-app")
    shutil.copytree(PLAIN, made.folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(media / "corpus.db", made.database)
    monkeypatch.setenv("CORPUS_SERVER_APP_PATH", str(made.folder))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{made.database}")
    return made


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_its_work_and_ends_with_0(command: str, plain: Plain, cli: Cli) -> None:
    outcome = cli(command)
    assert (outcome.code, plain.filled(command)) == (0, RECORDS), outcome.stderr
    assert outcome.stderr == ""
    told = cli.shown()
    assert (told["state"], told["exit_code"], told["reason"]) == ("succeeded", 0, "")
    assert told["proof"] == {"state": "none declared", "reason": ""}
    assert told["arguments"][2:] == COMMANDS[command]
    assert "proof\tnone declared\n" in cli("runs", "show").stdout


@pytest.mark.parametrize(
    ("words", "filled"),
    [
        ("duration --dry-run", 0), ("duration --limit 2", 2), ("duration --media-type audio", 4),
        ("duration --media-type video --workers 1 --batch-size 1", 2),
        ("duration --media-type video --show-command", 0), ("file-hash --algorithm md5 --limit 3", 3),
        ("file-hash --algorithm sha512 --dry-run", 0), ("snr --media-type video", 2),
        ("snr --dry-run --limit 1", 0), ("version-0 --limit 4", 4), ("version-0 --dry-run", 0),
    ],
)  # fmt: skip
def test_options_mean_what_they_say(words: str, filled: int, plain: Plain, cli: Cli) -> None:
    assert cli(*words.split()).code == 0
    assert plain.filled(words.split(maxsplit=1)[0]) == filled
    if "--algorithm" in words and filled:
        used = plain.query("SELECT DISTINCT hash_algorithm FROM recordings WHERE file_hash NOT NULL")
        assert used == [("md5",)]


@pytest.mark.parametrize(
    "words",
    [
        "duration --media-type text", "duration --workers 0", "file-hash --algorithm rot13",
        "snr --limit 0", "snr --workers 2", "version-0 --remaining",
    ],
)  # fmt: skip
def test_what_is_no_option_of_theirs_is_refused_before_anything_runs(
    words: str, plain: Plain, cli: Cli
) -> None:
    assert cli(*words.split()).code == 2
    assert plain.query("SELECT count(*) FROM recordings WHERE duration NOT NULL") == [(0,)]
    assert cli("runs").stdout == ""


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("UPDATE recordings SET path = '/gone.wav' WHERE id = 2", "/gone.wav"),
        ("DROP TABLE recordings", "no such table"),
    ],
    ids=["no file", "no table"],
)
def test_the_scripts_own_failure_is_passed_on(spoil: str, words: str, plain: Plain, cli: Cli) -> None:
    plain.query(spoil)
    outcome = cli("duration")
    assert (outcome.code, words in outcome.stderr) == (1, True)
    told = cli.shown()
    assert (told["state"], told["exit_code"], told["proof"]) == ("failed", 1, None)


def test_a_run_again_finds_nothing_to_do(plain: Plain, cli: Cli) -> None:
    assert cli("duration", "--limit", "2").code == 0
    assert cli("runs", "rerun").code == 0
    told = cli.shown()
    assert (told["parent"], told["state"], plain.filled("duration")) == (1, "succeeded", 4)
    retried = cli("runs", "retry")
    assert (retried.code, "Traceback" in retried.stderr) == (1, False)


def test_a_plan_pins_all_but_the_count_and_says_so(plain: Plain, cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "duration.plan"
    made = cli("duration", "--media-type", "video", "--plan", str(file))
    assert made.code == 0, made.stderr
    assert "What is left to do was not counted: the spec declares no count." in made.stderr
    plan = json.loads(file.read_text())
    assert plan["arguments"] == ["--media-type", "video", *COMMANDS["duration"][2:]]
    assert (plan["left"], plan["not_counted"]) == ({}, "the spec declares no count")
    assert all(plan[pinned] for pinned in ("script_hash", "spec_hash", "database_identity", "server"))
    applied = cli("runs", "apply", str(file), "--yes")
    assert (applied.code, plain.filled("duration")) == (0, 2), applied.stderr
    assert "nothing was counted: the spec declares no count" in applied.stderr
    with (plain.scripts / "media_duration.py").open("a") as script:
        script.write("# changed\n")
    refused = cli("runs", "apply", str(file), "--yes")
    assert (refused.code, "script: sha256" in refused.stderr) == (1, True)
    assert "there are" not in refused.stderr, "no count is compared"


def test_a_detached_run_is_attached_to_and_forwards_its_end(plain: Plain, cli: Cli) -> None:
    plain.grow(24)
    started = cli("snr", "--detach")
    assert (started.code, started.stdout) == (0, "1\n")
    assert cli("snr").code == 75, "one at a time"
    attached = cli("runs", "attach", "1")
    assert attached.code == 0
    assert attached.stdout.count(" dB, ") == plain.filled("snr") == RECORDS * 25
    told = cli.shown("1")
    assert (told["state"], told["proof"]["state"]) == ("succeeded", "none declared")


def test_ctrl_c_stops_a_run_as_the_script_chooses(plain: Plain, cli: Cli) -> None:
    plain.grow(100)
    process = cli.start("snr", stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert 0 < plain.filled("snr") < RECORDS * 101
    told = cli.shown()
    assert (told["state"], told["proof"]) == ("stopped", None)


def test_status_starts_no_script_and_shows_the_latest_runs(plain: Plain, cli: Cli) -> None:
    assert cli("version-0").code == 0
    assert cli("duration", "--dry-run").code == 0
    outcome = cli("status")
    assert outcome.code == 0, "nothing was promised"
    assert [row[:2] for row in outcome.rows] == [[command, "not countable"] for command in COMMANDS]
    assert [row[2].partition(",")[0] for row in outcome.rows] == ["-", "-", "-", "1 succeeded"]
    told = {each["command"]: each for each in cli("status", "--json").told}
    assert (told["version-0"]["state"], told["version-0"]["last_run"]["number"]) == ("not countable", 1)
    assert [plain.filled(command) for command in COMMANDS] == [0, 0, 0, RECORDS]


@pytest.mark.usefixtures("plain")
def test_doctor_and_specs_check_have_nothing_to_say(cli: Cli) -> None:
    examined = cli("doctor", "--json")
    assert examined.code == 0
    assert [each for each in examined.told if each["area"] == "specs" and each["state"] != "ok"] == []
    checked = cli("specs", "check")
    assert (checked.code, checked.stdout, checked.stderr) == (0, "", "4 specs checked: no faults or drift\n")


def test_runs_stop_ends_a_detached_run(plain: Plain, cli: Cli) -> None:
    plain.grow(200)
    assert cli("snr", "--detach").code == 0
    wait_until(lambda: plain.filled("snr"))
    assert cli("runs", "stop", "--after", "5").code == 0
    assert cli.shown()["state"] == "stopped"
    assert plain.filled("snr") < RECORDS * 201
