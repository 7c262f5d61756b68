"""What an agent finds at a target: folders that can't be used, other versions of it, containers that end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from targets.conftest import BASE, There, ended, wait_for_output

import corpus_backfill_plugin.targets.channel
from corpus_backfill_plugin.agent import place
from corpus_backfill_plugin.config import Target
from corpus_backfill_plugin.targets.hops import argument_list, shell_line

ODD = [
    "plain", "", "two words", "it's", "a\\b", "wow!", "$HOME `id` $(id)", '"', "*?[a]{b,c}", "~", "#no",
    "a\\'!\"", "-x", "\u00fc",
]  # fmt: skip
SHELLS = [shell for name in ("sh", "bash", "fish", "tcsh", "zsh") if (shell := shutil.which(name))]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_line_means_the_same_to_every_login_shell(shell: str) -> None:
    words = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *ODD]
    for _ in range(2):
        line = shell_line(words)
        answer = subprocess.run([shell, "-c", line], capture_output=True, text=True, check=True)
        assert json.loads(answer.stdout) == ODD
        words = [shell, "-c", line]  # as one ssh in another does


def test_hops_stand_one_in_the_other() -> None:
    target = Target(via=("ssh:ann@a", "sudo:corpus", "kubectl:prod/deploy/web:app"), control_master=False)
    words = argument_list(target, ["true", "a b"])
    assert words[0] == "ssh"
    pod = ["kubectl", "exec", "-i", "-n", "prod", "deploy/web", "-c", "app", "--", "true", "a b"]
    assert words[-3:] == ["--", "ann@a", shell_line(["sudo", "-H", "-u", "corpus", "--", *pod])]
    assert not re.search("StrictHostKey|KnownHosts|ControlPath", " ".join(words))


def test_a_check_says_what_is_there_and_what_is_not(there: There) -> None:
    answer = there.backfill("targets", "--check", "--json")
    (row,) = json.loads(answer.stdout)
    assert answer.returncode == 0, answer.stderr
    assert (row["name"], row["state"], row["folder"], row["problem"]) == ("there", "ok", there.state, "")
    assert row["free"] > 0


def test_without_a_python_it_says_which_were_tried(
    there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin/python3"
    old.write_text("#!/bin/sh\nexit 45\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    answer = there.backfill("runs")
    assert answer.returncode == 1
    assert "no Python 3.11 or newer was found on there; tried python3, uv python find" in answer.stderr


def test_a_state_folder_that_can_not_be_written_is_said(there: There) -> None:
    """The agent works from memory then, so that it can say what is wrong."""
    there.configure(state="/proc/no-such/state")
    answer = there.backfill("targets", "--check", "--json")
    (row,) = json.loads(answer.stdout)
    assert row["python"]
    assert "can't be made or written" in row["problem"]
    assert "can't be used" in there.backfill("runs").stderr


@pytest.mark.parametrize(
    ("mounts", "contained", "said"),
    [
        ("/ / - ext4\n/srv /srv - nfs4", False, "nfs4"),
        ("/ / - ext4\n/srv /srv - fuse.sshfs", False, "sshfs"),
        ("/ / - overlay", True, "gone when the container is"),
        ("/ / - overlay\n/srv /srv - tmpfs", True, "gone when the container is"),
        ("/ / - overlay\n/srv /srv - ext4", True, ""),
        ("/ / - overlay", False, ""),
    ],
)
def test_a_folder_that_proves_or_keeps_nothing_is_doubted(
    mounts: str,
    contained: bool,  # noqa: FBT001  a case
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [f"1 2 0:1 {line.replace(' - ', ' rw - ')} none rw" for line in mounts.splitlines()]
    monkeypatch.setattr(place, "_mounts", lambda: lines)
    why = place.doubt(Path("/srv/state"), contained=contained, ephemeral=False)
    assert said in why
    assert bool(why) == bool(said)


def test_two_versions_of_the_agent_serve_side_by_side(
    there: There, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    process = there.run("echo up; sleep 3")
    seen = wait_for_output(process, b"up\n")
    copy = tmp_path / "other/corpus_backfill_plugin"
    shutil.copytree(Path(corpus_backfill_plugin.targets.channel.__file__).parent.parent, copy)
    with (copy / "agent/state.py").open("a") as stream:
        stream.write("# another version\n")
    monkeypatch.setenv("PYTHONPATH", str(copy.parent))
    assert [run["state"] for run in there.runs()] == ["running"]
    assert len(list(Path(there.state).glob("agent/*"))) == 2
    code, out, _ = ended(process)
    assert (code, seen + out) == (0, b"up\n")


@pytest.mark.real
@pytest.mark.parametrize("there", ["podman"], indirect=True)
def test_a_container_that_is_restarted_under_a_run_loses_it(there: There) -> None:
    process = there.run("echo up; sleep 1000")
    wait_for_output(process, b"up\n")
    subprocess.run(["podman", "restart", "-t", "0", "corpus-target"], check=True, capture_output=True)
    code, _, err = ended(process)
    assert code == 1
    assert "is lost" in err
    assert [run["state"] for run in there.runs()] == ["lost"]


@pytest.mark.real
def test_a_host_whose_key_is_not_known_is_refused(there: There) -> None:
    there.configure(via=["ssh:corpus-bash@stranger"], **{"control-master": False})
    answer = there.backfill("runs")
    assert answer.returncode == 1
    assert "can't be reached: Host key verification failed." in answer.stderr


@pytest.mark.real
@pytest.mark.parametrize("there", ["sudo"], indirect=True)
def test_who_asked_is_recorded(there: There) -> None:
    assert ended(there.run("true"))[0] == 0
    assert there.runs()[0]["user"] == "corpus-bash (root)"


@pytest.mark.real
@pytest.mark.parametrize("there", ["ssh"], indirect=True)
def test_who_asked_is_recorded_as_claimed_and_by_key(there: There) -> None:
    assert ended(there.run("true"))[0] == 0
    listed = subprocess.run(
        ["ssh-keygen", "-lf", str(BASE / "client.pub")], capture_output=True, text=True, check=True
    )
    user = there.runs()[0]["user"]
    assert user.startswith("corpus-bash (root@")
    assert user.endswith(f", key {listed.stdout.split()[1]})")


CASES = {
    "hop": ("[target.prod]\nvia = ['telnet:x']\n", 2, "'telnet:x' is no hop; write ssh:"),
    "option": ("[target.prod]\nvia = ['ssh:-oProxyCommand=x']\n", 2, "is no hop"),
    "no way": ("[target.prod]\n", 1, "missing, and required; add via"),
    "unknown": ("[target.prod]\nvia = ['local']\nsever-path = '/x'\n", 3, "did you mean 'server-path'?"),
    "type": ("[target.prod]\nvia = 'local'\n", 2, "expected a list"),
    "choice": (
        "[target.prod]\nvia = ['local']\nenv-from = 'there'\n",
        3,
        "'there' is not one of 'here', 'target'",
    ),
    "name": ("[target.here]\nvia = ['local']\n", 1, "is no name for a target"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_of_the_configuration_is_said_with_its_line(there: There, case: str) -> None:
    text, line, said = CASES[case]
    there.configuration.write_text(text)
    answer = there.backfill("targets")
    assert answer.returncode == 1
    first = answer.stderr.splitlines()[0]
    assert f"config.toml:{line}: target" in first
    assert said in first


def test_targets_come_from_three_files_the_operators_own_first(
    there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = tmp_path / "team.toml"
    team.write_text(
        "default-target = 'stage'\n[target.there]\nvia = ['sudo:x']\n[target.stage]\nvia = ['ssh:stage']\n"
    )
    monkeypatch.setenv("CORPUS_BACKFILL_CONFIG", str(team))
    rows = json.loads(there.backfill("targets", "--json").stdout)
    assert [(row["name"], row["via"], row["default"]) for row in rows] == [
        ("stage", "ssh:stage", "yes"), ("there", "local", ""),
    ]  # fmt: skip
    monkeypatch.setenv("CORPUS_BACKFILL_CONFIG", "/no/such.toml")
    assert "(from CORPUS_BACKFILL_CONFIG) does not exist" in there.backfill("targets").stderr


def test_a_command_that_works_here_alone_never_does_when_it_was_to_work_there(there: There) -> None:
    for words in (["doctor"], ["status"], ["specs", "list"], ["runs", "rerun", "1"]):
        answer = there.backfill(*words)
        assert answer.returncode == 1, (words, answer.stdout)
        assert "can't work on there yet" in answer.stderr


def test_a_hop_is_a_target_without_configuration(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    there.configuration.unlink()
    monkeypatch.setenv("CORPUS_BACKFILL_STATE", there.state)
    assert ended(there.run("exit 3"))[0] == 3
    answer = subprocess.run(
        [sys.executable, "-m", "corpus_backfill_plugin", "runs", "list", "--on", "local", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [run["exit_code"] for run in json.loads(answer.stdout)] == [3]


def test_the_page_names_tests_that_are_there() -> None:
    page = (Path(__file__).parents[2] / "docs/targets.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert named
    assert named <= set(re.findall(r"def (test_\w+)", text))
