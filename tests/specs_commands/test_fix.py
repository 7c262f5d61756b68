"""`specs check --fix` edits what people have written: it stays where it speaks of something."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from conftest import Cli

Fixed: TypeAlias = Callable[..., str]

HEAD = 'spec-version = 1\nscript = "thing.py"\ncommon = []\n'
A = '\n# About a.\n[[option]]  # the first\nname = "a"\nhelp = "A."  # short\n'
B = '\n# About b.\n[[option]]\nname = "b"\n'
TAIL = "\n# What its lines mean:\n# [output]\n# progress = 'tqdm'\n"
OUTPUT = "\n# What its lines mean:\n[output]\nprogress = 'tqdm'\n"


@pytest.fixture
def fixed(repository: Path, in_repository: Cli) -> Fixed:
    def fix(spec: str, *calls: str) -> str:
        """Return what becomes of `spec` for a script with these `add_argument` calls."""
        lines = ["import argparse", "p = argparse.ArgumentParser()"]
        lines += [f"p.add_argument({call})" for call in calls]
        (repository / "backfill/thing.py").write_text("\n".join((*lines, "p.parse_args()\n")))
        path = repository / "backfill/thing.toml"
        path.write_bytes(spec.encode())
        outcome = in_repository("check", "--fix", "backfill/thing.toml")
        assert (outcome.code, outcome.stdout) == (0, "")
        return path.read_bytes().decode()

    return fix


@pytest.mark.parametrize("tail", [TAIL, OUTPUT, ""], ids=["a comment", "a table", "nothing"])
def test_what_is_added_or_lost_leaves_the_comments_of_others_alone(tail: str, fixed: Fixed) -> None:
    spec, a_is, new = HEAD + A + B + tail, '"--a", help="A."', '\n[[option]]\nname = "c"\ntype = "int"\n'
    assert fixed(spec, a_is, '"--b", type=int') == HEAD + A + B + 'type = "int"\n' + tail
    assert fixed(spec, f"{a_is}, type=int", '"--b"') == HEAD + A + 'type = "int"\n' + B + tail
    assert fixed(spec, a_is, '"--b"', '"--c", type=int') == HEAD + A + B + new + tail
    assert fixed(spec, a_is) == HEAD + A + tail
    assert fixed(spec, '"--b"') == HEAD + B + tail
    assert fixed(spec) == HEAD + tail


def test_a_comment_apart_from_a_lost_option_stays(fixed: Fixed) -> None:
    apart = "\n# Everything below is for the archive.\n"
    assert fixed(HEAD + A + apart + B, '"--a", help="A."') == HEAD + A + apart
    assert fixed(HEAD + apart + A + B, '"--b"') == HEAD + apart + B


def test_lines_end_as_they_did(fixed: Fixed) -> None:
    spec = (HEAD + A + B + TAIL).replace("\n", "\r\n")
    told = fixed(f"\ufeff{spec}", '"--a", help="A."', '"--b", type=int')
    assert told == (HEAD + A + B + 'type = "int"\n' + TAIL).replace("\n", "\r\n")


def test_a_text_that_looks_like_a_comment_is_none(fixed: Fixed) -> None:
    spec = f'{HEAD}\n[[option]]\nname = "a"\nhelp = """\nA.\n# not a comment"""\n{B}'
    told = fixed(spec, '"--a"', '"--b", type=int')
    assert told == f'{spec}type = "int"\n'


def test_a_new_option_gets_no_name_that_an_alias_has(fixed: Fixed) -> None:
    spec = f'{HEAD}\n[[option]]\nname = "a"\naliases = ["c"]\n'
    assert 'name = "script-c"\nflag = "--c"\n' in fixed(spec, '"--a"', '"--c"')
