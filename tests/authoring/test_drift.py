"""What differs between a spec and its script: each kind with both sides, nothing false, and corrected."""

from __future__ import annotations

import json
import textwrap
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from corpus_backfill_plugin.authoring.drift import Drift, compare, located, unknown_words
from corpus_backfill_plugin.authoring.fix import fix
from corpus_backfill_plugin.parsers.source import read_source
from corpus_backfill_plugin.specs.reader import read_script

if TYPE_CHECKING:
    from corpus_backfill_plugin.parsers.model import ParserModel
    from corpus_backfill_plugin.specs.model import Script

SPEC = """\
# Durations, as the media team wants them.
spec-version = 1
script = "media_duration.py"
common = ["dry-run", "limit"]  # the database is in the server's settings

[[option]]
name = "media-type"  # what to look at
choices = ["audio", "video"]
default = "audio"

# Files read at the same time.
[[option]]
name = "workers"
type = "int"
default = 3

[[option]]
name = "force"
type = "bool"

[[option]]
name = "tag"
multiple = "repeat"

[[option]]
name = "collection"
required = true
"""

PARSER = """\
import argparse, os
p = argparse.ArgumentParser()
p.add_argument("--dry-run", action="store_true")
p.add_argument("--limit", type=int)
p.add_argument("--media-type", choices=["audio", "video"], default="audio")
p.add_argument("--workers", type=int, default=3)
p.add_argument("--force", action="store_true")
p.add_argument("--tag", action="append")
p.add_argument("--collection", required=True)
p.parse_args()
"""
NO_TAG = PARSER.replace('p.add_argument("--tag", action="append")\n', "")
COUNTING = "\n[output]\nresult = ['^pending={pending}']\n\n[postcondition]\nexpect = { pending = 0 }\nrun = "

CASES: dict[str, dict[str, list[str]]] = tomllib.loads(Path(__file__).with_name("cases.toml").read_text())
CHANGES = {name: (old, new, messages) for name, (old, new, *messages) in CASES["changes"].items()}
NOTES = {name: (old, new, reasons) for name, (old, new, *reasons) in CASES["notes"].items()}


def spec(text: str) -> Script:
    script, faults = read_script(text, "duration.toml")
    assert [str(fault) for fault in faults] == []
    assert script is not None
    return script


def parser(text: str) -> ParserModel:
    return read_source(text, "media_duration.py")


def more(*calls: str, script: str = PARSER) -> str:
    """Return the script with further calls of `add_argument`."""
    added = "".join(f"p.add_argument({call})\n" for call in calls)
    return script.replace("p.parse_args()", f"{added}p.parse_args()")


def having(*lines: str) -> str:
    """Return the spec with further keys of its own."""
    return SPEC.replace("\n\n", "\n".join(["", *lines, "", ""]), 1)


def drift(toml: str, python: str) -> list[str]:
    """Return what is drift, as `specs check` shows it behind the file's name; notes are left out."""
    certain = tuple(d for d in compare(spec(toml), parser(python)) if d.certain)
    return [str(fault).removeprefix("duration.toml:") for fault in located(certain, toml, "duration.toml")]


def notes(toml: str, python: str) -> list[str]:
    drifts = compare(spec(toml), parser(python))
    assert not [d for d in drifts if d.certain]
    return [d.problem.removeprefix("could not be compared: ") for d in drifts]


def fixed(toml: str, python: str) -> str:
    return fix(toml, compare(spec(toml), parser(python)))


@pytest.mark.parametrize(("old", "new", "messages"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_reported_with_both_sides_and_corrected(old: str, new: str, messages: list[str]) -> None:
    assert drift(SPEC, PARSER) == []
    changed = PARSER.replace(old, new)
    assert changed != PARSER
    assert sorted(drift(SPEC, changed)) == sorted(messages)
    after = fixed(SPEC, changed)
    assert drift(after, changed) == []
    assert after != SPEC
    for comment in ("# Durations, as the media team", "# the database is in", "# what to look at"):
        assert comment in after
    names = [option.name for option in spec(after).option]
    kept = [name for name in ("media-type", "workers", "force", "tag", "collection") if name in names]
    assert [name for name in names if name in kept] == kept
    assert fixed(after, changed) == after


def test_all_changes_at_once_are_corrected() -> None:
    changed = (
        more('"--quiet", "-q", action="store_true"', script=NO_TAG)
        .replace("--workers", "--max-workers").replace("default=3", "default=9")
        .replace('"audio", "video"]', '"audio", "video", "image"]')
        .replace('p.add_argument("--limit", type=int)\n', "")
    )  # fmt: skip
    assert len(drift(SPEC, changed)) == 6
    after = fixed(SPEC, changed)
    assert drift(after, changed) == []
    (workers,) = (option for option in spec(after).option if option.name == "workers")
    assert (workers.flag, workers.default) == ("--max-workers", 9)


@pytest.mark.parametrize(("old", "new"), CASES["fine"].values(), ids=CASES["fine"])
def test_what_a_spec_does_on_purpose_is_no_drift(old: str, new: str) -> None:
    changed = SPEC.replace(old, new)
    assert changed != SPEC
    assert drift(changed, PARSER) == []


def test_what_is_left_out_on_purpose_is_no_drift() -> None:
    verbose = more('"-v", "--verbose", action="count"')
    assert drift(SPEC, verbose)
    assert drift(having('unlisted = ["--verbose"]'), verbose) == []
    assert drift(having('unlisted = ["-v"]'), verbose) == []

    choices = PARSER.replace('["audio", "video"]', '["audio", "video", "raw", "all"]')
    every = having('unlisted = ["--media-type=*"]')
    sides = "the spec allows 'audio', 'video', the script 'audio', 'video', 'raw', 'all'"
    one = drift(having('unlisted = ["--media-type=raw"]'), choices)
    assert one == [f"9: option.media-type.choices: {sides}"]
    assert drift(every, choices) == []
    assert drift(every, PARSER.replace('choices=["audio", "video"], ', "")) == []


def test_flags_of_the_postcondition_and_of_fixed_words_are_known() -> None:
    script = more('"--remaining", action="store_true"', '"--mode"')
    assert len(drift(SPEC, script)) == 2
    assert drift(having('fixed-args = ["--mode=full"]') + COUNTING + '["--remaining"]\n', script) == []


@pytest.mark.parametrize(
    ("words", "parsing", "unknown"),
    [
        pytest.param("--remaining", "p.parse_args()", ["--remaining"], id="an option"),
        pytest.param("--remaining", "p.parse_known_args()", ["--remaining"], id="a script that ignores it"),
        pytest.param("count", "p.parse_args()", ["count"], id="an argument"),
        pytest.param("--workers=1 --media-type audio --forc", "p.parse_args()", [], id="a short form"),
        pytest.param("--remaining", "p.add_argument(*names())\np.parse_args()", [], id="was not read"),
    ],
)
def test_words_of_the_postcondition_have_to_be_the_scripts(
    words: str, parsing: str, unknown: list[str]
) -> None:
    counting = f"{SPEC}{COUNTING}{json.dumps(words.split())}\n"
    script = PARSER.replace("p.parse_args()", parsing)
    line = len(counting.splitlines())
    said = f"{line}: postcondition.run: the spec counts by {{}}, the script does not have it"
    assert [d for d in drift(counting, script) if "postcondition" in d] == [*map(said.format, unknown)]
    if "names()" in parsing:
        assert "--remaining was not seen in the script" in notes(counting, script)


def test_words_of_the_postcondition_belong_to_the_subcommand_that_gets_them() -> None:
    script = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--remaining', action='store_true')\n"
        "s = p.add_subparsers()\nr = s.add_parser('run')\np.parse_known_args()\n"
    )
    run = spec('spec-version = 1\nscript = "x.py"\ncommon = []\nsubcommand = "run"\n')
    assert unknown_words(run, parser(script), ("--remaining",)) == ("--remaining",)


@pytest.mark.parametrize(("old", "new", "reasons"), NOTES.values(), ids=NOTES)
def test_what_cannot_be_known_is_a_note_and_no_drift(old: str, new: str, reasons: list[str]) -> None:
    changed = new if old == "*" else PARSER.replace(old, new)
    assert changed != PARSER
    assert notes(SPEC, changed) == reasons


def test_an_option_that_may_be_there_is_not_lost_when_the_rest_is_passed_on() -> None:
    passing = NO_TAG.replace("parse_args", "parse_known_args")
    assert notes(SPEC, passing) == ["--tag was not seen in the script"]


def test_a_database_that_the_script_wants_on_its_command_line_is_reported() -> None:
    wants = more('"--database-url", required=True')
    hands = SPEC.replace('["dry-run", ', '["database-url", "dry-run", ')
    message = "4: common.database-url: the spec hands it over in DATABASE_URL, "
    message += "the script requires --database-url on its command line"
    assert drift(hands, wants) == [message]
    # No key of the spec makes up for that: it stays until the script reads the variable.
    assert drift(fixed(hands, wants), wants) == [message]
    assert drift(hands, more('"--database-url"')) == []


SUBCOMMANDS = """\
import argparse
p = argparse.ArgumentParser()
p.add_argument("--verbose", action="store_true")
s = p.add_subparsers(required=True)
a = s.add_parser("rebuild")
a.add_argument("--batch", type=int, default=5)
b = s.add_parser("prune")
b.add_argument("--days", type=int)
p.parse_args()
"""
SUBCOMMAND_SPEC = """\
spec-version = 1
script = "index.py"
common = []
subcommand = "rebuild"

[[option]]
name = "verbose"
type = "bool"
before-subcommand = true

[[option]]
name = "batch"
type = "int"
default = 5
"""


def test_a_subcommand_is_compared_with_its_own_parser() -> None:
    assert drift(SUBCOMMAND_SPEC, SUBCOMMANDS) == []
    none = SUBCOMMAND_SPEC.replace('subcommand = "rebuild"\n', "").replace("before-subcommand = true\n", "")
    for toml, python, message in (
        (
            SUBCOMMAND_SPEC, SUBCOMMANDS.replace("default=5", "default=6"),
            "14: option.batch.default: the spec sends 5, the script's default is 6",
        ),
        (
            SUBCOMMAND_SPEC, SUBCOMMANDS.replace('"rebuild"', '"build"'),
            "4: subcommand: the script has no subcommand 'rebuild', it has 'build', 'prune'",
        ),
        (
            none, SUBCOMMANDS,
            "2: subcommand: the script needs a subcommand ('rebuild', 'prune'), the spec has none",
        ),
    ):  # fmt: skip
        assert drift(toml, python) == [message]


def test_an_option_gained_before_the_subcommand_is_added_there() -> None:
    script = SUBCOMMANDS.replace("s = p.add", 'p.add_argument("--quiet", action="store_true")\ns = p.add')
    after = fixed(SUBCOMMAND_SPEC, script)
    assert drift(after, script) == []
    places = {option.name: option.before_subcommand for option in spec(after).option}
    assert places == {"verbose": True, "batch": False, "quiet": True}


def test_what_speaks_of_a_lost_option_goes_with_it() -> None:
    related = SPEC.replace('name = "force"', 'name = "force"\nrequires = ["tag"]') + textwrap.dedent("""
        [[group]]
        members = ["tag", "workers"]
        rule = "at-most-one"

        [[group]]
        members = ["tag", "workers", "force"]
        rule = "at-least-one"
    """)
    after = spec(fixed(related, NO_TAG))
    assert [group.members for group in after.group] == [("workers", "force")]
    assert all(not option.requires for option in after.option)


def test_options_written_on_one_line_are_corrected_too() -> None:
    short = 'spec-version = 1\nscript = "x.py"\ncommon = []\n'
    short += 'option = [{ name = "a" }, { name = "b", type = "int", default = 1 }]\n'
    python = 'import argparse\np = argparse.ArgumentParser()\np.add_argument("--b", type=int, default=2)\n'
    python += 'p.add_argument("--cc")\np.parse_args()\n'
    after = fixed(short, python)
    assert drift(after, python) == []
    assert [option.name for option in spec(after).option] == ["b", "cc"]


def test_a_spec_that_says_nothing_of_common_is_given_what_the_script_has() -> None:
    bare = 'spec-version = 1\nscript = "x.py"\n\n[output]\nprogress = "tqdm"\n'
    after = fixed(bare, "import argparse\nargparse.ArgumentParser().parse_args()\n")
    assert spec(after).common == ("database-url",)
    assert after.index("common") < after.index("[output]")


def test_a_drift_knows_the_option_it_is_about() -> None:
    (only,) = compare(spec(SPEC), parser(PARSER.replace("default=3", "default=4")))
    assert isinstance(only, Drift)
    assert (only.change, only.path) == ("default", ("option", 1, "default"))
    assert only.parsed is not None
    assert only.parsed.default == 4
