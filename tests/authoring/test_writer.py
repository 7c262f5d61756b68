"""Specs written from a parser: without faults, fit for their script, open about what is missing."""

import importlib.util
import sys
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from authoring.reading import FRAMEWORKS, TRUTH, ran, static

from corpus_backfill_plugin.authoring.drift import compare
from corpus_backfill_plugin.authoring.propose import toml
from corpus_backfill_plugin.authoring.writer import write_specs
from corpus_backfill_plugin.parsers.model import ParserModel
from corpus_backfill_plugin.parsers.running import read_by_running
from corpus_backfill_plugin.parsers.source import read_source
from corpus_backfill_plugin.specs.model import Script
from corpus_backfill_plugin.specs.reader import read_script


def read_back(text: str, name: str) -> Script:
    script, faults = read_script(text, f"{name}.toml")
    assert [str(fault) for fault in faults] == []
    assert script is not None
    return script


def fits(model: ParserModel, script: str) -> list[str]:
    """Return what differs between the specs written from a model and the model."""
    found = []
    for name, text in write_specs(model, f"{script}.py", script.replace("_", "-"), None).items():
        found += [d.problem for d in compare(read_back(text, name), model) if d.certain]
    return found


def write(text: str, **more: str | None) -> str:
    model = read_source(textwrap.dedent(text), "job.py")
    return write_specs(model, "job.py", "job", more.get("schema"))["job"]


def framework(name: str) -> ParserModel:
    return read_by_running(FRAMEWORKS / f"{name}.py", FRAMEWORKS, (sys.executable,))


@pytest.mark.parametrize(
    ("read", "name"),
    [(static, name) for name in TRUTH]
    + [(ran, name) for name in TRUTH if name != "entry_point"]
    + [(framework, name) for name in ("click_command", "click_group", "typer_app")],
)
def test_a_spec_reads_back_and_fits(read: Callable[[str], ParserModel], name: str) -> None:
    assert fits(read(name), name) == []


@pytest.mark.parametrize(
    "module",
    ["ast", "calendar", "compileall", "inspect", "json.tool", "pickletools", "tarfile", "venv", "zipfile"],
)
def test_a_spec_for_a_parser_of_pythons_own_reads_back_and_fits(module: str) -> None:
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    model = read_source(Path(found.origin).read_text(encoding="utf-8"), f"{module}.py")
    assert model.options or model.positionals
    assert fits(model, "job") == []


CASES = tomllib.loads(Path(__file__).with_name("cases.toml").read_text())
KEYS = {name: (arguments, lines) for name, (arguments, *lines) in CASES["keys"].items()}


def test_a_whole_spec() -> None:
    text = write(CASES["whole"]["script"], schema="./schema.json")
    assert text.split("\n\n# What the lines")[0] == CASES["whole"]["spec"].strip()
    read_back(text, "job")


@pytest.mark.parametrize(("arguments", "expected"), KEYS.values(), ids=KEYS)
def test_each_kind_of_option_has_its_keys(arguments: str, expected: list[str]) -> None:
    text = write(f"""
        import argparse, os
        class KeyValue(argparse.Action):
            pass
        p = argparse.ArgumentParser()

        p.add_argument({arguments})
        p.parse_args()
    """)
    script = read_back(text, "job")
    for line in expected:
        assert line in text
    assert script.common == ()
    assert "default = true" not in text


def test_positionals_become_arguments() -> None:
    text = write("""
        import argparse
        p = argparse.ArgumentParser()
        p.add_argument("source", help="from where")
        p.add_argument("target", nargs="?", default=".")
        p.add_argument("files", nargs="*", type=int)
        p.parse_args()
    """)
    assert 'name = "source"\nrequired = true\nhelp = "from where"' in text
    assert 'name = "target"\ndefault = "."' in text
    assert 'name = "files"\ntype = "int"\nmultiple = true' in text
    read_back(text, "job")


def test_each_subcommand_gets_a_spec_with_the_parents_options_before_it() -> None:
    specs = write_specs(static("subcommands"), "subcommands.py", "index", None)
    assert list(specs) == ["index-rebuild", "index-prune"]
    script = read_back(specs["index-prune"], "index-prune")
    assert script.subcommand == "prune"
    assert script.common == ("dry-run",)
    assert [(o.name, o.before_subcommand) for o in script.option] == [
        ("verbose", True),
        ("older-than", False),
    ]
    assert script.short_help == "drop entries without a record"


def test_words_before_a_nested_subcommand_are_always_sent() -> None:
    specs = write_specs(static("subcommands_nested"), "x.py", "data", None)
    assert list(specs) == ["data-export-csv", "data-export-json", "data-import"]
    script = read_back(specs["data-export-csv"], "data-export-csv")
    assert (script.fixed_args, script.subcommand) == (("export",), "csv")


def test_a_database_that_is_wanted_on_the_command_line_is_not_put_there() -> None:
    text = write("""
        import argparse
        p = argparse.ArgumentParser()
        p.add_argument("--database-url", required=True)
        p.parse_args()
    """)
    script = read_back(text, "job")
    assert script.common == ("database-url",)
    assert script.unlisted == ("--database-url",)
    assert "# TODO: the script wants the database as --database-url, where other users can see it" in text


def test_options_that_may_be_missing_are_said_at_the_top() -> None:
    head = write_specs(static("loop_computed"), "x.py", "x", None)["x"].split("[[option]]")[0]
    assert "# TODO: line 9: an option: computed when the script runs: f'--{stage}'" in head


def test_what_a_script_says_cannot_leave_its_comment_or_string() -> None:
    text = write(r'''
        import argparse
        p = argparse.ArgumentParser(description="a\"\"\"\n\n[[option]]\x1b[2J\\ \u202e")
        p.add_argument("--x", help="quote \" and 'both' \\ \x7f\x00end", default="\n", choices=load("""
            [[option]]
            name = "evil"
        """))
        g = p.add_argument_group("title\nname = 'evil'")
        g.add_argument("--y", action=argparse.BooleanOptionalAction)
        p.parse_args()
    ''')
    script = read_back(text, "job")
    assert [option.name for option in script.option] == ["x", "y"]
    assert script.option[0].default == "\n"
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", '"plain"'),
        ('a"b\\c\n\x7f', '"a\\"b\\\\c\\n\\u007F"'),
        (True, "true"),
        (1, "1"),
        (0.5, "0.5"),
        (1e300, "1e+300"),
        (["a", 2], '["a", 2]'),
        ((), "[]"),
        ("größe", '"größe"'),
    ],
)
def test_values_are_written_as_toml(value: object, text: str) -> None:
    assert toml(value) == text
