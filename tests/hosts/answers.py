"""When two hosts give the same answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hosts.conftest import Outcome

# What Rich draws around the text of an error.
BOXES = str.maketrans(dict.fromkeys("╭╮╰╯│─", " "))


def plain(text: str) -> str:
    """The words alone: no frames, line ends or full stops, which are the host's way of putting it.

    Of two names of the help option newer clicks name the longer in "Try ...", rich-click the first.
    """
    words = " ".join(text.translate(BOXES).split())
    return words.replace("Aborted!", "Aborted").replace(" -h' for help", " --help' for help").replace(".", "")


def assert_same(found: Outcome, expected: Outcome, *, framed: bool = False) -> None:
    """Code and output are equal, and each line of an error is said.

    Args:
        found: what the host answered.
        expected: what the reference answered.
        framed: stdout may hold an error too, as a test runner mixes the two.
    """
    assert "Traceback" not in found.err
    assert found.code == expected.code
    if not framed:
        assert found.out == expected.out
    for said, heard in ((expected.out, found.out), (expected.err, found.err)):
        for line in said.splitlines():
            # The frame around an error is the host's, what it says is click's.
            assert plain(line.removeprefix("Error: ")) in plain(heard)
