"""`specs new`: a spec from a script, written where it belongs and never over anything."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from corpus_backfill_plugin.specs.reader import read_script

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cli, Server

SUBCOMMANDS = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--verbose", action="store_true")
commands = parser.add_subparsers(dest="command", required=True)
fill = commands.add_parser("fill", help="fill it in")
fill.add_argument("--limit", type=int)
drop = commands.add_parser("drop", help="take it out")
drop.add_argument("--force", action="store_true")
args = parser.parse_args()
print(args)
"""


def test_it_is_beside_the_script_with_the_schema(repository: Path, in_repository: Cli) -> None:
    outcome = in_repository("new", "backfill/transcribe.py")
    path = repository / "backfill/transcribe.toml"
    assert (outcome.code, outcome.stdout) == (0, "")
    assert outcome.stderr == (
        f"{path}: 0 TODOs; no command yet: {path.parent} is not a folder that is read, "
        "name it in CORPUS_BACKFILL_SPECS or use --server-path\n"
    )
    script, faults = read_script(path.read_bytes(), path.name)
    assert faults == ()
    assert script is not None
    assert [(o.name, o.type, o.default) for o in script.option] == [
        ("model", "str", "small"), ("beam-size", "int", 5)
    ]  # fmt: skip
    assert path.read_text().splitlines()[0] == "#:schema ./spec.schema.json"
    assert json.loads(path.with_name("spec.schema.json").read_text())["title"] == "corpus-backfill spec"


def test_a_name_in_the_servers_folder_is_enough(server: Server, cli: Cli, on_server: Cli) -> None:
    server.script("fill_it_in.py", "import argparse\nargparse.ArgumentParser().parse_args()\n")
    made = on_server("new", "fill_it_in.py")
    assert (made.code, (server.scripts / "fill-it-in.toml").is_file()) == (0, True)
    assert made.stderr.endswith("try it: backfill fill-it-in --help\n")
    assert cli("fill-it-in", "--server-path", str(server.folder), "--help").code == 0


def test_nothing_is_written_over(repository: Path, in_repository: Cli) -> None:
    path = repository / "backfill/transcribe.toml"
    path.write_text("mine")
    outcome = in_repository("new", "backfill/transcribe.py")
    assert (outcome.code, path.read_text()) == (1, "mine")
    assert outcome.stderr == f"Error: {path} is there already\nGive --name, or --output FILE.\n"
    path.unlink()
    path.symlink_to("nowhere.toml")
    assert in_repository("new", "backfill/transcribe.py").code == 1
    assert not (repository / "backfill/nowhere.toml").exists(), "a dangling link is something as well"


def test_name_and_output_say_otherwise(repository: Path, in_repository: Cli) -> None:
    assert in_repository("new", "backfill/transcribe.py", "--name", "words").code == 0
    assert 'examples = ["words --dry-run --limit 10"]' in (repository / "backfill/words.toml").read_text()
    (repository / "elsewhere").mkdir()
    placed = in_repository("new", "backfill/transcribe.py", "-o", "elsewhere/t.toml")
    assert (placed.code, placed.stderr) == (0, "elsewhere/t.toml: 0 TODOs\n")
    assert [path.name for path in (repository / "elsewhere").iterdir()] == ["t.toml"]
    text = (repository / "elsewhere/t.toml").read_text()
    assert "#:schema" not in text
    assert tomllib.loads(text)["script"] == "transcribe.py"


def test_a_dash_is_stdout_and_writes_nothing(repository: Path, in_repository: Cli) -> None:
    outcome = in_repository("new", "backfill/transcribe.py", "-o", "-")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert tomllib.loads(outcome.stdout)["script"] == "transcribe.py"
    assert [path.name for path in (repository / "backfill").iterdir()] == ["transcribe.py"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["./missing.py"], "cannot be read: No such file or directory", id="no such path"),
        pytest.param(["missing.py"], "no server app found", id="no such name, no server"),
        pytest.param(["backfill"], "no server app found", id="a folder's name"),
        pytest.param(["./backfill"], "cannot be read: Is a directory", id="a folder"),
        pytest.param(["backfill/broken.py"], "broken.py", id="no Python"),
        pytest.param(["backfill/binary.py"], "cannot be read", id="no text"),
        pytest.param(
            ["backfill/transcribe.py", "-o", "no/such/folder.toml"],
            "Error: no/such/folder.toml cannot be written: No such file or directory\nGive --output FILE.\n",
            id="no such place",
        ),
    ],
)
def test_what_cannot_be_read_or_written_is_reported(
    words: list[str], message: str, repository: Path, in_repository: Cli
) -> None:
    (repository / "backfill/broken.py").write_text("def (:\n")
    (repository / "backfill/binary.py").write_bytes(b"\xff\xfe")
    outcome = in_repository("new", *words)
    assert (outcome.code, outcome.stdout) == (1, "")
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not list(repository.rglob("*.toml"))


def test_what_is_not_known_is_counted(repository: Path, in_repository: Cli) -> None:
    script = repository / "backfill/odd.py"
    script.write_text(
        "import argparse, os\np = argparse.ArgumentParser()\n"
        "p.add_argument('--kind', choices=os.listdir('/'))\n"
        "p.add_argument('--how', type=open)\np.parse_args()\n"
    )
    outcome = in_repository("new", "backfill/odd.py")
    text = (repository / "backfill/odd.toml").read_text()
    count = text.count("# TODO")
    assert count >= 1
    assert f"odd.toml: {count} TODO{'s' * (count != 1)};" in outcome.stderr


def test_run_reads_a_parser_that_is_built_by_code(server: Server, on_server: Cli) -> None:
    server.script(
        "built.py",
        "import argparse, pathlib\n"
        "p = argparse.ArgumentParser()\n"
        "for name in 'size rate'.title().lower().split():\n"
        "    p.add_argument('--' + name, type=int, default=len(name))\n"
        "p.parse_args()\npathlib.Path('ran.txt').write_text('')\n",
    )
    assert on_server("new", "built.py", "--run").code == 0
    script, faults = read_script((server.scripts / "built.toml").read_bytes(), "built.toml")
    assert script is not None, faults
    assert [(o.name, o.default) for o in script.option] == [("size", 4), ("rate", 4)]
    assert not (server.folder / "ran.txt").exists(), "what follows the parsing did not happen"


def test_each_subcommand_gets_a_spec_of_its_own(server: Server, cli: Cli, on_server: Cli) -> None:
    server.script("tool.py", SUBCOMMANDS)
    fill, drop = server.scripts / "tool-fill.toml", server.scripts / "tool-drop.toml"
    drop.write_text("mine")
    assert on_server("new", "tool.py").code == 1
    assert not fill.exists(), "one that is there keeps the others from being written"
    drop.unlink()
    outcome = on_server("new", "tool.py")
    assert outcome.code == 0
    assert [line.partition(":")[0] for line in outcome.stderr.splitlines()] == [str(fill), str(drop)]
    done = cli("tool-fill", "--server-path", str(server.folder), "--verbose", "--limit", "3")
    assert "Namespace(verbose=True, command='fill', limit=3)" in done.stdout
    refused = on_server("new", "tool.py", "-o", "one.toml")
    assert refused.code == 1
    assert "tool.py has subcommands, each gets a spec of its own: tool-fill, tool-drop" in refused.stderr
    assert on_server("new", "tool.py", "-o", "-").stdout.count("spec-version = 1") == 2
