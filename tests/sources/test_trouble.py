"""What is wrong with a file, a folder or a pack costs its own commands and nothing else."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from sources.conftest import SPEC

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Cli, Outcome, Server
    from sources.conftest import Install, Listed

PACKS = "corpus_backfill_plugin.specs"
COMMANDS = "corpus_backfill_plugin.commands"


@pytest.fixture
def ask(cli: Cli, server: Server) -> Callable[..., Outcome]:
    """Call the program with the server app set."""

    def call(*words: str, **env: str) -> Outcome:
        outcome = cli(*words, env={"CORPUS_SERVER_APP_PATH": str(server.folder)} | env)
        assert "Traceback" not in outcome.stderr
        return outcome

    return call


def _others_work(ask: Callable[..., Outcome], **env: str) -> None:
    assert ask("version-0", "--no-verify", **env).code == 0
    assert "version-0" in ask("--help", **env).stdout.split()


def test_one_name_in_two_packs_is_a_fault_of_both(
    listed: Listed, install: Install, ask: Callable[..., Outcome]
) -> None:
    site = install("one", PACKS, {"one": "one"}, {"one/thing.toml": SPEC})
    install("two", PACKS, {"two": "two"}, {"two/thing.toml": SPEC})
    paths = [str(site / "one/thing.toml"), str(site / "two/thing.toml")]
    rows = listed(env={"PYTHONPATH": str(site)})["thing"]
    assert [(row["path"], row["state"]) for row in rows] == [(path, "broken") for path in paths]
    for row, other in zip(rows, reversed(paths), strict=True):
        assert row["faults"] == [
            f"{row['path']}: {other} has the same name in the same source; rename one of them"
        ]
    checked = ask("specs", "check", "thing", PYTHONPATH=str(site))
    assert checked.code == 1
    assert checked.stdout.splitlines() == [row["faults"][0] for row in rows]
    assert ask("thing", PYTHONPATH=str(site)).code == 1
    _others_work(ask, PYTHONPATH=str(site))


def test_one_name_in_two_listed_folders_is_a_fault_of_both(
    listed: Listed, ask: Callable[..., Outcome], tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thing.toml").write_text(SPEC)
    paths = os.pathsep.join(str(tmp_path / name) for name in ("a", "b", "c"))
    rows = listed(env={"CORPUS_BACKFILL_SPECS": paths})["thing"]
    assert [row["state"] for row in rows] == ["broken"] * 3
    assert [len(row["faults"]) for row in rows] == [2, 2, 2]
    assert ask("specs", "check", CORPUS_BACKFILL_SPECS=paths).stdout.count("has the same name") == 6


def test_rivals_below_a_later_source_harm_nobody(listed: Listed, install: Install, server: Server) -> None:
    site = install("one", PACKS, {"one": "one"}, {"one/thing.toml": SPEC})
    install("two", PACKS, {"two": "two"}, {"two/thing.toml": SPEC})
    server.spec("thing", 'script = "backfill_version_0.py"\n')
    rows = listed(env={"PYTHONPATH": str(site)})["thing"]
    assert [(row["source"], row["state"]) for row in rows] == [
        ("server", "ok"), ("pack one", "shadowed by server"), ("pack two", "shadowed by server")
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["runs", "specs", "doctor", "status"])
def test_a_reserved_name_is_a_fault(name: str, server: Server, ask: Callable[..., Outcome]) -> None:
    server.spec(name, 'script = "backfill_version_0.py"\n')
    assert ask("specs", "check", name).stdout == (
        f"{server.scripts / name}.toml: '{name}' is a command of the program itself; rename the file\n"
    )
    assert ask("specs", "list", "--json").stdout.count('"state": "broken"') == 1
    _others_work(ask)


@pytest.mark.parametrize("stem", ["Thing", "a_b", "a b", "-a", "ä", "a" * 65, "1st"])
def test_a_stem_that_is_no_name_is_a_fault(stem: str, server: Server, ask: Callable[..., Outcome]) -> None:
    server.spec(stem, 'script = "backfill_version_0.py"\n')
    checked = ask("specs", "check")
    assert checked.code == 1
    assert "is not lower case words joined by dashes; rename the file" in checked.stdout
    _others_work(ask)


def test_a_file_name_with_control_characters_is_told_and_never_printed(
    server: Server, ask: Callable[..., Outcome]
) -> None:
    server.spec("a\x1b[31m\nb\u202e\u200f\u061c", 'script = "backfill_version_0.py"\n')
    variable = "_PYTHON _M CORPUS_BACKFILL_PLUGIN_COMPLETE"  # click's, for `python -m`
    completion = {variable: "bash_complete", "COMP_WORDS": "backfill ", "COMP_CWORD": "1"}
    outcomes = [
        ask(*words)
        for words in (
            ("--help",),
            ("specs", "list"),
            ("specs", "list", "--json"),
            ("doctor",),
            ("specs", "docs"),
        )
    ]
    outcomes.append(ask(**completion))
    for outcome in outcomes:
        shown = outcome.stdout + outcome.stderr
        assert not [c for c in shown if c not in "\n\t" and not c.isprintable()]
    assert "version-0" in outcomes[-1].stdout
    assert "a\\x1b[31m\\nb\\u202e\\u200f\\u061c" in ask("specs", "check").stdout
    _others_work(ask)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _large(path: Path) -> None:
    path.write_text(SPEC + "# padding\n" * 110_000)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _dotted(path: Path) -> None:
    path.write_text(SPEC + "a" + ".a" * 200_000 + " = 1\n")


def _binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda p: p.mkdir(), "cannot be read: is a directory", id="a folder"),
        pytest.param(_fifo, "cannot be read: not a plain file", id="a pipe"),
        pytest.param(_endless, "cannot be read: not a plain file", id="a device"),
        pytest.param(_link, "cannot be read: no such file or directory", id="a dangling link"),
        pytest.param(_large, "1048577 bytes, 1048576 at most", id="larger than a megabyte"),
        pytest.param(_dotted, "a key of too many parts", id="a key that takes all memory"),
        pytest.param(_binary, "is not UTF-8", id="no text"),
    ],
)
def test_a_file_that_is_no_spec_costs_its_own_command(
    make: Callable[[Path], None], words: str, server: Server, ask: Callable[..., Outcome]
) -> None:
    make(server.scripts / "thing.toml")
    started = time.monotonic()
    outcome = ask("thing")
    assert outcome.code == 1
    assert words in outcome.stderr
    shown = ask("--help").stdout
    assert "thing" in shown.split()
    assert "[broken]" in shown
    assert words in ask("specs", "check", "thing").stdout
    _others_work(ask)
    assert time.monotonic() - started < 60, "nothing waits for a pipe or reads a device"


def test_a_folder_that_cannot_be_listed_is_told(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    folder.write_text("a file, no folder")
    outcome = ask("specs", "list", CORPUS_BACKFILL_SPECS=f"{folder}{os.pathsep}{tmp_path}/missing")
    assert outcome.code == 0
    assert outcome.stderr.splitlines() == [
        f"Warning: CORPUS_BACKFILL_SPECS: {folder} is not a folder",
        f"Warning: CORPUS_BACKFILL_SPECS: {tmp_path}/missing is not a folder",
    ]
    assert "Note: CORPUS_BACKFILL_SPECS" in ask("--help", CORPUS_BACKFILL_SPECS=str(folder)).stdout
    _others_work(ask, CORPUS_BACKFILL_SPECS=str(folder))


def _loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda p: p.write_text("no folder"), "not a directory", id="a file"),
        pytest.param(_loop, "too many levels of symbolic links", id="a loop"),
    ],
)
def test_an_operators_folder_that_cannot_be_read_is_told(
    make: Callable[[Path], None], words: str, ask: Callable[..., Outcome], tmp_path: Path
) -> None:
    folder = tmp_path / "home/.config/corpus-backfill/specs"
    folder.parent.mkdir(parents=True)
    make(folder)
    assert ask("specs", "list").stderr == f"Warning: operator specs in {folder}: {words}\n"
    _others_work(ask)


@pytest.mark.parametrize(
    ("value", "files", "words"),
    [
        pytest.param("gone", {}, "ModuleNotFoundError: no module named gone", id="not there"),
        pytest.param("bad.specs", {"bad/__init__.py": "1 / 0"}, "ZeroDivisionError", id="fails at import"),
        pytest.param("bad.specs", {"bad/__init__.py": "raise SystemExit(3)"}, "SystemExit: 3", id="exits"),
        pytest.param("bad.specs", {"bad/__init__.py": "import nowhere"}, "named 'nowhere'", id="lacks one"),
        pytest.param("bad:specs", {"bad/__init__.py": ""}, "is not a folder", id="no such folder"),
    ],
)  # fmt: skip
def test_a_pack_that_fails_costs_its_own_commands(
    value: str, files: dict[str, str], words: str, install: Install, ask: Callable[..., Outcome]
) -> None:
    site = install("bad-pack", PACKS, {"bad": value}, files)
    install("good-pack", PACKS, {"good": "good"}, {"good/thing.toml": SPEC})
    env = {"PYTHONPATH": str(site)}
    warned = ask("specs", "list", **env).stderr
    assert warned.startswith("Warning: pack bad: ")
    assert words in warned
    assert len(warned.splitlines()) == 1
    assert ask("thing", **env).code == 0
    assert "Note: pack bad" in " ".join(ask("--help", **env).stdout.split())
    _others_work(ask, **env)


GOOD = """
import click
@click.command(short_help="Say hello.")
@click.option("--loud", is_flag=True)
def hello(loud): click.echo("HELLO" if loud else "hello")
"""


def test_a_plugins_command_works(install: Install, ask: Callable[..., Outcome]) -> None:
    env = {"PYTHONPATH": str(install("greeter", COMMANDS, {"hello": "greeter:hello"}, {"greeter.py": GOOD}))}
    assert "hello      Say hello." in ask("--help", **env).stdout
    assert ask("hello", "--loud", **env).stdout == "HELLO\n"
    assert ask("hello", "--quiet", **env).code == 2
    _others_work(ask, **env)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param({"bad.py": "1 / 0"}, "ZeroDivisionError", id="fails at import"),
        pytest.param({"bad.py": "raise SystemExit(3)"}, "exits at import (3)", id="exits at import"),
        pytest.param({"bad.py": "bad = 5"}, "is a int, not a click command", id="no command"),
        pytest.param({}, "No module named 'bad'", id="not there"),
    ],
)
def test_a_broken_plugin_shows_as_broken_and_takes_nothing_down(
    files: dict[str, str], words: str, install: Install, cli: Cli, server: Server
) -> None:
    site = install("bad-plugin", COMMANDS, {"bad": "bad:bad"}, files)
    install("greeter", COMMANDS, {"hello": "greeter:hello"}, {"greeter.py": GOOD})
    env = {"PYTHONPATH": str(site), "CORPUS_SERVER_APP_PATH": str(server.folder)}
    shown = cli("--help", env=env)
    assert shown.code == 0
    assert "could not load plugin" in " ".join(shown.stdout.split())
    assert cli("hello", env=env).stdout == "hello\n"
    broken = cli("bad", env=env)
    assert broken.code == 1
    assert words in broken.stdout + broken.stderr
    assert cli("version-0", "--no-verify", env=env).code == 0
    findings = json.loads(cli("doctor", "--json", env=env).stdout)
    told = [f["text"] for f in findings if f["state"] == "error"]
    assert len([text for text in told if "'bad'" in text]) == 1


def test_a_spec_goes_before_a_plugins_command(install: Install, ask: Callable[..., Outcome]) -> None:
    site = install("greeter", COMMANDS, {"version-0": "greeter:hello"}, {"greeter.py": GOOD})
    assert "hello" not in ask("version-0", "--no-verify", PYTHONPATH=str(site)).stdout.split()
