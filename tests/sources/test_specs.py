"""Where specs and commands come from: which one is active, and what is wrong with one costs nothing else."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Backfill, Cli, Outcome, Server
from tools import cases, install

SPEC = 'spec-version = 1\nscript = "backfill_version_0.py"\n'
OWN = 'script = "backfill_version_0.py"\n'
PACKS = "corpus_backfill_plugin.specs"
COMMANDS = "corpus_backfill_plugin.commands"
GOOD = """
import click
@click.command(short_help="Say hello.")
@click.option("--loud", is_flag=True)
def hello(loud): click.echo("HELLO" if loud else "hello")
"""


class House:
    """The program with a server app, and packages installed for it by their metadata."""

    def __init__(self, cli: Cli, backfill: Backfill, server: Server, folder: Path) -> None:
        self.cli, self.backfill, self.folder = cli, backfill, folder
        self.env = {"CORPUS_SERVER_APP_PATH": str(server.folder), "CORPUS_BACKFILL_PYTHON": sys.executable}
        self.site = folder / "site"
        self.operators = folder / "home/.config/corpus-backfill/specs"

    def __call__(self, *words: str, **env: str) -> Outcome:
        """Call the program: as a process where packages are installed for it, else in this one."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.env.items():
                patch.setenv(name, value)
            outcome = (self.cli if env or self.site.exists() else self.backfill)(*words, env=env)
        assert "Traceback" not in outcome.stderr
        return outcome

    def listed(self, name: str) -> list[dict[str, Any]]:
        """Return what `specs list --json` says of a name."""
        outcome = self("specs", "list", "--json")
        assert outcome.code == 0, outcome.stderr
        return [row for row in outcome.told if row["name"] == name]

    def states(self, name: str) -> list[tuple[str, str]]:
        """Return source and state of each spec of a name."""
        return [(row["source"], row["state"]) for row in self.listed(name)]

    def pack(self, name: str, value: str, files: dict[str, str], group: str = PACKS) -> Path:
        """Install a package with one entry point."""
        point, _, target = value.rpartition("=")
        self.env["PYTHONPATH"] = str(self.site)
        return install(self.site, name, group, {point or name: target}, files)

    def spec(self, folder: Path, name: str, text: str = "") -> Path:
        """Write a spec into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.toml"
        path.write_text(SPEC + text)
        return path

    def others_work(self) -> None:
        """Check that another command runs and is listed."""
        assert self("version-0", "--no-verify").code == 0
        assert "version-0" in self("--help").stdout.split()


@pytest.fixture
def house(cli: Cli, backfill: Backfill, server: Server, tmp_path: Path) -> House:
    return House(cli, backfill, server, tmp_path)


def test_each_later_source_replaces_the_earlier_and_is_seen_to(house: House, server: Server) -> None:
    assert house.states("version-0") == [("shipped", "ok")]
    order = ["shipped"]
    house.pack("a-pack", "extra=a_pack", {"a_pack/version-0.toml": f'{SPEC}short-help = "pack"'})
    more = house.folder / "more"
    for source, folder in (
        ("pack extra", house.site / "a_pack"),
        ("server", server.scripts),
        ("operator", house.operators),
        ("CORPUS_BACKFILL_SPECS", more),
    ):
        path = house.spec(folder, "version-0", f'short-help = "from {source}"')
        if folder == more:
            house.env["CORPUS_BACKFILL_SPECS"] = str(more)
        order.insert(0, source)
        rows = house.listed("version-0")
        assert [row["source"] for row in rows] == order
        assert (rows[0]["state"], rows[0]["path"]) == ("ok", str(path))
        assert {row["state"] for row in rows[1:]} == {f"shadowed by {source}"}
    assert "version-0  from CORPUS_BACKFILL_SPECS" in house("--help").stdout


def test_a_spec_is_replaced_whole(server: Server, house: House) -> None:
    server.spec("duration", 'script = "media_duration.py"\ncommon = []\n')
    assert house("duration").told["argv"] == [], "no default of the shipped spec is left"
    assert house("duration", "--workers", "3").code == 2


def test_a_spec_can_be_hidden(server: Server, house: House) -> None:
    server.spec("snr", 'script = "snr_frequency.py"\nhidden = true\n')
    shown = house("--help").stdout
    assert "snr" not in shown.split()
    assert "duration" in shown.split()
    assert house.states("snr") == [("server", "hidden"), ("shipped", "shadowed by server")]


def test_the_list_names_script_state_and_path(server: Server, cli: Cli) -> None:
    (server.scripts / "file_hashing.py").unlink()
    server.spec("broken", 'scirpt = "x.py"\n')
    outcome = cli("specs", "list", "--server-path", str(server.folder))
    assert outcome.code == 2, "the group's option stands before the command"
    rows = cli("--server-path", str(server.folder), "specs", "list").rows
    assert [row[0] for row in rows] == ["broken", "duration", "file-hash", "snr", "version-0"]
    assert rows[0] == ["broken", "server", "-", "broken", str(server.scripts / "broken.toml")]
    assert rows[2][1:4] == ["shipped", "file_hashing.py", "script missing"]


def test_a_pack_is_a_module_or_a_folder_of_one_and_runs_the_servers_script(house: House) -> None:
    imported = {"one/__init__.py": "raise SystemExit('not imported')", "one/a-one.toml": SPEC}
    house.pack("one", "one", imported)
    house.pack("two", "two:specs/inner", {"two/specs/inner/a-two.toml": SPEC})
    house.pack("three", "three", {"three.py": "", "a-three.toml": SPEC})
    for name in ("one", "two", "three"):
        assert house.listed(f"a-{name}")[0]["source"] == f"pack {name}"
    assert house("a-one").told["script"] == "backfill/backfill_version_0.py"


def test_a_folder_listed_twice_is_no_rival_of_itself(house: House, tmp_path: Path) -> None:
    house.spec(tmp_path / "a", "thing")
    house.env["CORPUS_BACKFILL_SPECS"] = os.pathsep.join((f"{tmp_path}/a", "", f"{tmp_path}/a/../a"))
    assert [state for _, state in house.states("thing")] == ["ok"]


def test_without_a_server_help_works_and_says_so_in_one_line(cli: Cli) -> None:
    outcome = cli("--help")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "duration" in outcome.stdout
    notes = [line for line in outcome.stdout.splitlines() if line.startswith("Note:")]
    assert notes == ["Note: no server app found; see 'doctor'."]
    assert cli("specs", "list", "--json").told[0]["state"] == "ok"
    cli("theirs").refused("(No server app was found; its own specs are not known.)", code=2)


def test_one_name_in_two_packs_is_a_fault_of_both(house: House) -> None:
    for name in ("one", "two"):
        house.pack(name, name, {f"{name}/thing.toml": SPEC})
    paths = [str(house.site / name / "thing.toml") for name in ("one", "two")]
    rows = house.listed("thing")
    assert [(row["path"], row["state"]) for row in rows] == [(path, "broken") for path in paths]
    for row, other in zip(rows, reversed(paths), strict=True):
        fault = f"{row['path']}: {other} has the same name in the same source; rename one of them"
        assert row["faults"] == [fault]
    checked = house("specs", "check", "thing")
    assert (checked.code, checked.stdout.splitlines()) == (1, [row["faults"][0] for row in rows])
    assert house("thing").code == 1
    house.others_work()


def test_one_name_in_two_listed_folders_is_a_fault_of_both(house: House, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        house.spec(folder, "thing")
    house.env["CORPUS_BACKFILL_SPECS"] = os.pathsep.join(map(str, folders))
    rows = house.listed("thing")
    assert [(row["state"], len(row["faults"])) for row in rows] == [("broken", 2)] * 3
    assert house("specs", "check").stdout.count("has the same name") == 6


def test_rivals_below_a_later_source_harm_nobody(house: House, server: Server) -> None:
    for name in ("one", "two"):
        house.pack(name, name, {f"{name}/thing.toml": SPEC})
    server.spec("thing", OWN)
    shadowed = [(f"pack {name}", "shadowed by server") for name in ("one", "two")]
    assert house.states("thing") == [("server", "ok"), *shadowed]


NO_NAME = "is not lower case words joined by dashes; rename the file"
STEMS = dict.fromkeys(("Thing", "a_b", "a b", "-a", "ä", "a" * 65, "1st"), NO_NAME) | {
    name: f"'{name}' is a command of the program itself; rename the file"
    for name in ("runs", "specs", "doctor", "status")
}


@pytest.mark.parametrize(("stem", "said"), STEMS.items(), ids=STEMS)
def test_a_file_whose_name_is_no_command_is_a_fault(
    stem: str, said: str, server: Server, house: House
) -> None:
    server.spec(stem, OWN)
    checked = house("specs", "check")
    (line,) = [each for each in checked.stdout.splitlines() if f"{stem}.toml: " in each]
    assert (checked.code, line.startswith(f"{server.scripts}/"), line.endswith(said)) == (1, True, True)
    assert house("specs", "list", "--json").stdout.count('"state": "broken"') == 1
    house.others_work()


def test_a_file_name_with_control_characters_is_told_and_never_printed(server: Server, house: House) -> None:
    server.spec("a\x1b[31m\nb\u202e\u200f\u061c", OWN)
    variable = "_PYTHON _M CORPUS_BACKFILL_PLUGIN_COMPLETE"  # click's, for `python -m`
    completion = {variable: "bash_complete", "COMP_WORDS": "backfill ", "COMP_CWORD": "1"}
    lines = ("--help", "specs list", "specs list --json", "doctor", "specs docs")
    outcomes = [*(house(*line.split()) for line in lines), house(**completion)]
    for outcome in outcomes:
        shown = outcome.stdout + outcome.stderr
        assert not [c for c in shown if c not in "\n\t" and not c.isprintable()]
    assert "version-0" in outcomes[-1].stdout
    assert "a\\x1b[31m\\nb\\u202e\\u200f\\u061c" in house("specs", "check").stdout
    house.others_work()


NO_SPECS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "cannot be read: is a directory"),
    "a pipe": (os.mkfifo, "cannot be read: not a plain file"),
    "a device": (lambda p: p.symlink_to("/dev/zero"), "cannot be read: not a plain file"),
    "a dangling link": (lambda p: p.symlink_to("nowhere"), "cannot be read: no such file or directory"),
    "large": (lambda p: p.write_text(SPEC + "# padding\n" * 110_000), "1048577 bytes, 1048576 at most"),
    "a long key": (lambda p: p.write_text(f"{SPEC}a{'.a' * 200_000} = 1\n"), "a key of too many parts"),
    "no text": (lambda p: p.write_bytes(b"\xff\xfe\x00"), "is not UTF-8"),
}


@pytest.mark.parametrize(("make", "words"), NO_SPECS.values(), ids=NO_SPECS)
def test_a_file_that_is_no_spec_costs_its_own_command(
    make: Callable[[Path], object], words: str, server: Server, house: House
) -> None:
    make(server.scripts / "thing.toml")
    started = time.monotonic()
    house("thing").refused(words)
    shown = house("--help").stdout
    assert "thing" in shown.split()
    assert "[broken]" in shown
    assert words in house("specs", "check", "thing").stdout
    house.others_work()
    assert time.monotonic() - started < 60, "nothing waits for a pipe or reads a device"


def test_a_folder_that_cannot_be_listed_is_told(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    folder.write_text("a file, no folder")
    house.env["CORPUS_BACKFILL_SPECS"] = f"{folder}{os.pathsep}{tmp_path}/missing"
    outcome = house("specs", "list")
    assert outcome.code == 0
    assert outcome.stderr.splitlines() == [
        f"Warning: CORPUS_BACKFILL_SPECS: {path} is not a folder" for path in (folder, tmp_path / "missing")
    ]
    assert "Note: CORPUS_BACKFILL_SPECS" in house("--help").stdout
    house.others_work()


@pytest.mark.parametrize("kind", ["a file", "a loop"])
def test_an_operators_folder_that_cannot_be_read_is_told(kind: str, house: House) -> None:
    house.operators.parent.mkdir(parents=True)
    if kind == "a loop":
        house.operators.symlink_to(house.operators)
    else:
        house.operators.write_text("no folder")
    why = "too many levels of symbolic links" if kind == "a loop" else "not a directory"
    assert house("specs", "list").stderr == f"Warning: operator specs in {house.operators}: {why}\n"
    house.others_work()


@pytest.mark.parametrize(
    ("value", "code", "words"),
    cases("""
        not there        | gone      |                     | ModuleNotFoundError: no module named gone
        fails at import  | bad.specs | 1 / 0               | ZeroDivisionError
        exits            | bad.specs | raise SystemExit(3) | SystemExit: 3
        lacks one        | bad.specs | import nowhere      | named 'nowhere'
        no such folder   | bad:specs |                     | is not a folder
    """),
)
def test_a_pack_that_fails_costs_its_own_commands(value: str, code: str, words: str, house: House) -> None:
    house.pack("bad-pack", f"bad={value}", {} if value == "gone" else {"bad/__init__.py": code})
    house.pack("good-pack", "good", {"good/thing.toml": SPEC})
    warned = house("specs", "list").stderr
    assert warned.startswith("Warning: pack bad: ")
    assert words in warned
    assert len(warned.splitlines()) == 1
    assert house("thing").code == 0
    assert "Note: pack bad" in " ".join(house("--help").stdout.split())
    house.others_work()


def test_a_plugins_command_works(house: House) -> None:
    house.pack("greeter", "hello=greeter:hello", {"greeter.py": GOOD}, COMMANDS)
    assert "hello      Say hello." in house("--help").stdout
    assert house("hello", "--loud").stdout == "HELLO\n"
    assert house("hello", "--quiet").code == 2
    house.others_work()


@pytest.mark.parametrize(
    ("code", "words"),
    cases("""
        fails at import  | 1 / 0               | ZeroDivisionError
        exits at import  | raise SystemExit(3) | exits at import (3)
        no command       | bad = 5             | is a int, not a click command
        not there        |                     | No module named 'bad'
    """),
)
def test_a_broken_plugin_shows_as_broken_and_takes_nothing_down(code: str, words: str, house: House) -> None:
    house.pack("bad-plugin", "bad=bad:bad", {"bad.py": code} if code else {}, COMMANDS)
    house.pack("greeter", "hello=greeter:hello", {"greeter.py": GOOD}, COMMANDS)
    shown = house("--help")
    assert shown.code == 0
    assert "could not load plugin" in " ".join(shown.stdout.split())
    assert house("hello").stdout == "hello\n"
    broken = house.cli("bad", env=house.env)  # its traceback is shown
    assert broken.code == 1
    assert words in broken.stdout + broken.stderr
    assert house("version-0", "--no-verify").code == 0
    errors = [each["text"] for each in house("doctor", "--json").told if each["state"] == "error"]
    assert len([text for text in errors if "'bad'" in text]) == 1


def test_a_spec_goes_before_a_plugins_command(house: House) -> None:
    house.pack("greeter", "version-0=greeter:hello", {"greeter.py": GOOD}, COMMANDS)
    assert "hello" not in house("version-0", "--no-verify").stdout.split()
