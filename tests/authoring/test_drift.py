"""What differs between a spec and its script: each kind with both sides, nothing false, and corrected."""

from __future__ import annotations

import json
import textwrap
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
import argparse
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


def spec(text: str) -> Script:
    script, faults = read_script(text, "duration.toml")
    assert [str(fault) for fault in faults] == []
    assert script is not None
    return script


def parser(text: str) -> ParserModel:
    return read_source(text, "media_duration.py")


def drift(toml: str, python: str) -> list[str]:
    """Return what is drift, as `specs check` shows it; notes are left out."""
    certain = tuple(d for d in compare(spec(toml), parser(python)) if d.certain)
    return [str(fault) for fault in located(certain, toml, "duration.toml")]


def notes(toml: str, python: str) -> list[str]:
    drifts = compare(spec(toml), parser(python))
    assert not [d for d in drifts if d.certain]
    return [d.problem for d in drifts]


CHANGES = {
    "a default": (
        '"--workers", type=int, default=3',
        '"--workers", type=int, default=4',
        ["duration.toml:15: option.workers.default: the spec sends 3, the script's default is 4"],
    ),
    "no default any more": (
        '"--workers", type=int, default=3',
        '"--workers", type=int',
        ["duration.toml:15: option.workers.default: the spec sends 3, the script has no default"],
    ),
    "a type": (
        '"--workers", type=int, default=3',
        '"--workers", type=float, default=3',
        ["duration.toml:14: option.workers.type: the spec's type is int, the script's is float"],
    ),
    "text where a number was": (
        '"--workers", type=int, default=3',
        '"--workers", default="3"',
        ["duration.toml:14: option.workers.type: the spec's type is int, the script's is str"],
    ),
    "a choice more": (
        'choices=["audio", "video"]',
        'choices=["audio", "video", "both"]',
        [
            (
                "duration.toml:8: option.media-type.choices: the spec allows 'audio', 'video', the "
                "script 'audio', 'video', 'both'"
            )
        ],
    ),
    "a choice less": (
        'choices=["audio", "video"]',
        'choices=["audio"]',
        ["duration.toml:8: option.media-type.choices: the spec allows 'audio', 'video', the script 'audio'"],
    ),
    "no choices any more": (
        'choices=["audio", "video"], ',
        "",
        [
            (
                "duration.toml:8: option.media-type.choices: the spec allows 'audio', 'video', the "
                "script any value"
            )
        ],
    ),
    "choices where there were none": (
        '"--collection", required=True',
        '"--collection", required=True, choices=["a", "b"]',
        ["duration.toml:25: option.collection.choices: the spec allows any value, the script 'a', 'b'"],
    ),
    "a range": (
        '"--workers", type=int, default=3',
        '"--workers", type=int, default=3, choices=range(1, 65)',
        ["duration.toml:12: option.workers.min: the spec allows any value, the script 1 to 64"],
    ),
    "required now": (
        '"--tag", action="append"',
        '"--tag", action="append", required=True',
        ["duration.toml:21: option.tag.required: the script requires it, the spec does not"],
    ),
    "required no more": (
        '"--collection", required=True',
        '"--collection"',
        ["duration.toml:27: option.collection.required: the spec requires it, the script does not"],
    ),
    "a flag becomes a value": (
        '"--force", action="store_true"',
        '"--force"',
        ["duration.toml:19: option.force.type: the spec has a flag, the script takes one value"],
    ),
    "a value becomes a flag": (
        '"--collection", required=True',
        '"--collection", action="store_true"',
        ["duration.toml:25: option.collection.type: the spec has one value, the script takes a flag"],
    ),
    "several values": (
        '"--collection", required=True',
        '"--collection", required=True, nargs=2',
        ["duration.toml:25: option.collection.nargs: the spec has one value, the script takes 2 values"],
    ),
    "spread where it was repeated": (
        '"--tag", action="append"',
        '"--tag", nargs="*"',
        [
            (
                "duration.toml:23: option.tag.multiple: the spec has one value each time, the script "
                "takes any number of values"
            )
        ],
    ),
    "once where it was repeated": (
        '"--tag", action="append"',
        '"--tag"',
        [
            (
                "duration.toml:23: option.tag.multiple: the spec has one value each time, the script "
                "takes one value"
            )
        ],
    ),
    "a flag that can be turned off": (
        '"--force", action="store_true"',
        '"--force", action=argparse.BooleanOptionalAction',
        ["duration.toml:17: option.force.negate: the script turns it off by --no-force, the spec does not"],
    ),
    "a flag that is counted": (
        '"--force", action="store_true"',
        '"--force", action="count"',
        ["duration.toml:19: option.force.type: the spec has a flag, the script takes a flag that is counted"],
    ),
    "removed": (
        'p.add_argument("--tag", action="append")\n',
        "",
        ["duration.toml:21: option.tag: the spec sends --tag, the script does not have it; remove it"],
    ),
    "added": (
        "p.parse_args()",
        'p.add_argument("--retries", type=int, default=2)\np.parse_args()',
        [
            (
                "duration.toml:3: option.retries: the script has --retries (one value, int, default "
                "2), the spec does not; "
                "add it, or write unlisted = ['--retries']"
            )
        ],
    ),
    "a positional gained": (
        "p.parse_args()",
        'p.add_argument("files", nargs="+")\np.parse_args()',
        [
            (
                "duration.toml:3: argument.files: the script takes the argument files (any number of "
                "values, required), "
                "the spec does not; add it"
            )
        ],
    ),
    "renamed": (
        '"--workers", type=int',
        '"--max-workers", type=int',
        [
            (
                "duration.toml:12: option.workers: the spec sends --workers, the script calls it "
                "--max-workers; write flag = '--max-workers'"
            )
        ],
    ),
    "a common option lost": (
        'p.add_argument("--limit", type=int)\n',
        "",
        [
            (
                "duration.toml:4: common.limit: the spec sends --limit, the script does not have it; "
                "write common = ['dry-run']"
            )
        ],
    ),
    "a common option of another type": (
        '"--limit", type=int',
        '"--limit", type=float',
        ["duration.toml:4: common.limit.type: the spec's type is int, the script's is float"],
    ),
    "a common option that is a value now": (
        '"--dry-run", action="store_true"',
        '"--dry-run", choices=["yes", "no"]',
        ["duration.toml:4: common.dry-run.type: the spec has a flag, the script takes one value"],
    ),
    "options that exclude one another": (
        'p.add_argument("--force", action="store_true")\np.add_argument("--tag", action="append")',
        (
            'g = p.add_mutually_exclusive_group()\ng.add_argument("--force", '
            'action="store_true")\ng.add_argument("--tag", action="append")'
        ),
        ["duration.toml:3: group: the script takes at most one of --force, --tag, the spec does not say so"],
    ),
    "options of which one must be given": (
        "p.parse_args()",
        (
            'g = p.add_mutually_exclusive_group(required=True)\ng.add_argument("--all", '
            'action="store_true")\ng.add_argument("--id")\np.parse_args()'
        ),
        [
            "duration.toml:3: group: the script takes exactly one of --all, --id, the spec does not say so",
            (
                "duration.toml:3: option.all: the script has --all (a flag), the spec does not; add "
                "it, or write unlisted = ['--all']"
            ),
            (
                "duration.toml:3: option.id: the script has --id (one value), the spec does not; add "
                "it, or write unlisted = ['--id']"
            ),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "messages"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_script_is_told_with_both_sides(old: str, new: str, messages: list[str]) -> None:
    assert drift(SPEC, PARSER) == []
    changed = PARSER.replace(old, new)
    assert changed != PARSER
    assert sorted(drift(SPEC, changed)) == sorted(messages)


@pytest.mark.parametrize(("old", "new", "messages"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_mended_and_what_a_person_wrote_stays(old: str, new: str, messages: list[str]) -> None:
    changed = PARSER.replace(old, new)
    fixed = fix(SPEC, compare(spec(SPEC), parser(changed)))
    assert drift(fixed, changed) == []
    assert fixed != SPEC
    assert len(drift(SPEC, changed)) == len(messages)
    for comment in (
        "# Durations, as the media team wants them.",
        "# the database is in the server's settings",
        "# what to look at",
    ):
        assert comment in fixed
    names = [option.name for option in spec(fixed).option]
    kept = [name for name in ("media-type", "workers", "force", "tag", "collection") if name in names]
    assert [name for name in names if name in kept] == kept
    assert fix(fixed, compare(spec(fixed), parser(changed))) == fixed


def test_all_changes_at_once_are_mended() -> None:
    changed = (
        PARSER.replace("--workers", "--max-workers").replace("default=3", "default=9")
        .replace('p.add_argument("--tag", action="append")\n', "")
        .replace('"audio", "video"]', '"audio", "video", "image"]')
        .replace('p.add_argument("--limit", type=int)\n', "")
        .replace("p.parse_args()", 'p.add_argument("--quiet", "-q", action="store_true")\np.parse_args()')
    )  # fmt: skip
    assert len(drift(SPEC, changed)) == 6
    fixed = fix(SPEC, compare(spec(SPEC), parser(changed)))
    assert drift(fixed, changed) == []
    (workers,) = (option for option in spec(fixed).option if option.name == "workers")
    assert (workers.flag, workers.default) == ("--max-workers", 9)


FINE = {
    "no default in the spec": ("default = 3\n", ""),
    "another default, and its author knows the script's": (
        "default = 3\n",
        'default = 8\ndefault-note = "3 by itself"\n',
    ),
    "a path where the script takes text": ('name = "collection"', 'name = "collection"\ntype = "path"'),
    "a name of its own": ('name = "workers"', 'name = "at-once"\nflag = "--workers"'),
    "a help and a range of its own": ("default = 3", 'default = 3\nmin = 1\nmax = 9\nhelp = "how many"'),
}


@pytest.mark.parametrize(("old", "new"), FINE.values(), ids=FINE)
def test_what_a_spec_does_on_purpose_is_no_drift(old: str, new: str) -> None:
    changed = SPEC.replace(old, new)
    assert changed != SPEC
    assert drift(changed, PARSER) == []


def test_an_option_that_is_left_out_on_purpose_is_no_drift() -> None:
    more = PARSER.replace(
        "p.parse_args()", 'p.add_argument("-v", "--verbose", action="count")\np.parse_args()'
    )
    assert drift(SPEC, more)
    assert drift(SPEC.replace("\n\n", '\nunlisted = ["--verbose"]\n\n', 1), more) == []
    assert drift(SPEC.replace("\n\n", '\nunlisted = ["-v"]\n\n', 1), more) == []


def test_choices_that_are_left_out_on_purpose_are_no_drift() -> None:
    more = PARSER.replace('["audio", "video"]', '["audio", "video", "raw", "all"]')
    some = SPEC.replace("\n\n", '\nunlisted = ["--media-type=raw"]\n\n', 1)
    assert drift(some, more) == [
        (
            "duration.toml:9: option.media-type.choices: the spec allows 'audio', 'video', "
            "the script 'audio', 'video', 'raw', 'all'"
        )
    ]
    assert drift(some.replace("=raw", "=*"), more) == []
    assert drift(some.replace("=raw", "=*"), PARSER.replace('choices=["audio", "video"], ', "")) == []


def test_flags_of_the_postcondition_and_of_fixed_words_are_known() -> None:
    more = PARSER.replace(
        "p.parse_args()",
        'p.add_argument("--remaining", action="store_true")\np.add_argument("--mode")\np.parse_args()',
    )
    told = SPEC.replace("\n\n", '\nfixed-args = ["--mode=full"]\n\n', 1)
    told += "\n[output]\nresult = ['^pending={pending}']\n"
    told += '\n[postcondition]\nrun = ["--remaining"]\nexpect = { pending = 0 }\n'
    assert len(drift(SPEC, more)) == 2
    assert drift(told, more) == []


@pytest.mark.parametrize(
    ("words", "parsing", "unknown"),
    [
        pytest.param("--remaining", "p.parse_args()", ["--remaining"], id="an option"),
        pytest.param(
            "--remaining", "p.parse_known_args()", ["--remaining"], id="of a script that ignores it"
        ),
        pytest.param("count", "p.parse_args()", ["count"], id="an argument"),
        pytest.param(
            "--workers=1 --media-type audio --forc", "p.parse_args()", [], id="values, a short form"
        ),
        pytest.param(
            "--remaining", "p.add_argument(*names())\np.parse_args()", [], id="what was not read is no fault"
        ),
    ],
)
def test_words_of_the_postcondition_have_to_be_the_scripts(
    words: str, parsing: str, unknown: list[str]
) -> None:
    spec = SPEC + "\n[output]\nresult = ['^pending={pending}']\n"
    spec += f"\n[postcondition]\nrun = {json.dumps(words.split())}\nexpect = {{ pending = 0 }}\n"
    script = PARSER.replace("p.parse_args()", parsing)
    line = spec.splitlines().index("[postcondition]") + 2
    told = [each for each in drift(spec, script) if "postcondition" in each]
    assert told == [
        f"duration.toml:{line}: postcondition.run: the spec counts by {word}, the script does not have it"
        for word in unknown
    ]
    if "names()" in parsing:
        assert "could not be compared: --remaining was not seen in the script" in notes(spec, script)


def test_words_of_the_postcondition_belong_to_the_subcommand_that_gets_them() -> None:
    script = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--remaining', action='store_true')\n"
        "s = p.add_subparsers()\nr = s.add_parser('run')\np.parse_known_args()\n"
    )
    spec = read_script(
        'spec-version = 1\nscript = "x.py"\ncommon = []\nsubcommand = "run"\n', "x.toml", name="x"
    )[0]
    assert spec is not None
    assert unknown_words(spec, read_source(script, "x.py"), ("--remaining",)) == ("--remaining",)


def test_a_hidden_option_of_the_script_is_not_missed() -> None:
    more = PARSER.replace(
        "p.parse_args()", 'p.add_argument("--trace", help=argparse.SUPPRESS)\np.parse_args()'
    )
    assert drift(SPEC, more) == []


def test_what_cannot_be_known_is_a_note_and_no_drift() -> None:
    dynamic = PARSER.replace('choices=["audio", "video"]', "choices=kinds()").replace(
        "default=3", "default=cores()"
    )
    assert notes(SPEC, dynamic) == [
        "could not be compared: computed when the script runs: kinds()",
    ]


def test_an_option_that_may_be_there_is_not_lost() -> None:
    loop = PARSER.replace(
        'p.add_argument("--tag", action="append")', 'for n in names():\n    p.add_argument(f"--{n}")'
    )
    assert notes(SPEC, loop) == [
        "could not be compared: --tag was not seen in the script",
        "could not be compared: line 9: an option: computed when the script runs: f'--{n}'",
    ]


def test_an_option_that_may_be_there_is_not_lost_when_the_rest_is_passed_on() -> None:
    passing = PARSER.replace('p.add_argument("--tag", action="append")\n', "").replace(
        "parse_args", "parse_known_args"
    )
    assert notes(SPEC, passing) == ["could not be compared: --tag was not seen in the script"]


def test_a_default_of_the_environment_may_be_set_by_the_spec() -> None:
    changed = PARSER.replace("default=3", 'default=int(os.environ.get("WORKERS", 4))').replace(
        "import", "import os,", 1
    )
    assert notes(SPEC, changed) == []


def test_a_script_without_argparse_is_a_note() -> None:
    reason = (
        "the script's options are declared with click, which is not read from the source; with --run they are"
    )
    assert notes(SPEC, "import click\n") == [f"could not be compared: {reason}"]


def test_a_database_that_the_script_wants_on_its_command_line_is_told() -> None:
    wants = PARSER.replace(
        "p.parse_args()", 'p.add_argument("--database-url", required=True)\np.parse_args()'
    )
    hands = SPEC.replace('["dry-run", ', '["database-url", "dry-run", ')
    message = (
        "duration.toml:4: common.database-url: the spec hands it over in DATABASE_URL, "
        "the script requires --database-url on its command line"
    )
    assert drift(hands, wants) == [message]
    # No key of the spec makes up for that: it stays until the script reads the variable.
    assert drift(fix(hands, compare(spec(hands), parser(wants))), wants) == [message]
    assert drift(hands, wants.replace('database-url", required=True', 'database-url"')) == []


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
    assert drift(SUBCOMMAND_SPEC, SUBCOMMANDS.replace("default=5", "default=6")) == [
        "duration.toml:14: option.batch.default: the spec sends 5, the script's default is 6"
    ]
    assert drift(SUBCOMMAND_SPEC, SUBCOMMANDS.replace('"rebuild"', '"build"')) == [
        "duration.toml:4: subcommand: the script has no subcommand 'rebuild', it has 'build', 'prune'"
    ]
    assert drift(
        SUBCOMMAND_SPEC.replace('subcommand = "rebuild"\n', "").replace("before-subcommand = true\n", ""),
        SUBCOMMANDS,
    ) == [
        "duration.toml:2: subcommand: the script needs a subcommand ('rebuild', 'prune'), the spec has none"
    ]


def test_an_option_gained_before_the_subcommand_is_added_there() -> None:
    more = SUBCOMMANDS.replace("s = p.add", 'p.add_argument("--quiet", action="store_true")\ns = p.add')
    fixed = fix(SUBCOMMAND_SPEC, compare(spec(SUBCOMMAND_SPEC), parser(more)))
    assert drift(fixed, more) == []
    assert {o.name: o.before_subcommand for o in spec(fixed).option} == {
        "verbose": True,
        "batch": False,
        "quiet": True,
    }


def test_what_speaks_of_a_lost_option_goes_with_it() -> None:
    told = SPEC.replace('name = "force"', 'name = "force"\nrequires = ["tag"]') + textwrap.dedent("""
        [[group]]
        members = ["tag", "workers"]
        rule = "at-most-one"

        [[group]]
        members = ["tag", "workers", "force"]
        rule = "at-least-one"
    """)
    changed = PARSER.replace('p.add_argument("--tag", action="append")\n', "")
    fixed = spec(fix(told, compare(spec(told), parser(changed))))
    assert [group.members for group in fixed.group] == [("workers", "force")]
    assert all(not option.requires for option in fixed.option)


def test_the_comment_of_a_lost_option_goes_with_it() -> None:
    changed = PARSER.replace('p.add_argument("--workers", type=int, default=3)\n', "")
    fixed = fix(SPEC, compare(spec(SPEC), parser(changed)))
    assert "Files read at the same time" not in fixed
    assert (
        SPEC.replace(
            '# Files read at the same time.\n[[option]]\nname = "workers"\ntype = "int"\ndefault = 3\n\n', ""
        )
        == fixed
    )


def test_options_written_on_one_line_are_mended_too() -> None:
    short = 'spec-version = 1\nscript = "x.py"\ncommon = []\n'
    short += 'option = [{ name = "a" }, { name = "b", type = "int", default = 1 }]\n'
    python = 'import argparse\np = argparse.ArgumentParser()\np.add_argument("--b", type=int, default=2)\n'
    python += 'p.add_argument("--cc")\np.parse_args()\n'
    fixed = fix(short, compare(spec(short), parser(python)))
    assert drift(fixed, python) == []
    assert [option.name for option in spec(fixed).option] == ["b", "cc"]


def test_a_spec_that_says_nothing_of_common_is_given_what_the_script_has() -> None:
    bare = 'spec-version = 1\nscript = "x.py"\n\n[output]\nprogress = "tqdm"\n'
    fixed = fix(
        bare, compare(spec(bare), parser("import argparse\nargparse.ArgumentParser().parse_args()\n"))
    )
    assert spec(fixed).common == ("database-url",)
    assert fixed.index("common") < fixed.index("[output]")


def test_a_drift_knows_the_option_it_is_about() -> None:
    (only,) = compare(spec(SPEC), parser(PARSER.replace("default=3", "default=4")))
    assert isinstance(only, Drift)
    assert (only.change, only.path) == ("default", ("option", 1, "default"))
    assert only.parsed is not None
    assert only.parsed.default == 4
