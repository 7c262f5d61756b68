"""The mission on a server app whose scripts know only the mission's options: what is said of it is true.

Every scenario that the plugin was ordered with, judged by what is in the database afterwards and by what the
record says; then what came with it: reruns, plans, detached runs, status, doctor.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from corpus_backfill_plugin.workspace import install_folders
from plain.conftest import RECORDS, without_uv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Cli

    from plain.conftest import Plain

COMMANDS = {
    "duration": ["--media-type", "both", "--workers", "3", "--batch-size", "10"],
    "file-hash": ["--algorithm", "sha256"],
    "snr": [],
    "version-0": [],
}
"""Each with what it sends by itself."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_its_work_and_ends_with_0(
    command: str, plain: Plain, cli: Cli, shown: Callable[..., dict[str, Any]]
) -> None:
    outcome = cli(command)
    assert (outcome.code, plain.filled(command)) == (0, RECORDS), outcome.stderr
    assert outcome.stderr == ""
    told = shown()
    assert (told["state"], told["exit_code"], told["reason"]) == ("succeeded", 0, "")
    assert told["proof"] == {"state": "none declared", "reason": ""}
    assert told["arguments"][2:] == COMMANDS[command]
    assert "proof\tnone declared\n" in cli("runs", "show").stdout


@pytest.mark.parametrize(
    ("words", "filled"),
    [
        ("duration --dry-run", 0),
        ("duration --limit 2", 2),
        ("duration --media-type video --workers 1 --batch-size 1", 2),
        ("duration --media-type audio", 4),
        ("file-hash --algorithm md5 --limit 3", 3),
        ("file-hash --algorithm sha512 --dry-run", 0),
        ("snr --media-type video", 2),
        ("snr --dry-run --limit 1", 0),
        ("version-0 --limit 4", 4),
        ("version-0 --dry-run", 0),
        ("duration --media-type video --show-command", 0),
    ],
)
def test_options_mean_what_they_say(words: str, filled: int, plain: Plain, cli: Cli) -> None:
    command = words.split(maxsplit=1)[0]
    assert cli(*words.split()).code == 0
    assert plain.filled(command) == filled
    if "--algorithm" in words and filled:
        assert plain.query("SELECT DISTINCT hash_algorithm FROM recordings WHERE file_hash NOT NULL") == [
            ("md5",)
        ]


@pytest.mark.parametrize(
    "words",
    [
        "duration --media-type text",
        "duration --workers 0",
        "file-hash --algorithm rot13",
        "snr --limit 0",
        "snr --workers 2",
        "version-0 --remaining",
    ],
)
def test_what_is_no_option_of_theirs_is_refused_before_anything_runs(
    words: str, plain: Plain, cli: Cli
) -> None:
    assert cli(*words.split()).code == 2
    assert plain.query("SELECT count(*) FROM recordings WHERE duration NOT NULL") == [(0,)]
    assert cli("runs").stdout == ""


def test_the_server_named_nearest_is_taken(
    make_plain: Callable[[str], Plain], cli: Cli, tmp_path: Path
) -> None:
    made = {
        name: make_plain(f"{name}/corpus-server-app") for name in ("command", "group", "environment", "home")
    }
    path = {name: str(plain.folder) for name, plain in made.items()}
    package = tmp_path / "home/client/lib/corpus_backfill_plugin"
    shutil.copytree(install_folders()[0], package)
    environ = {"DATABASE_URL": made["home"].url, "PYTHONPATH": str(package.parent)}
    words = ["--server-path", path["group"], "version-0", "--server-path", path["command"]]
    for call, more in (
        (words, {"CORPUS_SERVER_APP_PATH": path["environment"]}),
        (words[:3], {"CORPUS_SERVER_APP_PATH": path["environment"]}),
        (["version-0"], {"CORPUS_SERVER_APP_PATH": path["environment"]}),
        (["version-0"], {}),
    ):
        outcome = cli(*call, env=environ | more, cwd=package.parent)
        assert outcome.code == 0, outcome.stderr
    rows = json.loads(cli("runs", "--json").stdout)
    assert [row["server"] for row in reversed(rows)] == list(path.values())


def test_the_option_goes_before_the_environment(plain: Plain, cli: Cli, tmp_path: Path) -> None:
    shutil.copyfile(plain.database, tmp_path / "other.db")
    assert cli("version-0", "-d", f"sqlite:///{tmp_path}/other.db").code == 0
    assert plain.filled("version-0") == 0
    assert cli("version-0").code == 0
    assert plain.filled("version-0") == RECORDS


def test_a_server_that_is_none_and_scripts_that_are_missing_are_told(plain: Plain, cli: Cli) -> None:
    nowhere = cli("snr", "--server-path", str(plain.folder / "nowhere"))
    assert (nowhere.code, "does not exist" in nowhere.stderr) == (1, True)
    for name in ("file_hashing.py", "media_duration.py"):
        (plain.scripts / name).unlink()
    outcome = cli("snr")
    assert outcome.code == 1
    assert "  file_hashing.py: missing\n  media_duration.py: missing\n" in outcome.stderr
    assert plain.filled("snr") == 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param("UPDATE recordings SET path = '/gone.wav' WHERE id = 2", "/gone.wav", id="no file"),
        pytest.param("DROP TABLE recordings", "no such table", id="no table"),
    ],
)
def test_the_scripts_own_failure_is_passed_on(
    spoil: str, words: str, plain: Plain, cli: Cli, shown: Callable[..., dict[str, Any]]
) -> None:
    plain.query(spoil)
    outcome = cli("duration")
    assert (outcome.code, words in outcome.stderr) == (1, True)
    told = shown()
    assert (told["state"], told["exit_code"], told["proof"]) == ("failed", 1, None)


@pytest.mark.parametrize(
    ("programs", "warning"),
    [((), "using {folder}/.venv/bin/python"), (("python",), "using python from PATH")],
    ids=["the server's own", "any on PATH"],
)
def test_without_uv_another_python_runs_it(
    programs: tuple[str, ...], warning: str, plain: Plain, cli: Cli, tmp_path: Path
) -> None:
    if not programs:
        (plain.folder / ".venv/bin").mkdir(parents=True)
        (plain.folder / ".venv/bin/python").symlink_to(sys.executable)
    outcome = cli("version-0", env=without_uv(tmp_path / "bin", *programs))
    assert (outcome.code, plain.filled("version-0")) == (0, RECORDS)
    assert warning.format(folder=plain.folder) in outcome.stderr


def test_a_run_again_finds_nothing_to_do(
    plain: Plain, cli: Cli, shown: Callable[..., dict[str, Any]]
) -> None:
    assert cli("duration", "--limit", "2").code == 0
    assert cli("runs", "rerun").code == 0
    told = shown()
    assert (told["parent"], told["state"], plain.filled("duration")) == (1, "succeeded", 4)
    retried = cli("runs", "retry")
    assert retried.code == 1
    assert "Traceback" not in retried.stderr


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


def test_a_detached_run_is_attached_to_and_forwards_its_end(
    plain: Plain, cli: Cli, shown: Callable[..., dict[str, Any]]
) -> None:
    plain.grow(24)
    started = cli("snr", "--detach")
    assert (started.code, started.stdout) == (0, "1\n")
    assert cli("snr").code == 75, "one at a time"
    attached = cli("runs", "attach", "1")
    assert attached.code == 0
    assert attached.stdout.count(" dB, ") == plain.filled("snr") == RECORDS * 25
    told = shown("1")
    assert (told["state"], told["proof"]["state"]) == ("succeeded", "none declared")


def test_ctrl_c_stops_a_run_as_the_script_chooses(
    plain: Plain, tools: Path, shown: Callable[..., dict[str, Any]]
) -> None:
    plain.grow(100)
    command = [sys.executable, "-m", "corpus_backfill_plugin", "snr"]
    environ = os.environ | {"PATH": str(tools), "CORPUS_BACKFILL_PYTHON": sys.executable}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert 0 < plain.filled("snr") < RECORDS * 101
    told = shown()
    assert (told["state"], told["proof"]) == ("stopped", None)


def test_status_starts_no_script_and_shows_the_latest_runs(plain: Plain, cli: Cli) -> None:
    assert cli("version-0").code == 0
    assert cli("duration", "--dry-run").code == 0
    outcome = cli("status")
    assert outcome.code == 0, "nothing was promised"
    rows = [line.split("\t") for line in outcome.stdout.splitlines()]
    assert [row[:2] for row in rows] == [[command, "not countable"] for command in COMMANDS]
    assert [row[2].partition(",")[0] for row in rows] == ["-", "-", "-", "1 succeeded"]
    told = {each["command"]: each for each in json.loads(cli("status", "--json").stdout)}
    assert (told["version-0"]["state"], told["version-0"]["last_run"]["number"]) == ("not countable", 1)
    assert [plain.filled(command) for command in COMMANDS] == [0, 0, 0, RECORDS]


def test_doctor_and_specs_check_have_nothing_to_say(plain: Plain, cli: Cli) -> None:
    assert plain.scripts.is_dir()
    examined = cli("doctor", "--json")
    findings = json.loads(examined.stdout)
    assert examined.code == 0
    assert [each for each in findings if each["area"] == "specs" and each["state"] != "ok"] == []
    checked = cli("specs", "check")
    assert (checked.code, checked.stdout, checked.stderr) == (0, "", "4 specs checked: no faults or drift\n")


def test_runs_stop_ends_a_detached_run(plain: Plain, cli: Cli, shown: Callable[..., dict[str, Any]]) -> None:
    plain.grow(200)
    assert cli("snr", "--detach").code == 0
    until = time.monotonic() + 30
    while not plain.filled("snr"):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert cli("runs", "stop", "--after", "5").code == 0
    assert shown()["state"] == "stopped"
    assert plain.filled("snr") < RECORDS * 201
