"""`specs check --fix` edits what people have written: it stays where it speaks of something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from conftest import Cli

    Fixed: TypeAlias = Callable[..., str]

HEAD = 'spec-version = 1\nscript = "thing.py"\ncommon = []\n'
A = '\n# About a.\n[[option]]  # the first\nname = "a"\nhelp = "A."  # short\n'
B = '\n# About b.\n[[option]]\nname = "b"\n'
TAIL = "\n# What its lines mean:\n# [output]\n# progress = 'tqdm'\n"
OUTPUT = "\n# What its lines mean:\n[output]\nprogress = 'tqdm'\n"


@pytest.fixture
def fixed(repository: Path, cli: Cli) -> Fixed:
    def fix(spec: str, *calls: str) -> str:
        """Return what becomes of `spec` for a script with these `add_argument` calls."""
        lines = ["import argparse", "p = argparse.ArgumentParser()"]
        lines += [f"p.add_argument({call})" for call in calls]
        (repository / "backfill/thing.py").write_text("\n".join((*lines, "p.parse_args()\n")))
        path = repository / "backfill/thing.toml"
        path.write_bytes(spec.encode())
        outcome = cli("specs", "check", "--fix", "backfill/thing.toml", cwd=repository)
        assert (outcome.code, outcome.stdout) == (0, "")
        return path.read_bytes().decode()

    return fix


def test_a_new_key_stands_in_its_table_and_not_behind_what_follows(fixed: Fixed) -> None:
    for tail in (TAIL, OUTPUT, ""):
        assert fixed(HEAD + A + B + tail, '"--a", help="A."', '"--b", type=int') == (
            HEAD + A + B + 'type = "int"\n' + tail
        )
        assert fixed(HEAD + A + B + tail, '"--a", help="A.", type=int', '"--b"') == (
            HEAD + A + 'type = "int"\n' + B + tail
        )


def test_a_new_table_stands_behind_the_last_of_its_kind(fixed: Fixed) -> None:
    new = '\n[[option]]\nname = "c"\ntype = "int"\n'
    for tail in (TAIL, OUTPUT, ""):
        told = fixed(HEAD + A + B + tail, '"--a", help="A."', '"--b"', '"--c", type=int')
        assert told == HEAD + A + B + new + tail


@pytest.mark.parametrize("tail", [TAIL, OUTPUT, ""], ids=["a comment", "a table", "nothing"])
def test_a_lost_option_takes_its_own_comment_and_no_other(tail: str, fixed: Fixed) -> None:
    assert fixed(HEAD + A + B + tail, '"--a", help="A."') == HEAD + A + tail
    assert fixed(HEAD + A + B + tail, '"--b"') == HEAD + B + tail
    assert fixed(HEAD + A + B + tail) == HEAD + tail


def test_a_comment_apart_from_a_lost_option_stays(fixed: Fixed) -> None:
    apart = "\n# Everything below is for the archive.\n"
    assert fixed(HEAD + A + apart + B, '"--a", help="A."') == HEAD + A + apart
    assert fixed(HEAD + apart + A + B, '"--b"') == HEAD + apart + B


def test_lines_end_as_they_did(fixed: Fixed) -> None:
    spec = (HEAD + A + B + TAIL).replace("\n", "\r\n")
    told = fixed(spec, '"--a", help="A."', '"--b", type=int')
    assert told == (HEAD + A + B + 'type = "int"\n' + TAIL).replace("\n", "\r\n")


def test_a_text_that_looks_like_a_comment_is_none(fixed: Fixed) -> None:
    spec = f'{HEAD}\n[[option]]\nname = "a"\nhelp = """\nA.\n# not a comment"""\n{B}'
    told = fixed(spec, '"--a"', '"--b", type=int')
    assert told == f'{spec}type = "int"\n'
