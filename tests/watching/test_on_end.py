"""The operator's program, called when a run ends."""

import json
import os
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tools import cases, wait_until

from corpus_backfill_plugin.agent.hook import call_hook
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.config import config_path
from watching.conftest import WATCHED_OR_NOT, Place


class Told:
    """What the operator's program was given: it keeps each object in a line of a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def keep(self, **more: str) -> None:
        code = f"import sys; open({str(self.file)!r}, 'a').write(sys.stdin.read() + '\\n')"
        configure([sys.executable, "-c", code], **more)

    def __call__(self, key: str = "state") -> list[Any]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [json.loads(line)[key] for line in lines]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "told")


def configure(words: list[str], **more: str) -> None:
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"on-end": words} | more
    path.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in facts.items()))


@WATCHED_OR_NOT
def test_it_gets_what_runs_show_tells(place: Place, told: Told, how: tuple[str, ...]) -> None:
    told.keep()
    assert place("work", "--bad", "a2", *how).code == 0
    wait_until(lambda: place.shown()["on_end"] == "ok")
    (line,) = told.file.read_text().splitlines()
    given = json.loads(line)
    assert given == place.shown() | {"on_end": given["on_end"]}
    assert given["on_end"] in ("called", "")
    assert given["failed"] == [{"item": "a2", "reason": "is bad"}]


def test_it_can_be_told_of_failures_alone(place: Place, told: Told) -> None:
    told.keep(**{"on-end-when": "failed"})
    place("work")
    assert (told(), place.record().on_end) == ([], "")
    place.file.unlink()
    place("work")
    assert (told("number"), told()) == ([2], ["failed"])


@pytest.mark.parametrize(
    ("words", "why"),
    cases("""
        fails        | sh -c "echo no mail today >&2; exit 3" | sh ended with exit code 3: no mail today
        hangs        | sh -c "sleep 60"                       | sh took longer than 0.3s and was ended
        is not there | not-there | not-there was not started: No such file or directory
    """),
)
def test_its_own_failure_is_told_and_changes_nothing(place: Place, words: str, why: str) -> None:
    configure(shlex.split(words), **{"on-end-timeout": "300ms"})
    ended = place("work")
    assert ended.code == 0
    assert ended.stderr.splitlines()[-1] == f"on-end for run 1 failed: {why}. The run is as it was recorded."
    shown = place.shown()
    assert (shown["state"], shown["on_end"]) == ("succeeded", f"failed: {why}")


def test_it_does_not_get_the_secrets(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place.edit('common = ["dry-run", "limit"]', "")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2hunter2@db/x")
    configure(["sh", "-c", f"cat > {tmp_path}/all; env >> {tmp_path}/all"])
    place("work", "--detach")
    place.wait_for_end()
    place("work")
    given = (tmp_path / "all").read_text()
    assert "hunter2" not in given
    assert "postgresql://me:***@db/x" in given
    assert f"HOME={os.environ['HOME']}" in given


@pytest.mark.parametrize("how", ["watched", "left alone", "found later"])
def test_it_does_not_inherit_the_secrets_of_its_run(
    how: str, place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    option = '[[option]]\nname = "token"\nsecret = true\npass-env = "WORD"\nenvvar = "MY_TOKEN"\n'
    place.edit("[output]", f"{option}[output]")
    for name in ("DATABASE_URL", "PGPASSWORD", "MY_TOKEN", "WORD"):
        monkeypatch.setenv(name, "hunter2hunter2")
    configure(["sh", "-c", f"env > {tmp_path}/env"])
    pause = ("--detach", "--pause", "5" if how == "found later" else "0")
    place("work", *(() if how == "watched" else pause))
    if how == "found later":
        place.kill()
        wait_until(lambda: place("runs").rows[0][1] == "lost")
    (tmp_path / "env").touch()
    wait_until(lambda: "HOME=" in (tmp_path / "env").read_text())
    assert "hunter2" not in (tmp_path / "env").read_text()


def test_a_program_beside_the_configuration_is_found(place: Place, tmp_path: Path) -> None:
    configure(["./notify"])
    program = config_path().parent / "notify"
    program.write_text(f"#!/bin/sh\nexec cat > {tmp_path}/beside\n")
    program.chmod(0o700)
    place("work")
    assert json.loads((tmp_path / "beside").read_text())["number"] == 1


def test_it_is_told_once_even_if_several_finish_a_run(place: Place, told: Told) -> None:
    told.keep()
    place("work")
    told.file.unlink()
    metadata = place.files().metadata()
    assert metadata is not None
    place.sql("update runs set on_end = 'due'")

    def finish(_: int) -> None:
        with Ledger(place.state.ledger) as ledger:
            call_hook(ledger, 1, metadata.request)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(finish, range(8)))
    assert len(told()) == 1


def test_it_is_called_once_by_whoever_looks_if_the_viewer_died_before(
    place: Place, told: Told, tmp_path: Path
) -> None:
    told.keep()
    (tmp_path / "sitecustomize.py").write_text(
        "import os, corpus_backfill_plugin.runs.viewer as e\n"
        "e.call_hook = lambda *_: os.kill(os.getpid(), 9)\n"
    )
    assert place.start("work", env=os.environ | {"PYTHONPATH": str(tmp_path)}).wait(30) == -9
    assert (told(), place.record().on_end) == ([], "due")
    for _ in range(2):
        assert place("runs").code == 0
    assert told() == ["succeeded"]
    assert place.record().on_end == "ok"


def test_it_is_told_of_a_lost_run_by_whoever_finds_it(place: Place, told: Told) -> None:
    told.keep()
    place("work", "--pause", "5", "--detach")
    place.kill()
    wait_until(lambda: place("runs").rows[0][1] == "lost")
    assert told() == ["lost"]


@pytest.mark.parametrize(
    ("text", "fault"),
    cases(r"""
        unknown key    | on-end = []\non-end-wen = 1 | 2: on-end-wen: unknown key; did you mean 'on-end-when'?
        unknown choice | on-end-when = "never"   | 1: on-end-when: 'never' is not one of 'always', 'failed'
        no duration    | on-end-timeout = "soon" | 1: on-end-timeout:
        no list        | on-end = "mail me"      | 1: on-end:
        no TOML        | on-end = [              | 1: not TOML:
    """),
)
def test_a_fault_in_the_configuration_is_told_before_anything_starts(
    place: Place, text: str, fault: str
) -> None:
    configure([])
    config_path().write_text(text.replace(r"\n", "\n"))
    refused = place("work")
    assert (refused.code, refused.stdout) == (1, "")
    assert f"config.toml:{fault}" in refused.stderr
    assert "Correct the file; nothing was started." in refused.stderr
    assert "a1" in place.file.read_text()
