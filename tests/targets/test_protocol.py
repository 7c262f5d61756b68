"""A run at a target: its output, its end, its exclusion and its history, whatever befalls the channel."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from targets.conftest import HOPS, There, argument_lists, cut, ended, wait_for_output
from tools import wait_until

everywhere = pytest.mark.parametrize("there", HOPS, indirect=True)
over_a_link = pytest.mark.parametrize("there", ["local", "ssh", "podman"], indirect=True)

COUNT = """
python3 -c 'import sys, time
for i in range(%d):
    print(i, "x" * 40)
    if i %% 7 == 0:
        print("e", i, file=sys.stderr)
    if i %% %d == 0:
        sys.stdout.flush()
        time.sleep(%g)'
"""


def counted(lines: int) -> tuple[bytes, list[str]]:
    """Return what COUNT prints, stderr as lines."""
    out = "".join(f"{i} {'x' * 40}\n" for i in range(lines)).encode()
    return out, [f"e {i}" for i in range(0, lines, 7)]


@everywhere
def test_output_and_exit_code_arrive(there: There) -> None:
    code, out, err = ended(there.run("echo one; echo two >&2; exit 7"))
    assert (code, out) == (7, b"one\n"), err
    assert err == "two\n"
    (run,) = there.runs()
    assert (run["state"], run["exit_code"], run["command"]) == ("failed", 7, "work")


@pytest.mark.parametrize("script", ["exit 0", "exit 1", "exit 75", "exit 127", "exit 254", "exit 255"])
def test_an_exit_code_is_the_scripts_own(there: There, script: str) -> None:
    assert ended(there.run(script))[0] == int(script.split()[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_death_by_a_signal_is_128_and_its_number(there: There, number: signal.Signals) -> None:
    code, _, err = ended(there.run(f"kill -{number.value} $$"))
    assert code == 128 + number, err
    assert f"died of {number.name}" in err


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        pytest.param({"folder": "/no/such"}, "working folder can't be entered", id="no folder"),
        pytest.param({"program": "/bin/nothing"}, "the program is not there", id="no program"),
    ],
)
def test_what_can_not_be_started_is_said(there: There, facts: dict[str, Any], said: str) -> None:
    code, _, err = ended(there.run("true", **facts))
    assert code == 1
    assert said in err
    assert [run["state"] for run in there.runs()] == ["failed"]


@pytest.mark.parametrize("there", ["local", "ssh", "podman", "kubectl"], indirect=True)
def test_a_link_killed_again_and_again_loses_no_byte(there: There, tmp_path: Path) -> None:
    lines, kills, following = 20000, 0, 0.0
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        process = there.run(COUNT % (lines, 100, 0.03), to=(out, err))
        while process.poll() is None:
            if time.monotonic() > following and kills < 6 and os.fstat(out.fileno()).st_size:
                kills += cut(process)
                following = time.monotonic() + random.uniform(0.7, 1.4)  # noqa: S311  no secret
            time.sleep(0.01)
    said = (tmp_path / "err").read_text()
    wanted, wanted_errors = counted(lines)
    assert (tmp_path / "out").read_bytes() == wanted, said
    assert (process.returncode, [line for line in said.splitlines() if line[:2] == "e "]) == (
        0,
        wanted_errors,
    )
    assert kills


@over_a_link
def test_a_link_killed_during_the_start_makes_one_run(there: There) -> None:
    for turn in range(8):
        process = there.run("echo one; sleep 0.2; echo two", command=f"turn-{turn}")
        time.sleep(random.uniform(0.0, 0.6))  # noqa: S311  no secret
        cut(process)
        code, out, err = ended(process)
        assert (code, out) == (0, b"one\ntwo\n"), err
    assert sorted(run["command"] for run in there.runs()) == [f"turn-{turn}" for turn in range(8)]
    assert {run["state"] for run in there.runs()} == {"succeeded"}


@over_a_link
def test_a_link_killed_while_the_agent_is_shipped_is_taken_up(there: There) -> None:
    base = there.state
    for turn in range(4):
        there.state = f"{base}-{turn}"
        process = there.run("echo one; sleep 0.1; echo two")
        time.sleep(random.uniform(0.1, 0.5))  # noqa: S311  no secret
        cut(process)
        code, out, err = ended(process)
        assert (code, out) == (0, b"one\ntwo\n"), err


@pytest.mark.parametrize("there", ["local", "ssh"], indirect=True)
def test_a_frozen_link_is_left_and_another_made(there: There) -> None:
    there.shared = False  # else another process has the link
    process = there.run("for i in $(seq 60); do echo $i; sleep 0.5; done")
    seen = wait_for_output(process, b"2\n")
    cut(process, signal.SIGSTOP)
    code, out, err = ended(process)
    assert (code, seen + out) == (0, "".join(f"{i}\n" for i in range(1, 61)).encode()), err
    assert "is lost (nothing was heard for 20 s)" in err
    assert "is back" in err


def test_the_same_token_at_once_is_one_run(there: There) -> None:
    token = uuid.uuid4().hex
    both = [there.run("echo one; sleep 0.5", token=token, key="k") for _ in range(3)]
    assert [ended(each)[:2] for each in both] == [(0, b"one\n")] * 3
    assert len(there.runs()) == 1


@over_a_link
def test_two_operators_exclude_one_another(there: There) -> None:
    first = there.run("echo up; sleep 3", key="k")
    seen = wait_for_output(first, b"up\n")
    code, out, err = ended(there.run("echo second", key="k"))
    assert (code, out) == (75, b"")
    assert "already runs on this server and database: run 1 of" in err
    shown = there.backfill("runs", "attach", "1")
    assert (shown.returncode, shown.stdout) == (0, "up\n")
    assert ended(first)[:2] == (0, b"")
    assert seen == b"up\n"
    assert ended(there.run("echo third", key="k"))[:2] == (0, b"third\n")
    assert [run["number"] for run in there.runs()] == [2, 1]


@over_a_link
def test_ctrl_c_is_one_interrupt_there(there: There) -> None:
    process = there.run("trap 'echo INT; exit 3' INT; echo up; while :; do sleep 0.1; done")
    wait_for_output(process, b"up\n")
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert (code, out) == (3, b"INT\n"), err
    (run,) = there.runs()
    assert (run["state"], run["reason"]) == ("stopped", "Ctrl-C")


def test_a_second_ctrl_c_ends_a_stubborn_script(there: There) -> None:
    process = there.run("trap '' INT TERM; echo up; while :; do sleep 0.1; done")
    wait_for_output(process, b"up\n")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 128 + signal.SIGKILL


@over_a_link
def test_stop_proves_that_a_stubborn_tree_is_gone(there: There) -> None:
    mark = f"{random.randrange(10**6, 10**7)}"  # noqa: S311  no secret
    process = there.run(
        f"""exec python3 -c 'import os, signal, subprocess, time
signal.signal(2, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN)
print("up", flush=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execlp("sleep", "sleep", "{mark}")
    os._exit(0)
subprocess.Popen(["/bin/sleep", "{mark}"], start_new_session=True, env={{}})
time.sleep({mark})'"""
    )
    wait_for_output(process, b"up\n")
    stopped = there.backfill("runs", "stop", "1", "--after", "0.5")
    assert stopped.returncode == 0, stopped.stderr
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert mark not in [
        word for line in listed.splitlines() if line.startswith("sleep") for word in line.split()
    ]
    assert ended(process)[0] == 128 + signal.SIGKILL
    assert there.runs()[0]["state"] == "stopped"


def test_the_logs_of_a_run_are_had_again(there: There) -> None:
    assert ended(there.run("echo one; echo two >&2"))[0] == 0
    both, only = there.backfill("runs", "logs"), there.backfill("runs", "logs", "1", "--stderr")
    assert (both.stdout, both.stderr) == ("one\n", "two\n")
    assert (only.stdout, only.stderr) == ("", "two\n")
    shown = json.loads(there.backfill("runs", "show", "--json").stdout)
    assert (shown["number"], shown["failed"]) == (1, [])
    assert there.backfill("runs", "show", "9").stderr.startswith("Error: there: there is no run 9")
    assert there.backfill("runs", "prune", "--older-than", "0s").stderr == "Forgot 1 run.\n"
    assert there.runs() == []


def test_a_secret_is_in_no_argument_list_no_file_and_no_output(there: There) -> None:
    secret = f"postgresql://u:geheim{uuid.uuid4().hex}@db/x"
    process = there.run('echo "$DATABASE_URL"; sleep 1.5', secret=secret)
    seen = set()
    while process.poll() is None:
        for text in argument_lists():
            if secret.encode() in text and b"drive.py" not in text:  # which has it from this test
                seen.add(text[:100])
        time.sleep(0.02)
    code, out, _ = ended(process)
    assert (code, out, seen) == (0, b"***\n", set())
    holding = [
        path
        for path in Path(there.state).rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]
    assert holding == []


def test_a_link_cut_before_secrets_were_masked_goes_on_behind_it(there: There) -> None:
    """Masking changes the length of a log, so what was shown is counted in its new bytes too."""
    secret = "s3cret-" + "x" * 40
    process = there.run(
        'for i in 1 2 3; do echo "$i $DATABASE_URL end"; sleep 0.3; done; sleep 1', secret=secret
    )
    seen = wait_for_output(process, b"3 *** end\n")
    process.send_signal(signal.SIGSTOP)
    cut(process)
    wait_until(lambda: list(Path(there.state).glob("runs/1/masked")), 30)
    process.send_signal(signal.SIGCONT)
    code, out, err = ended(process)
    assert (code, seen + out) == (0, b"1 *** end\n2 *** end\n3 *** end\n"), err


def test_files_that_changed_are_not_run(there: There, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("", encoding="utf-8")
    code, _, err = ended(there.run("echo never", expected={str(script): "0" * 64}))
    assert code == 1
    assert "script.py changed there meanwhile" in err
    assert there.runs() == []


@pytest.mark.parametrize("there", ["kubectl"], indirect=True)
def test_a_connection_that_lies_about_the_end_is_not_believed(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECTL_CUT", "1.5")
    code, out, err = ended(there.run("echo one; sleep 2; echo two; exit 9"))
    assert (code, out) == (9, b"one\ntwo\n"), err


def test_the_far_agent_may_be_killed(there: There) -> None:
    process = there.run("echo one; sleep 2; echo two")
    seen = wait_for_output(process, b"one\n")
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if there.state.encode() in words and b"-I" in words:
            os.kill(int(entry.parent.name), signal.SIGKILL)
    code, out, err = ended(process)
    assert (code, seen + out) == (0, b"one\ntwo\n"), err
