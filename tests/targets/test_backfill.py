"""A backfill at a target: its server app's specs and scripts, its environment, its lock and its history."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import Server
from targets.conftest import BASE, There, argument_lists, cut, ended, wait_for_output

if TYPE_CHECKING:
    from collections.abc import Iterator

over_a_link = pytest.mark.parametrize("there", ["local", "ssh", "podman"], indirect=True)

WORK = """
script = "work.py"
help = "Do the work."
[[option]]
name = "size"
type = "int"
[[option]]
name = "file"
type = "path"
exists = true
"""

SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(9))
print("up", flush=True)
time.sleep(60)
"""

PYTHON = ("--python", "/usr/bin/python3")


@pytest.fixture
def server(there: There) -> Iterator[Server]:
    """A server app that the target can read, named in its configuration."""
    contained = there.state.startswith("/var/lib/state/")
    name = f"corpus-test-{uuid.uuid4().hex[:12]}"
    base = (BASE / "volume" if contained else Path("/var/tmp")) / name  # noqa: S108  as in conftest
    made = Server(base / "server")
    made.scripts.mkdir(parents=True)
    made.script("work.py")
    made.spec("work", WORK)
    there.configure(**{"server-path": f"/var/lib/state/{name}/server" if contained else str(made.folder)})
    yield made
    shutil.rmtree(base)


def started(there: There, *words: str) -> subprocess.Popen[bytes]:
    """Start the CLI at the target."""
    process = subprocess.Popen(
        [sys.executable, "-m", "corpus_backfill_plugin", "--on", "there", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
    )  # fmt: skip
    there.started.append(process)
    return process


@over_a_link
def test_a_backfill_of_the_servers_own_runs_there(there: There, server: Server) -> None:
    answer = there.backfill("work", *PYTHON, "--size", "3")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["argv"] == ["--size", "3"]
    assert Path(told["folder"]).name == "server"
    (run,) = there.runs()
    assert (run["state"], run["command"], run["options"]) == ("succeeded", "work", {"size": "3"})
    assert run["script_path"] == f"{told['folder']}/backfill/work.py"
    assert run["spec_path"] == f"{told['folder']}/backfill/work.toml"
    server.script("work.py", "raise SystemExit(4)")
    assert there.backfill("work", *PYTHON).returncode == 4


@over_a_link
def test_ctrl_c_is_one_interrupt_of_the_backfill(there: There, server: Server) -> None:
    server.script("work.py", SLOW)
    process = started(there, "work", *PYTHON)
    wait_for_output(process, b"up\n")
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code == 9, err
    assert there.runs()[0]["state"] == "stopped"


def test_a_link_that_is_cut_starts_no_second_one(there: There, server: Server) -> None:
    server.script("work.py", "import time\nprint('one', flush=True)\ntime.sleep(1)\nprint('two')\n")
    process = started(there, "work", *PYTHON)
    seen = wait_for_output(process, b"one\n")
    assert cut(process)
    code, out, err = ended(process)
    assert (code, seen + out) == (0, b"one\ntwo\n"), err
    assert len(there.runs()) == 1


def test_a_detached_one_keeps_a_second_out_here_and_there(
    there: There, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script("work.py", SLOW)
    answer = there.backfill("work", *PYTHON, "--detach")
    assert (answer.returncode, answer.stdout) == (0, "1\n"), answer.stderr
    assert there.backfill("work", *PYTHON).returncode == 75
    monkeypatch.setenv("CORPUS_BACKFILL_STATE", there.state)
    words = ("--server-path", str(server.folder), "--on", "here", "work", *PYTHON)
    here = subprocess.run([sys.executable, "-m", "corpus_backfill_plugin", *words], check=False, timeout=60)
    assert here.returncode == 75
    assert there.backfill("runs", "stop", "1").returncode == 0


def test_help_does_not_connect(there: There, server: Server) -> None:
    assert "No such command" in there.backfill("work", "--help").stderr
    assert there.backfill("work", *PYTHON).returncode == 0
    server.spec("work", WORK.replace("size", "length"))
    assert "--size" in there.backfill("work", "--help").stdout
    assert there.backfill("work", *PYTHON, "--length", "4").returncode == 0
    assert "--length" in there.backfill("work", "--help").stdout


def test_a_preview_names_the_way_there(there: There, server: Server) -> None:
    answer = there.backfill("work", *PYTHON, "--show-command")
    assert answer.stdout.startswith("# on there: sh\n(cd ")
    assert f"cd {server.folder} &&" in answer.stdout
    assert there.runs() == []


@pytest.mark.parametrize("words", [["--plan", "x"], ["--wait"], ["--no-record"]])
@pytest.mark.usefixtures("server")
def test_what_is_not_there_yet_is_refused(there: There, words: list[str]) -> None:
    answer = there.backfill("work", *PYTHON, *words)
    assert answer.returncode == 1
    assert f"{words[0]} can't be given for there yet" in answer.stderr
    assert there.runs() == []


def test_a_target_that_asks_is_answered(there: There, server: Server) -> None:
    there.configure(confirm=True, **{"server-path": str(server.folder)})
    answer = there.backfill("work", *PYTHON)
    assert answer.returncode == 1
    assert f"Run work on there, in {server.folder}?" in answer.stderr
    assert there.runs() == []
    assert there.backfill("work", *PYTHON, "--yes").returncode == 0


def test_a_path_is_looked_for_there(there: There, server: Server) -> None:
    answer = there.backfill("work", *PYTHON, "--file", "no/such")
    assert answer.returncode == 1
    assert "--file: no/such does not exist there" in answer.stderr
    (server.folder / "there.txt").touch()
    assert there.backfill("work", *PYTHON, "--file", "there.txt").returncode == 0


@pytest.mark.parametrize("there", ["ssh", "podman"], indirect=True)
@pytest.mark.usefixtures("server")
def test_a_database_is_that_of_the_target_or_sent_if_configured(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"postgresql://u:geheim{os.getpid()}@db/x"
    monkeypatch.setenv("DATABASE_URL", secret)
    path = json.loads(there.backfill("work", *PYTHON).stdout)["folder"]
    assert there.runs()[0]["database"] is None
    there.configure(**{"server-path": path, "env-from": "here"})
    process, seen = started(there, "work", *PYTHON), []
    while process.poll() is None:
        seen += [words for words in argument_lists() if f"geheim{os.getpid()}".encode() in words]
    code, out, err = ended(process)
    assert (code, seen) == (0, []), err
    assert json.loads(out)["environ"]["DATABASE_URL"] == "postgresql://u:***@db/x"
    assert there.runs()[0]["database"] == "postgresql://u:***@db/x"


@pytest.mark.usefixtures("server")
def test_a_secret_of_the_target_stays_there(
    there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The agent of this hop has an environment of its own, as that of another machine has.
    wrapper = tmp_path / "bin/python3"
    wrapper.write_text(f'#!/bin/sh\nDATABASE_URL=postgresql://u:far-secret@db/x exec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:near-secret@db/near")
    answer = there.backfill("work", *PYTHON)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["environ"]["DATABASE_URL"] == "postgresql://u:***@db/x"
    assert there.runs()[0]["database"] == "postgresql://u:***@db/x"
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path != wrapper]
    assert not [path for path in kept if b"far-secret" in path.read_bytes()]
