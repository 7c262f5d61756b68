"""What `specs new` and `specs check` say of scripts as they are met in other people's repositories.

A script that could not be read is no script without options, what is written is right at once, and only what
the script names is asked of its operator.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from corpus_backfill_plugin.authoring.drift import compare
from corpus_backfill_plugin.authoring.writer import write_specs
from corpus_backfill_plugin.parsers.running import read_by_running
from corpus_backfill_plugin.parsers.source import read_source
from corpus_backfill_plugin.specs.reader import read_script

if TYPE_CHECKING:
    from conftest import Cli, Server

    from corpus_backfill_plugin.specs.model import Script

SPEC = """\
script = "job.py"
common = ["dry-run"]

[[option]]
name = "workers"
type = "int"

[[option]]
name = "region"
"""

CASES = tomllib.loads(Path(__file__).with_name("cases.toml").read_text())
NOT_READ: dict[str, str] = CASES["not-read"]
FAULTS: dict[str, list[str]] = CASES["faults"]


@pytest.mark.parametrize("text", NOT_READ.values(), ids=NOT_READ)
def test_not_read_is_not_empty(server: Server, on_server: Cli, text: str) -> None:
    server.script("job.py", text)
    spec = server.spec("job", SPEC)
    for words in ((), ("--fix",)):
        outcome = on_server("check", "job", *words)
        assert outcome.code == 0, outcome
        assert "note: could not be compared: " in outcome.stdout
        assert spec.read_text() == f"spec-version = 1\n{SPEC}"
    spec.unlink()
    made = on_server("new", "job.py")
    assert (made.code, ": 0 TODOs" in made.stderr) == (0, False)
    assert "# TODO: options: " in spec.read_text()


def test_a_parser_in_a_module_of_the_server_is_found(server: Server, on_server: Cli) -> None:
    """`from pkg.cli import main` was "no options": the library was looked for in the script's own imports."""
    package = server.folder / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "flags.py").write_text("WORKERS = 7\n")
    (package / "cli.py").write_text(
        "import argparse\nfrom . import flags\nfrom .flags import WORKERS\n"
        "def main():\n    p = argparse.ArgumentParser()\n"
        "    p.add_argument('--workers', type=int, default=WORKERS)\n"
        "    p.add_argument('--twice', type=int, default=flags.WORKERS * 2)\n    p.parse_args()\n"
    )
    server.script("job.py", NOT_READ["a package's main"])
    assert on_server("new", "job.py").code == 0
    text = (server.scripts / "job.toml").read_text()
    assert 'name = "workers"\ntype = "int"\ndefault = 7' in text
    assert 'name = "twice"\ntype = "int"\ndefault = 14' in text


def written(text: str) -> tuple[str, Script]:
    """Return the spec for a script, and that it has no fault and fits the script."""
    model = read_source(textwrap.dedent(text), "job.py")
    spec = write_specs(model, "job.py", "job", None)["job"]
    script, faults = read_script(spec, "job.toml")
    assert [str(fault) for fault in faults] == []
    assert script is not None
    assert [d.problem for d in compare(script, model) if d.certain] == []
    return spec, script


PARSER = "import argparse\np = argparse.ArgumentParser()\np.parse_args()\n"


@pytest.mark.parametrize(
    ("text", "common"),
    [
        ("import sqlalchemy\nfrom house.db import session\n", ()),
        ("import os\nos.environ['DATABASE_URL']\n", ("database-url",)),
        ("class Settings:\n    DATABASE_URL: str\n", ("database-url",)),
        ('"""Reads $DATABASE_URL."""\n', ("database-url",)),
        ("import os\nos.getenv('MY_DATABASE_URL')\n", ()),
        ("# DATABASE_URL\n", ()),
    ],
)
def test_only_a_script_that_names_the_variable_gets_the_database(text: str, common: tuple[str, ...]) -> None:
    """Of 147 scripts that got it for their imports, 132 did not name the variable."""
    assert written(text + PARSER)[1].common == common


@pytest.mark.parametrize("name", ["CORPUS_DATABASE_URL", "WAREHOUSE_DSN"])
def test_another_variable_of_a_database_is_an_option_to_be_judged(name: str) -> None:
    text, script = written(f"import os\nurl = os.environ['{name}']\n" + PARSER)
    (option,) = script.option
    assert (option.pass_env, option.envvar, bool(option.secret)) == (name, name, True)
    assert f"# TODO: the script reads {name}" in text
    assert "SENTRY_DSN" not in written("import os\nos.getenv('SENTRY_DSN')\n" + PARSER)[0]


@pytest.mark.parametrize("name", ["DATABASE_URL", "JOB_DSN"])
def test_a_run_gets_a_database_that_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Scripts load `.env` where the variable is not set: unset was worse than set."""
    for each in ("DATABASE_URL", "JOB_DSN"):
        monkeypatch.setenv(each, "postgresql://real")
    script = tmp_path / "job.py"
    script.write_text(
        f"import argparse, os\nos.environ['{name}']\n"
        f"os.environ.setdefault('{name}', 'postgresql://from-dotenv')\n"
        f"argparse.ArgumentParser(description=os.environ['{name}']).parse_args()\n"
    )
    told = read_by_running(script, tmp_path, (sys.executable,)).description
    assert told.startswith("sqlite:////dev/null/")


@pytest.mark.parametrize("run", [(), ("--run",)])
def test_a_byte_order_mark_is_read(server: Server, on_server: Cli, run: tuple[str, ...]) -> None:
    (server.scripts / "job.py").write_bytes(b"\xef\xbb\xbf" + PARSER.encode())
    assert on_server("new", "job.py", *run).code == 0


def test_typers_own_options_are_not_the_scripts(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    text = "import typer\napp = typer.Typer()\n@app.command()\ndef main(limit: int = 3) -> None: ...\napp()\n"
    script.write_text(text)
    assert [o.flag for o in read_by_running(script, tmp_path, (sys.executable,)).options] == ["--limit"]


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_answered_with_what_to_write(text: str, message: str) -> None:
    script, faults = read_script(f"spec-version = 1\nscript = 'job.py'\n{text}", "job.toml")
    assert script is None
    assert len(faults) == 1
    assert message in str(faults[0])


@pytest.mark.parametrize(
    ("word", "cwd"), [("job.py", ".."), ("./job.py", "backfill"), ("backfill/job.py", "")]
)
def test_check_and_new_find_a_file_alike(server: Server, on_server: Cli, word: str, cwd: str) -> None:
    """A bare name is one of the server's backfill folder, from wherever; with a slash it is a path."""
    server.script("job.py", PARSER)
    assert on_server("new", word, cwd=server.folder / cwd).code == 0
    for file in (word, word.removesuffix(".py") + ".toml"):
        checked = on_server("check", file, cwd=server.folder / cwd)
        assert (checked.code, checked.stderr) == (0, "1 spec checked: no faults or drift\n")


WORDS = [
    "", " ", "\n", "First line\n   second line.\n\n  Usage::\n\n    x", "A. B", "quote \" ' \\", "\x1b[31m",
    "\u202e", "\t", "\r\n", "{x}", '"""', "[[option]]", "\u2028", "a\x00b", "-", "x" * 5000,
    "$DATABASE_URL", "(default: 3)",
]  # fmt: skip
words = st.sampled_from(WORDS)
texts = {"help": words.map(repr) | st.just("argparse.SUPPRESS")}
values = texts | {
    "type": st.sampled_from(CASES["types"]),
    "default": st.sampled_from(CASES["values"]),
    "choices": st.sampled_from(CASES["values"]),
    "nargs": st.sampled_from(["'?'", "'*'", "'+'", "1", "2", "argparse.REMAINDER"]),
    "metavar": words.map(repr),
}
spelled = st.lists(st.sampled_from(CASES["flags"]), min_size=1, max_size=3, unique=True)
more = {"dest": st.sampled_from(["'a'", "'x y'", "'Ü'"]), "required": st.sampled_from(["True", "bool(1)"])}
takes = {"action": st.sampled_from(["'store'", "'append'", "'extend'"])}
flags = ["'store_true'", "'store_false'", "'count'", "'version'", "argparse.BooleanOptionalAction"]
switches = {"action": st.sampled_from(flags)}
positional = st.sampled_from([["name"], ["file name"]])
added = st.one_of(
    st.tuples(st.sampled_from("pgm"), spelled, st.fixed_dictionaries({}, optional=values | takes)),
    st.tuples(st.sampled_from("pg"), spelled, st.fixed_dictionaries({}, optional=values | more)),
    st.tuples(st.sampled_from("pgm"), spelled, st.fixed_dictionaries(switches, optional=texts)),
    st.tuples(st.just("p"), positional, st.fixed_dictionaries({}, optional=values)),
)


def in_argparse(source: str) -> argparse.ArgumentParser:
    """Return the parser that Python makes of a script; the example is left out when argparse refuses it."""
    names: dict[str, argparse.ArgumentParser] = {}
    try:
        exec(source, {"__doc__": ""}, names)  # noqa: S102 - the script was made above
        names["p"].format_help()
    except (ValueError, TypeError, LookupError, AttributeError, argparse.ArgumentError, AssertionError):
        assume(condition=False)
    return names["p"]


@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.lists(added, max_size=4), words, words, words, st.sampled_from(["DATABASE_URL", "A_DSN", "HOME"]))
def test_whatever_is_written_passes_the_check(
    calls: list[tuple[str, list[str], dict[str, str]]], doc: str, text: str, title: str, variable: str
) -> None:
    """One spec in ten was broken at once: a docstring over several lines, `--limit` without a type."""
    source = (
        f"{doc!r}\nimport argparse, datetime, os, pathlib, uuid\nos.environ.get({variable!r})\n"
        f"p = argparse.ArgumentParser(description={text!r}, epilog={doc!r})\n"
        f"g = p.add_argument_group({title!r})\nm = p.add_mutually_exclusive_group()\n"
    )
    for on, flags, given_words in calls:
        keys = [f"{key}={value}" for key, value in given_words.items()]
        source += f"{on}.add_argument({', '.join([*map(repr, flags), *keys])})\n"
    made = in_argparse(source)
    written(f"{source}p.parse_args()\n")
    model = read_source(f"{source}p.parse_args()\n", "job.py")
    printing = {"_HelpAction", "_VersionAction"}
    real = [action.option_strings for action in made._actions if type(action).__name__ not in printing]
    seen = [*model.options, *model.positionals]
    assert sorted(flags[0] for flags in real if flags) == sorted(o.flags[0] for o in seen if o.flags)
    assert model.complete


@pytest.mark.parametrize("text", ["", "One.\nTwo", "a\n\nb", "\tx\r\n", "\x1b[2J"])
def test_a_docstring_is_a_line_of_help(text: str) -> None:
    for source in (
        f"{text!r}\nprint(1)\n",
        f"{text!r}\nimport argparse\nargparse.ArgumentParser(description=__doc__).parse_args()\n",
    ):
        assert "\n" not in written(source)[1].short_help


def test_a_limit_without_a_type_is_text() -> None:
    _, script = written(PARSER.replace("p.parse", "p.add_argument('--limit')\np.parse"))
    assert [(option.name, option.type, option.role) for option in script.option] == [("limit", "str", None)]
