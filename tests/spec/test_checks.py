"""What the rules let pass, and that a fault is not followed by others that it only causes."""

# ruff: noqa: E501 - a message stands whole, as an author reads it

from __future__ import annotations

from pathlib import Path

import pytest

from corpus_backfill_plugin.specs import checks, model, parameter_rules
from corpus_backfill_plugin.specs.checks import RESERVED_OPTIONS, check_script
from corpus_backfill_plugin.specs.parameter_rules import denial
from corpus_backfill_plugin.specs.reader import read_script

HEAD = 'spec-version = 1\nscript = "a.py"\n'


def test_a_spec_that_uses_the_whole_vocabulary_is_read() -> None:
    script, faults = read_script(Path(__file__).with_name("complete.toml").read_text(), "transcribe.toml")

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


DENIED = (
    "PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "PYTHONSTARTUP",
    "VIRTUAL_ENV", "IFS", "BASH_ENV", "ENV", "SHELL", "HOME", "GCONV_PATH", "GLIBC_TUNABLES",
    "NODE_OPTIONS", "PERL5LIB", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "GIT_SSH",
    "GIT_CONFIG_GLOBAL", "UV_INDEX_URL", "PIP_INDEX_URL", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
    "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "CORPUS_BACKFILL_SPECS", "EDITOR", "PAGER",
    "SUDO_ASKPASS", "SSLKEYLOGFILE", "XDG_CONFIG_HOME", "TMPDIR", "Path",
)  # fmt: skip
FREE = (
    "DATABASE_URL", "LEVEL", "TOKEN", "PATHS", "MY_PATH", "CORPUS_DATA", "ENVIRONMENT", "SHELLFISH",
    "AWS_REGION", "TZ", "LANG", "OMP_NUM_THREADS", "HOMEPAGE", "PGHOST", "REPROXYING", "LOG_LEVEL",
    "CUDA_VISIBLE_DEVICES", "DISPLAYED",
)  # fmt: skip


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
