"""The operator's program, told when a run ends."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tools import wait_until

from corpus_backfill_plugin.agent.hook import call_hook
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.config import config_path

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Program

    from watching.places import Place


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Where the program of `configure` puts what it was told, a JSON object a line."""
    return tmp_path / "told"


def configure(words: list[str], **more: str) -> None:
    """Write the operator's configuration."""
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"on-end = {json.dumps(words)}",
        *(f"{name} = {json.dumps(text)}" for name, text in more.items()),
    ]
    path.write_text("\n".join(lines))


def keeping(told: Path) -> list[str]:
    """Return a program that keeps what it is told."""
    return [sys.executable, "-c", f"import sys; open({str(told)!r}, 'a').write(sys.stdin.read() + '\\n')"]


def objects(told: Path) -> list[dict[str, Any]]:
    """Return what a keeping program was told."""
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


@pytest.mark.parametrize("how", [(), ("--detach",)], ids=["watched", "left alone"])
def test_it_gets_what_runs_show_tells(
    backfill: Program,
    shown: Callable[..., dict[str, Any]],
    told: Path,
    until: Callable[..., None],
    how: tuple[str, ...],
) -> None:
    configure(keeping(told))
    assert backfill("work", "--bad", "a2", *how).code == 0
    until(lambda: shown()["on_end"] == "ok")
    (given,) = objects(told)
    assert given == shown() | {"on_end": "called"} or given == shown() | {"on_end": ""}
    assert given["failed"] == [{"item": "a2", "reason": "is bad"}]


def test_it_can_be_told_of_failures_alone(place: Place, backfill: Program, told: Path) -> None:
    configure(keeping(told), **{"on-end-when": "failed"})
    backfill("work")
    assert (objects(told), place.record().on_end) == ([], "")
    place.file.unlink()
    backfill("work")
    assert [(run["number"], run["state"]) for run in objects(told)] == [(2, "failed")]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["sh", "-c", "echo no mail today >&2; exit 3"], "sh ended with exit code 3: no mail today"),
        (["sh", "-c", "sleep 60"], "sh took longer than 0.3s and was ended"),
        (["not-there"], "not-there was not started: No such file or directory"),
    ],
    ids=["fails", "hangs", "is not there"],
)
def test_its_own_failure_is_told_and_changes_nothing(
    backfill: Program, shown: Callable[..., dict[str, Any]], words: list[str], why: str
) -> None:
    configure(words, **{"on-end-timeout": "300ms"})
    ended = backfill("work")
    assert ended.code == 0
    assert ended.stderr.splitlines()[-1] == f"on-end for run 1 failed: {why}. The run is as it was recorded."
    assert (shown()["state"], shown()["on_end"]) == ("succeeded", f"failed: {why}")


def test_it_does_not_get_the_secrets(
    place: Place, backfill: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = place.server.scripts / "work.toml"
    spec.write_text(spec.read_text().replace('common = ["dry-run", "limit"]', ""))
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2hunter2@db/x")
    configure(["sh", "-c", f"cat > {tmp_path}/all; env >> {tmp_path}/all"])
    backfill("work", "--detach")
    place.until_ended()
    backfill("work")
    given = (tmp_path / "all").read_text()
    assert "hunter2" not in given
    assert "postgresql://me:***@db/x" in given
    assert f"HOME={os.environ['HOME']}" in given


@pytest.mark.parametrize("how", ["watched", "left alone", "found later"])
def test_it_does_not_inherit_the_secrets_of_its_run(
    how: str, place: Place, backfill: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = place.server.scripts / "work.toml"
    option = '[[option]]\nname = "token"\nsecret = true\npass-env = "WORD"\nenvvar = "MY_TOKEN"\n'
    spec.write_text(spec.read_text().replace("[output]", f"{option}[output]"))
    for name in ("DATABASE_URL", "PGPASSWORD", "MY_TOKEN", "WORD"):
        monkeypatch.setenv(name, "hunter2hunter2")
    configure(["sh", "-c", f"env > {tmp_path}/env"])
    backfill(
        "work", *(() if how == "watched" else ("--detach", "--pause", "5" if how == "found later" else "0"))
    )
    if how == "found later":
        wait_until(lambda: place.folder().process())
        facts = place.folder().process()
        assert facts is not None
        for pid in (facts.supervisor, facts.pid):
            os.kill(pid, 9)
        wait_until(lambda: backfill("runs").stdout.split("\t")[1] == "lost")
    wait_until(lambda: "HOME=" in ((tmp_path / "env").read_text() if (tmp_path / "env").exists() else ""))
    assert "hunter2" not in (tmp_path / "env").read_text()


def test_a_program_beside_the_configuration_is_found(backfill: Program, tmp_path: Path) -> None:
    configure(["./notify"])
    program = config_path().parent / "notify"
    program.write_text(f"#!/bin/sh\nexec cat > {tmp_path}/beside\n")
    program.chmod(0o700)
    backfill("work")
    assert json.loads((tmp_path / "beside").read_text())["number"] == 1


def test_it_is_told_once_even_if_several_finish_a_run(place: Place, backfill: Program, told: Path) -> None:
    configure(keeping(told))
    backfill("work")
    told.unlink()
    metadata = place.folder().metadata()
    assert metadata is not None
    with closing(sqlite3.connect(place.state.ledger, isolation_level=None)) as db:
        db.execute("update runs set on_end = 'due'")

    def finish(_: int) -> None:
        with Ledger(place.state.ledger) as ledger:
            call_hook(ledger, 1, metadata.request)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(finish, range(8)))
    assert len(objects(told)) == 1


def test_it_is_called_once_by_whoever_looks_if_the_viewer_died_before(
    place: Place,
    start: Callable[..., subprocess.Popen[bytes]],
    backfill: Program,
    told: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(keeping(told))
    hook = place.file.parent / "deadly"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, corpus_backfill_plugin.runs.execute as e\n"
        "e.call_hook = lambda *_: os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(hook))
    assert start("work").wait(30) == -9
    assert (objects(told), place.record().on_end) == ([], "due")
    for _ in range(2):
        assert backfill("runs").code == 0
    assert [run["state"] for run in objects(told)] == ["succeeded"]
    assert place.record().on_end == "ok"


def test_it_is_told_of_a_lost_run_by_whoever_finds_it(
    place: Place, backfill: Program, told: Path, until: Callable[..., None]
) -> None:
    configure(keeping(told))
    backfill("work", "--pause", "5", "--detach")
    until(lambda: place.folder().process())
    facts = place.folder().process()
    assert facts is not None
    for pid in (facts.supervisor, facts.pid):
        os.kill(pid, 9)
    until(lambda: backfill("runs").stdout.split("\t")[1] == "lost")
    assert [run["state"] for run in objects(told)] == ["lost"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            'on-end = ["a"]\non-end-wen = "always"',
            "config.toml:2: on-end-wen: unknown key; did you mean 'on-end-when'?",
        ),
        ('on-end-when = "never"', "config.toml:1: on-end-when: 'never' is not one of 'always', 'failed'"),
        ('on-end-timeout = "soon"', "config.toml:1: on-end-timeout: "),
        ('on-end = "mail me"', "config.toml:1: on-end: "),
        ("on-end = [", "config.toml:1: not TOML: "),
    ],
    ids=["unknown key", "unknown choice", "no duration", "no list", "no TOML"],
)
def test_a_fault_in_the_configuration_is_told_before_anything_starts(
    place: Place, backfill: Program, text: str, fault: str
) -> None:
    configure([])
    config_path().write_text(text)
    refused = backfill("work")
    assert (refused.code, refused.stdout) == (1, "")
    assert fault in refused.stderr
    assert "Correct the file; nothing was started." in refused.stderr
    assert "a1" in place.file.read_text()
