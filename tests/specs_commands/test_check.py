"""`specs check`: what it says, where, and how it ends."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli, Outcome, Server

ROOT = Path(__file__).resolve().parents[2]
SPEC = """\
# The team's own words.
spec-version = 1
script = "transcribe.py"
common = ["dry-run", "limit"]

# Which model: larger is slower.
[[option]]
name = "model"  # not the language
choices = ["small", "large"]
default = "small"

[[option]]
name = "beam-size"
type = "int"
default = 5
"""


@pytest.fixture
def spec(repository: Path) -> Path:
    """A spec that fits its script."""
    path = repository / "backfill/transcribe.toml"
    path.write_text(SPEC)
    return path


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_fits_is_silence_and_0(spec: Path, in_repository: Cli) -> None:
    outcome = in_repository("check", "backfill/transcribe.toml")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert outcome.stderr == "1 spec checked: no faults or drift\n"
    assert in_repository("check", "--json", str(spec)).stdout == "[]\n"


def test_faults_are_reported_all_at_once_by_line(spec: Path, in_repository: Cli) -> None:
    _edit(spec, 'choices = ["small", "large"]', 'choises = ["small", "large"]')
    _edit(spec, "default = 5", 'default = "5"')
    text = spec.read_text()
    outcome = in_repository("check", "--fix", "backfill/transcribe.toml")
    assert (outcome.code, spec.read_text()) == (1, text)
    assert outcome.stdout.splitlines() == [
        "backfill/transcribe.toml:9: option.model.choises: unknown key; did you mean 'choices'?",
        (
            "backfill/transcribe.toml:15: option.beam-size.default: type int wants a whole number, got text; "
            "write 5 without quotes"
        ),
    ]
    assert outcome.stderr == "1 spec checked: 2 faults or drift\n"
    assert json.loads(in_repository("check", "--json", "backfill/transcribe.toml").stdout)[0] == {
        "kind": "fault", "file": "backfill/transcribe.toml", "line": 9, "key": "option.model.choises",
        "problem": "unknown key", "hint": "did you mean 'choices'?",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["backfill/transcribe.toml", "backfill/transcribe.py"])
def test_drift_shows_both_sides(word: str, spec: Path, in_repository: Cli) -> None:
    script = spec.with_suffix(".py")
    _edit(script, '"large"]', '"large", "turbo"]')
    _edit(script, '"--beam-size", type=int, default=5', '"--width", type=float, required=True')
    outcome = in_repository("check", word)
    assert outcome.code == 1
    assert [line.removeprefix("backfill/transcribe.toml:") for line in outcome.stdout.splitlines()] == [
        (
            "3: option.width: the script has --width (one value, float, required), "
            "the spec does not; add it, or write unlisted = ['--width']"
        ),
        "9: option.model.choices: the spec allows 'small', 'large', the script 'small', 'large', 'turbo'",
        "12: option.beam-size: the spec sends --beam-size, the script does not have it; remove it",
    ]
    assert outcome.stderr == "1 spec checked: 3 faults or drift\n"


def test_fix_brings_the_spec_into_line_and_keeps_comments(spec: Path, in_repository: Cli) -> None:
    script = spec.with_suffix(".py")
    _edit(script, '"large"]', '"large", "turbo"]')
    _edit(script, "default=5", "default=7")
    spec.chmod(0o640)
    outcome = in_repository("check", "--fix", "backfill/transcribe.py")
    assert (outcome.code, outcome.stdout) == (0, "")
    wanted = SPEC.replace('"large"]', '"large", "turbo"]').replace("default = 5", "default = 7")
    assert spec.read_text() == wanted
    assert spec.stat().st_mode & 0o777 == 0o640
    assert in_repository("check", "backfill/transcribe.py").code == 0


def test_fix_refuses_what_belongs_to_a_package(server: Server, on_server: Cli) -> None:
    server.script("file_hashing.py", "import argparse\nargparse.ArgumentParser().parse_args()\n")
    outcome = on_server("check", "--fix", "file-hash")
    assert outcome.code == 1
    assert "file-hash.toml: script: " in outcome.stdout
    assert "belongs to an installed package and is not edited; Copy it beside the script" in outcome.stdout


def test_a_changed_script_is_compared_with_the_shipped_specs_too(
    repository: Path, in_repository: Cli
) -> None:
    (repository / "backfill/file_hashing.py").write_text(
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--dry-run', action='store_true')\n"
        "p.add_argument('--limit', type=int)\np.add_argument('--ids-file')\n"
        "p.add_argument('--remaining', action='store_true')\n"
        "p.add_argument('--algorithm', choices=['md5'], default='md5')\np.parse_args()\n"
    )
    outcome = in_repository("check", "backfill/file_hashing.py")
    assert outcome.code == 1
    assert "file-hash.toml:" in outcome.stdout
    assert "option.algorithm.choices" in outcome.stdout
    (repository / "backfill/file-hash.toml").write_text(
        'spec-version = 1\nscript = "file_hashing.py"\nunlisted = ["--ids-file", "--remaining"]\n'
        'common = ["dry-run", "limit"]\n[[option]]\nname = "algorithm"\nchoices = ["md5"]\ndefault = "md5"\n'
    )
    own = in_repository("check", "backfill/file_hashing.py")
    assert (own.code, own.stdout) == (0, ""), "the team's own spec replaces the shipped one"


def test_everything_active_is_checked_without_a_name(server: Server, on_server: Cli) -> None:
    server.spec("old", 'script = "gone.py"\nhidden = true\n')
    every = on_server("check")
    assert ("gone.py" in every.stdout, "4 specs checked" in every.stderr) == (False, True)
    named = on_server("check", "old")
    assert (named.code, "gone.py" in named.stdout) == (1, True)
    server.spec("broken", "script = 5\n")
    outcome = on_server("check")
    assert outcome.code == 1
    assert outcome.stderr.startswith("5 specs checked: ")
    assert f"{server.scripts}/broken.toml:2: script: expected text, got a whole number" in outcome.stdout


def test_what_is_missing_is_reported(repository: Path, in_repository: Cli) -> None:
    alone = in_repository("check", "backfill/transcribe.py")
    assert (alone.code, alone.stderr) == (0, "0 specs checked: no faults or drift\n")
    none = in_repository("check", "backfill/none.toml")
    message = "backfill/none.toml: cannot be read: no such file or directory; check the file\n"
    assert (none.code, none.stdout) == (1, message)
    (repository / "backfill/transcribe.toml").write_text(SPEC)
    (repository / "backfill/transcribe.py").unlink()
    outcome = in_repository("check", "backfill/transcribe.toml")
    assert outcome.code == 1
    assert "backfill/transcribe.py cannot be read: No such file or directory" in outcome.stdout
    gone = in_repository("check", "backfill/transcribe.py")
    assert (gone.code, gone.stderr.splitlines()[0]) == (1, "Error: backfill/transcribe.py is not a file")


def test_run_reads_what_the_source_hides(server: Server, on_server: Cli) -> None:
    server.script(
        "built.py",
        "import argparse\np = argparse.ArgumentParser()\n"
        "for n in 'size rate'.title().lower().split():\n    p.add_argument('--' + n, type=int)\n"
        "p.parse_args()\n",
    )
    server.spec("built", 'script = "built.py"\ncommon = []\n[[option]]\nname = "size"\ntype = "int"\n')
    outcome = on_server("check", "built", "--run")
    assert outcome.code == 1
    assert "the script has --rate" in outcome.stdout
    assert on_server("check", "built", "--run", "--fix").code == 0
    assert 'name = "rate"' in (server.scripts / "built.toml").read_text()


def _run_hook(repository: Path, cli: Cli) -> Outcome | None:
    """Commit everything, and run the hook as pre-commit does: changed files that match are appended."""
    lines = (ROOT / ".pre-commit-hooks.yaml").read_text().splitlines()
    keys = dict(line.strip("- ").split(": ", 1) for line in lines)
    program, *words = shlex.split(keys["entry"])
    assert (keys["id"], keys["language"], program) == ("corpus-backfill-specs", "python", "corpus-backfill")
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(repository))
    subprocess.run([*git, "add", "-A"], check=True)
    listing = [*git, "diff", "--staged", "--name-only", "--no-ext-diff", "--diff-filter=ACMRTUXB"]
    changed = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.splitlines()
    subprocess.run([*git, "commit", "-qm", "all"], check=True)
    matching = [name for name in changed if re.search(keys["files"], name)]
    return cli(*words, *matching, cwd=repository) if matching else None


def test_the_hook_checks_what_a_commit_changes(spec: Path, repository: Path, cli: Cli) -> None:
    (repository / "README.md").write_text("a server app\n")
    (repository / "pyproject.toml").write_text("[project]\n")
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    first = _run_hook(repository, cli)
    assert first is not None
    assert (first.code, first.stdout, first.stderr) == (0, "", "1 spec checked: no faults or drift\n")
    for path, old, new, message in (
        (spec.with_suffix(".py"), "default=5", "default=6", "15: option.beam-size.default: "),
        (spec, "default = 5", "defualt = 6", "15: option.beam-size.defualt: unknown key"),
    ):
        _edit(path, old, new)
        outcome = _run_hook(repository, cli)
        assert outcome is not None
        assert outcome.code == 1
        assert outcome.stdout.startswith(f"backfill/transcribe.toml:{message}")
    (repository / "README.md").write_text("changed\n")
    assert _run_hook(repository, cli) is None
