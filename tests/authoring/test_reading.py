"""Parsers read from the text of a script: what is told is true, and what can't be known is said."""

import argparse
import textwrap
from pathlib import Path

import pytest
from authoring.reading import TRUTH, lines, ran, reading_shares, static

from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.parsers.model import ParserModel
from corpus_backfill_plugin.parsers.source import read_file, read_source

NOT_IN_A_RUN = {"entry_point": "nothing calls its main()", "two_steps": "a run stops at the first parser"}
NOT_IN_THE_TEXT = {
    "build_parser": 1, "conditional": 1, "custom_action": 2, "enums": 6, "helper_functions": 2,
    "loop_computed": 3, "parser_subclass": 3,
    "remainder": 1, "settings_module": 3, "with_limits": 1,
}  # fmt: skip
"""Lines of truth that the text alone does not tell, by script."""


def read(text: str) -> ParserModel:
    return read_source(textwrap.dedent(text), "script.py")


@pytest.mark.parametrize("name", TRUTH)
def test_the_text_tells_the_truth_or_says_that_it_cannot(name: str) -> None:
    model = static(name)
    told = list(lines(model))
    missing = [line for line in TRUTH[name] if line not in told]
    assert [line for line in told if line not in TRUTH[name] and "??" not in line] == []
    assert len(missing) == NOT_IN_THE_TEXT.get(name, 0)
    assert bool(model.unknowns) is bool(missing)


@pytest.mark.parametrize("name", [name for name in TRUTH if name not in NOT_IN_A_RUN])
def test_a_run_tells_what_python_makes_of_the_script(name: str) -> None:
    told = list(lines(ran(name)))
    missing = [line for line in TRUTH[name] if line not in told]
    assert len(missing) == {"enums": 1, "remainder": 1}.get(name, 0)
    assert [line for line in told if line not in TRUTH[name] and "??" not in line] == []


def test_the_shares_read_right_are_as_documented(capsys: pytest.CaptureFixture[str]) -> None:
    shares = reading_shares()
    with capsys.disabled():
        for way, share in shares.items():
            told = f"{share['right']} of {share['lines']} in {share['scripts']} scripts"
            print(f"\nread right ({way}): {told}")  # noqa: T201 - the figure is asked for
    assert shares["static"]["wrong"] == shares["run"]["wrong"] == 0
    assert shares["static"]["scripts"] >= 30
    assert (shares["static"]["right"], shares["run"]["right"], shares["run"]["lines"]) == (149, 166, 172)


def test_help_texts_are_expanded() -> None:
    model = read("""
        import argparse
        N = 4
        p = argparse.ArgumentParser(prog="tool", description="%(prog)s does 100%% of it")
        p.add_argument("--workers", type=int, default=N,
                       help="of %(prog)s (default: %(default)s, %(type)s)")
        p.add_argument("--mode", choices=["a", "b"], help="one of %(choices)s, "
                       f"not {N}")
        p.parse_args()
    """)
    assert model.description == "tool does 100% of it"
    assert [option.help for option in model.options] == ["of tool (default: 4, int)", "one of a, b, not 4"]


def test_description_and_examples_keep_their_paragraphs() -> None:
    model = static("help_titles")
    assert model.description == "Score records.\n\nThe scores are written beside the records."
    assert model.epilog.startswith("examples: python backfill/help_titles.py --top 10")


def test_titles_of_groups_and_lines_are_kept() -> None:
    options = {option.flag: option for option in static("groups").options}
    assert options["--collection"].group == "source"
    assert options["--threshold"].group == "model"
    assert options["--all"].dest == "everything"
    assert options["--collection"].line == 7


def test_a_default_from_the_environment_is_a_note_and_names_the_variable() -> None:
    model = static("environment_defaults")
    assert set(model.environment) == {"CORPUS_BUCKET", "DATABASE_URL", "AWS_REGION", "WORKERS", "ENDPOINT"}
    assert model.database == "it names DATABASE_URL"
    option = model.option("--bucket")
    assert option is not None
    assert option.default is None
    assert not option.default_known
    assert option.help == "default: os.environ.get('CORPUS_BUCKET', 'media')"


@pytest.mark.parametrize(
    ("text", "library", "reason"),
    [
        ("import sys\nprint(sys.argv[1])", "sys.argv", "the script reads sys.argv itself"),
        ("import click", "click", "which is not read from the source; with --run they are"),
        ("import typer", "typer", "which is not read from the source; with --run they are"),
        ("import fire\nfire.Fire()", "fire", "declared with fire, which is not read from the source"),
        ("from docopt import docopt", "docopt", "declared with docopt, which is not read from the source"),
        ("import optparse", "optparse", "declared with optparse, which is not read from the source"),
        ("import getopt", "getopt", "declared with getopt, which is not read from the source"),
    ],
)
def test_what_is_not_argparse_is_named(text: str, library: str, reason: str) -> None:
    model = read_source(text, "script.py")
    assert model.library == library
    assert reason in model.unknowns[0].reason
    assert not model.complete


def test_a_script_without_a_command_line_is_known_whole() -> None:
    model = read_source('"""Vacuum."""\nprint("done")\n', "script.py")
    assert (model.library, model.complete, model.options, model.unknowns) == ("none", True, (), ())


def test_what_is_not_python_is_a_fault_with_its_line() -> None:
    with pytest.raises(BackfillError, match=r"script\.py:2: not Python that can be read: invalid syntax"):
        read_source("x = 1\nprint 'old'\n".replace("print 'old'", "def f(:"), "script.py")


UNKNOWABLE = {
    "a loop over something computed": ('for n in load():\n    p.add_argument(f"--{n}")', ["an option"]),
    "a condition of the platform": (
        'import sys\nif sys.platform == "linux":\n    p.add_argument("--nice", type=int)', ["--nice"],
    ),
    "a helper of another package": ("from house import add_all\nadd_all(p)", ["options added by add_all()"]),
    "a flag that is computed": ('p.add_argument("--" + load())', ["an option"]),
    "keywords that are computed": ('p.add_argument("--x", **load())', ["--x"]),
    "parents from another package": (
        "from house import base\np = argparse.ArgumentParser(parents=[base])",
        ["parents"],
    ),
    "a method found by name": ('getattr(p, load())("--hidden-way")', ["options added by getattr()"]),
    "an exception decides": (
        'try:\n    risky()\nexcept OSError:\n    p.add_argument("--fallback")', ["--fallback"],
    ),
    "a while loop": ('while load():\n    p.add_argument("--again")', ["--again"]),
    "a match statement": ('match load():\n    case 1:\n        p.add_argument("--one")', ["--one"]),
    "a function that nobody calls": ('def more(parser):\n    parser.add_argument("--more")', ["--more"]),
}  # fmt: skip


@pytest.mark.parametrize(("body", "what"), UNKNOWABLE.values(), ids=UNKNOWABLE)
def test_an_option_that_may_or_may_not_be_there_is_an_unknown(body: str, what: list[str]) -> None:
    model = read_source(
        f'import argparse\np = argparse.ArgumentParser()\n{body}\np.add_argument("--sure")\np.parse_args()\n',
        "script.py",
    )
    assert [option.flag for option in model.options] == ["--sure"]
    assert [unknown.what for unknown in model.unknowns] == what
    assert not model.complete
    assert all(unknown.where for unknown in model.unknowns)


UNSURE = {
    "choices of another file": ("from house import KINDS", "choices=KINDS", "choices"),
    "choices by a call": ("", "choices=load()", "choices"),
    "a list that a condition changes": ('C = ["a"]\nif load():\n    C.append("b")', "choices=C", "choices"),
    "a list in which one is unknown": ("", 'choices=["a", load()]', "choices"),
    "a type by a call": ("", "type=load()", "type"),
    "required by a call": ("", "required=load()", "required"),
    "nargs by a call": ("", "nargs=load()", "nargs"),
    "an action by a call": ("", "action=load()", "kind"),
    "help by a call": ("", "help=load()", "help"),
    "a default no type takes": ("", 'type=int, default="many"', "default"),
    "choices no type takes": ("", "choices=[1, 2]", "choices"),
}


@pytest.mark.parametrize(("before", "keywords", "part"), UNSURE.values(), ids=UNSURE)
def test_a_part_of_an_option_that_cannot_be_known_is_unsure(before: str, keywords: str, part: str) -> None:
    text = f'import argparse\n{before}\np = argparse.ArgumentParser()\np.add_argument("--x", {keywords})\n'
    text += "p.parse_args()\n"
    model = read_source(text, "script.py")
    (option,) = model.options
    assert set(option.unsure) == {part}
    assert [unknown.what for unknown in model.unknowns] == [f"--x {part}"]
    assert model.complete


@pytest.mark.parametrize(
    ("before", "default", "note"),
    [
        ("", "load()", "load()"),
        ("import os\nD = os.environ.get('N', 3)", "D", "os.environ.get('N', 3)"),
        ("D = 1\nif load():\n    D = 2", "D", "D, set by a condition"),
        ("if load():\n    D = 1\nelse:\n    D = 2", "D", "D, set by a condition"),
        ("D = 1\ndef other():\n    global D\n    D = 2\nother()", "D", "D, set by a function"),
        ("def down(n):\n    return down(n + 1)", "down(0)", "down(0)"),
    ],
)
def test_a_default_that_is_no_literal_is_a_note(before: str, default: str, note: str) -> None:
    model = read(
        f"import argparse\n{before}\np = argparse.ArgumentParser()\n"
        f'p.add_argument("--x", type=int, default={default})\np.parse_args()\n'
    )
    (option,) = model.options
    assert (option.default, option.default_note, option.unsure) == (None, note, {})
    assert model.complete


def test_a_module_of_any_length_costs_only_what_it_gives(tmp_path: Path) -> None:
    (tmp_path / "big.py").write_text("LIMIT = 3\n" + "x = 1\n" * 30_000)
    (tmp_path / "huge.py").write_text("N = range(10**30)\nCHOICES = [n for n in range(10**9)]\n")
    script = tmp_path / "job.py"
    script.write_text(
        "import argparse\nfrom big import LIMIT\nfrom huge import N, CHOICES\np = argparse.ArgumentParser()\n"
        "p.add_argument('--limit', type=int, default=LIMIT)\n"
        "p.add_argument('--x', type=int, choices=CHOICES)\np.parse_args()\n"
    )
    model = read_file(script, tmp_path)
    assert [(o.flag, o.default_note, sorted(o.unsure)) for o in model.options] == [
        ("--limit", "", []), ("--x", "", ["choices"])
    ]  # fmt: skip
    assert (model.complete, model.options[0].default) == (True, 3)


NEVER_WRONG = {
    "a list that a library is handed": (
        "C = ['a']\nload(C)", "p.add_argument('--x', choices=C)", "--x choices",
    ),
    "a list under two names": (
        "C = ['a']\nB = C\nB.append('b')", "p.add_argument('--x', choices=C)", "--x choices",
    ),
    "a name set by an inner function": (
        "def f():\n    v = 1\n    def g():\n        nonlocal v\n        v = '--y'\n    g()\n    return v",
        "p.add_argument(f())", "an option",
    ),
    "a return that may come first": (
        "def add(q):\n    if load():\n        return\n    q.add_argument('--x')", "add(p)", "--x",
    ),
    "a loop that may end": (
        "", "for f in ['--x']:\n    if load():\n        break\n    p.add_argument(f)", "--x",
    ),
    "a comprehension over what is not known": ("", "[p.add_argument('--' + n) for n in load()]", "an option"),
    "the right side of an or": ("", "load() or p.add_argument('--x')", "--x"),
    "a lambda": ("", "each(['--x'], lambda f: p.add_argument(f))", "an option"),
    "a map": ("", "list(map(p.add_argument, ['--a']))", "options added by map()"),
    "exec": ("", "exec('p.add_argument(1)')", "options"),
    "the parser's own list": ("", "for a in p._actions:\n    a.required = True", "options"),
    "the parser's own list, set": ("", "p._actions = []", "options"),
    "a method of the parser's own, set": ("", "p.parse_known_args = load", "options"),
    "a registry that functions fill": (
        "C = []\ndef register(f):\n    C.append(f.__name__)\n    return f\n@register\ndef a(): ...",
        "p.add_argument('--x', choices=C)", "--x choices",
    ),
    "a try whose handler returns": (
        "def add(q):\n try:\n  load()\n except OSError:\n  return\n q.add_argument('--x')", "add(p)", "--x",
    ),
    "a try whose handler goes on": (
        "", "try:\n    load()\n    p.add_argument('--x')\nexcept OSError:\n    print()", "--x",
    ),
    "an object's parser, made under one condition, added to under another": (
        "class J: ...\nj = J()\nif load():\n    j.q = argparse.ArgumentParser()",
        "if save():\n    j.q.add_argument('--x')", "--x",
    ),
    "a name set in a loop": (
        "f = '--y'\nfor n in load():\n    f = n", "p.add_argument(f)", "an option",
    ),
    "a choice of two parsers' names": (
        "q = argparse.ArgumentParser()\nif load():\n    q = None", "q.add_argument('--x')", "--x",
    ),
    "a parser under a second name, set below a condition": (
        "import house", "if load():\n    q = p\nelse:\n    q = 1\nhouse.add(q)",
        "options added by house.add()",
    ),
    "an object that a library is handed": (
        "class J:\n    def __init__(self):\n        self.f = '--a'\nj = J()\nload(j)",
        "p.add_argument(j.f)", "an option",
    ),
    "a list that is changed after it is used": (
        "C = ['a']", "p.add_argument('--x', choices=C)\nC.append('b')", "--x choices",
    ),
    "a parameter's default, where the call is not followed": (
        "import house\ndef add(q, f='--x'):\n    q.add_argument(f)",
        "house.run(add)\nhouse.run(lambda: add(p, '--y'))", "an option",
    ),
    "a function inside a function, which a library is handed": (
        "import house\ndef main(q):\n    def more(): q.add_argument('--x')\n    house.run(more)",
        "main(p)", "--x",
    ),
    "a command line that is read by an unknown parser": (
        "import house", "q = house.wrap()\nq.parse_args()", "options",
    ),
    "an augmented list": ("C = ['a']\nC += ['b']", "p.add_argument('--x', choices=C)", "--x choices"),
    "what an exception may end": (
        "from contextlib import suppress",
        "with suppress(ImportError):\n    import torch\n    p.add_argument('--x')", "--x",
    ),
    "a helper that an exception may end": (
        "import contextlib\ndef add(q):\n    if load():\n        raise ValueError\n    q.add_argument('--x')",
        "with contextlib.suppress(ValueError):\n    add(p)", "--x",
    ),
    "a generator that nothing runs": (
        "def add(q):\n    yield 1\n    q.add_argument('--x')", "add(p)", "options added by add()",
    ),
    "a name that a library may hide": (
        "f = '--x'\nfrom house import *", "p.add_argument(f)", "an option",
    ),
    "an object's own option": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    f: str = '--x'",
        "p.add_argument(A('--y').f)", "an option",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "adding", "what"), NEVER_WRONG.values(), ids=NEVER_WRONG)
def test_no_option_is_wrong_or_left_out_without_a_word(before: str, adding: str, what: str) -> None:
    model = read_source(
        f"import argparse\n{before}\np = argparse.ArgumentParser()\n{adding}\np.parse_args()\n", "script.py"
    )
    assert what in [unknown.what for unknown in model.unknowns]
    assert [option.flag for option in model.options] == (
        [what.split(maxsplit=1)[0]] if " choices" in what else []
    )


OTHERS = {
    "two entry points": (
        ("def test(): argparse.ArgumentParser().parse_args()\n"
        "def main():\n    argparse.ArgumentParser().parse_args()\n"),
        "options",
    ),
    "two parsers that nothing parses with": (
        "a = argparse.ArgumentParser()\nb = argparse.ArgumentParser()\n", "options",
    ),
    "a helper that a library may call again": (
        ("p = argparse.ArgumentParser()\ndef more(n): p.add_argument(n)\nmore('--a')\n"
        "def each():\n    for n in load(): more(n)\nrun(each)\np.parse_args()\n"),
        "options added by more()",
    ),
}  # fmt: skip


def test_a_parameters_default_is_what_it_was_at_the_definition() -> None:
    model = read("""
        import argparse
        n = "--a"
        def add(q, flag=n): q.add_argument(flag)
        n = "--b"
        p = argparse.ArgumentParser()
        add(p)
        p.parse_args()
    """)
    assert [option.flag for option in model.options] == ["--a"]


@pytest.mark.parametrize(
    ("text", "what"),
    OTHERS.values(),
    ids=OTHERS,
)
def test_what_may_be_another_parser_or_more_options_is_an_unknown(text: str, what: str) -> None:
    model = read_source(f"import argparse\n{text}", "script.py")
    assert [unknown.what for unknown in model.unknowns] == [what]
    assert not model.complete


def test_a_script_that_never_ends_to_follow_is_given_up() -> None:
    model = read("""
        import argparse
        p = argparse.ArgumentParser()
        p.add_argument("--first")
        def spin(n):
            for a in range(1000):
                for b in range(1000):
                    print(n, a, b)
        spin(0)
        p.add_argument("--second")
        p.parse_args()
    """)
    assert [option.flag for option in model.options] == ["--first"]
    assert [u.reason for u in model.unknowns] == ["the script is too long to follow"]
    assert not model.complete


def test_suppress_is_the_word_that_argparse_uses() -> None:
    assert argparse.SUPPRESS == "==SUPPRESS=="
