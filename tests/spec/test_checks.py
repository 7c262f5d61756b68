"""What the rules let pass, and that a fault is not followed by others that it only causes."""

# ruff: noqa: E501 - a message stands whole, as an author reads it

from __future__ import annotations

import pytest

from corpus_backfill_plugin.specs import checks, model, parameter_rules
from corpus_backfill_plugin.specs.checks import RESERVED_OPTIONS, check_script
from corpus_backfill_plugin.specs.environment import denial
from corpus_backfill_plugin.specs.reader import read_script

HEAD = 'spec-version = 1\nscript = "a.py"\n'

WHOLE = r"""
spec-version = 1
script = "transcribe.py"
short-help = "Transcribe what has no text yet."
help = "Longer."
examples = ["transcribe --model small", "transcribe"]
deprecated = "use transcribe-v2"
common = ["database-url", "limit"]
fixed-args = ["--batch", ""]
subcommand = "run"
effect = "destructive"
lock = false
success-codes = [0, 3]
timeout = "12h"

[env]
LEVEL = "3"
OMP_NUM_THREADS = "2"

[[option]]
name = "model"
short = "m"
aliases = ["size"]
flag = "--whisper-model"
metavar = "SIZE"
choices = ["small", "large"]
ignore-case = true
default = "Small"
before-subcommand = true

[[option]]
name = "beam"
type = "int"
min = 0
max = 0
default = 0

[[option]]
name = "temperature"
type = "float"
min = 0
max = 1.0
default = 1

[[option]]
name = "since"
type = "date"
min = "2020-01-01"
envvar = ["TRANSCRIBE_SINCE", "SINCE"]

[[option]]
name = "tags"
multiple = "join"
separator = ";"
min-items = 1
max-items = 3
default = ["a,b", "c"]
max-length = 8

[[option]]
name = "window"
nargs = 2
type = "float"
default = [0, 1.5]

[[option]]
name = "cache"
type = "bool"
negate = "--no-cache"
default = true

[[option]]
name = "verbose"
short = "v"
type = "count"
default = 1

[[option]]
name = "profile"
value-optional = true
regex = '[a-z]+'
regex-help = "lower case letters"

[[option]]
name = "token"
secret = true
pass-env = "TRANSCRIBE_TOKEN"
required-if = { mode = "remote", cache = true }

[[option]]
name = "mode"
choices = ["local", "remote"]
requires = ["model", "files"]
suggestions = []

[[option]]
name = "ids"
type = "path"
exists = true
role = "retry-items"

[[option]]
name = "dry-run"
flag = "--pretend"
type = "bool"
role = "dry-run"

[[argument]]
name = "folder"
type = "path"
required = true

[[argument]]
name = "files"
multiple = true
max-items = 9

[[group]]
members = ["model", "beam"]
rule = "at-most-one"
title = "Speed"

[output]
progress = '^{done}/{total} {rate}/s'
failed = '^FAILED {item}'
result = ['^pending={pending}']

[postcondition]
run = ["--remaining"]
expect = { pending = 0 }
max-failed = 2
skip-if-given = ["limit", "files"]
timeout = "30s"
"""


def test_a_spec_that_uses_the_whole_vocabulary_is_read() -> None:
    script, faults = read_script(WHOLE, "transcribe.toml")

    assert [str(fault) for fault in faults] == []
    assert script is not None
    assert [option.name for option in script.option][:2] == ["model", "beam"]


def test_the_common_options_written_as_a_spec_are_read() -> None:
    text = (
        HEAD
        + """option = [
      { name = "database-url", short = "d", envvar = "DATABASE_URL", pass-env = "DATABASE_URL", secret = "url" },
      { name = "dry-run", type = "bool", role = "dry-run" },
      { name = "limit", type = "int", min = 1, metavar = "N", role = "limit" },
    ]"""
    )
    script, faults = read_script(text, "demo.toml")

    assert [str(fault) for fault in faults] == []
    assert script is not None
    assert [option.name for option in script.options] == ["database-url", "dry-run", "limit"]


def test_an_option_called_as_a_common_one_replaces_it() -> None:
    text = HEAD + '[[option]]\nname = "limit"\ntype = "int"\nflag = "--max-rows"\nrole = "limit"\n'
    text += '[[option]]\nname = "database-url"\nshort = "d"\npass-env = "DATABASE_URL"\nsecret = "url"\n'

    assert read_script(text, "demo.toml")[1] == ()


def test_letter_and_variable_of_a_common_option_that_does_not_apply_are_free() -> None:
    text = (
        HEAD
        + 'common = []\nenv = { DATABASE_URL = "sqlite:///x" }\n[[option]]\nname = "depth"\nshort = "d"\n'
    )
    text += '[[option]]\nname = "rows"\ntype = "int"\nflag = "--limit"\nrole = "limit"\n'

    assert read_script(text, "demo.toml")[1] == ()


@pytest.mark.parametrize("name", sorted(RESERVED_OPTIONS))
def test_no_option_takes_a_name_of_the_core(name: str) -> None:
    _, faults = read_script(f'{HEAD}[[option]]\nname = "{name}"\n', "demo.toml")

    assert [fault.problem for fault in faults] == [f"--{name} is an option of the command itself"]


def test_tqdm_stands_in_place_of_a_pattern() -> None:
    assert read_script(HEAD + '[output]\nprogress = "tqdm"\n', "demo.toml")[1] == ()


def test_two_defaults_in_an_exclusive_group_do_not_conflict() -> None:
    options = '[[option]]\nname = "a"\ndefault = "x"\n[[option]]\nname = "b"\ndefault = "y"\n'
    text = f'{HEAD}{options}[[group]]\nmembers = ["a", "b"]\nrule = "exactly-one"\n'

    assert read_script(text, "demo.toml")[1] == ()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        pytest.param(
            '[[option]]\nname = "n"\ntpye = "int"\nmin = 1\ndefault = 2\n',
            ["option.n.tpye"],
            id="a misspelt type does not make bounds wrong",
        ),
        pytest.param(
            '[[option]]\nname = "n"\ntype = "integer"\nmin = 1\n',
            ["option.n.type"],
            id="nor does an unknown one",
        ),
        pytest.param(
            '[[options]]\nname = "a"\n[[option]]\nname = "b"\nrequires = ["a"]\n',
            ["options"],
            id="a misspelt table does not make its options unknown",
        ),
        pytest.param(
            '[[option]]\nname = "A"\n[[option]]\nname = "b"\nrequires = ["a"]\n',
            ["option.1.name"],
            id="a wrong name does not make the right one unknown",
        ),
        pytest.param(
            '[postcondition]\nrun = ["--count"]\nexpct = { pending = 0 }\n',
            ["postcondition.expct"],
            id="a misspelt expectation is there",
        ),
        pytest.param(
            '[[option]]\nname = "n"\nchoices = ["a", 5]\ndefault = "b"\n',
            ["option.n.choices.2"],
            id="a default is not compared with choices that are wrong",
        ),
        pytest.param(
            '[output]\nresult = ["(?P<pending>"]\n[postcondition]\nrun = ["-c"]\nexpect = { pending = 0 }\n',
            ["output.result.1"],
            id="what a broken pattern counts is not known",
        ),
        pytest.param(
            '[[option]]\nname = "a"\nshort = "xy"\n[[option]]\nname = "b"\nsecret = true\nrequires = ["c"]\n',
            ["option.a.short", "option.b.secret", "option.b.requires.1"],
            id="faults of other tables are told all the same",
        ),
    ],
)
def test_a_fault_is_not_followed_by_what_it_causes(text: str, keys: list[str]) -> None:
    _, faults = read_script(HEAD + text, "demo.toml")

    assert [fault.key for fault in faults] == keys


DENIED = (
    "PATH",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "VIRTUAL_ENV",
    "IFS",
    "BASH_ENV",
    "ENV",
    "SHELL",
    "HOME",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "NODE_OPTIONS",
    "PERL5LIB",
    "PERL5OPT",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "GIT_SSH",
    "GIT_CONFIG_GLOBAL",
    "UV_INDEX_URL",
    "PIP_INDEX_URL",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "http_proxy",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "CORPUS_BACKFILL_SPECS",
    "EDITOR",
    "PAGER",
    "SUDO_ASKPASS",
    "SSLKEYLOGFILE",
    "XDG_CONFIG_HOME",
    "TMPDIR",
    "Path",
)
FREE = (
    "DATABASE_URL",
    "LEVEL",
    "TOKEN",
    "PATHS",
    "MY_PATH",
    "CORPUS_DATA",
    "ENVIRONMENT",
    "SHELLFISH",
    "AWS_REGION",
    "TZ",
    "LANG",
    "OMP_NUM_THREADS",
    "HOMEPAGE",
    "PGHOST",
    "REPROXYING",
    "LOG_LEVEL",
    "CUDA_VISIBLE_DEVICES",
    "DISPLAYED",
)


@pytest.mark.parametrize("name", DENIED)
def test_a_variable_that_chooses_code_is_denied(name: str) -> None:
    assert denial(name)


@pytest.mark.parametrize("name", FREE)
def test_a_variable_that_is_the_scripts_business_is_not(name: str) -> None:
    assert not denial(name)


def test_every_rule_says_what_it_is_for() -> None:
    rules = (
        *parameter_rules.TABLES,
        *parameter_rules.PARAMETER_RULES,
        *checks.SCRIPT_RULES,
        *checks.REFERENCE_RULES,
    )

    assert [rule for rule in rules if not rule.__doc__] == []
    assert len(set(rules)) == len(rules) > 15


def test_checking_a_script_that_was_made_by_hand_finds_the_same() -> None:
    script = model.Script(
        spec_version=1, script="a.py", option=(model.Option(name="n", type="int", min=2, default=1),)
    )

    assert [(f.path, f.problem) for f in check_script(script, "demo")] == [
        (("option", 0, "default"), "1 is less than 2")
    ]
