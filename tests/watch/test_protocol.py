from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.agent.output import ProtocolFilter
from corpus_backfill_plugin.agent.progress import Update

GOOD = b"::progress done=120 total=3400"
ALMOST = (
    b"::progress done=-1 total=2",
    b"::progress done=1.5 total=2",
    b"::progress done=1 total=2 ",
    b" ::progress done=1 total=2",
    b"::progress  done=1 total=2",
    b"::progress done=1",
    b"::progress total=2 done=1",
    b"::progress done=1234567890123456 total=2",
    b"::progress done=nan total=2",
    b"::progress done=\xd9\xa1 total=2",
    b"::Progress done=1 total=2",
    b"::progress done=1 total=2 run=rm",
    b"\x1b[0m::progress done=1 total=2",
)
PARTS = st.sampled_from(
    (GOOD, b"\n", b"\r", b"\r\n", b"text", b"::pro", b":", b"::progress done=1 total=", *ALMOST)
)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=repr)
def test_a_line_of_the_protocol_is_understood_and_not_shown(end: bytes) -> None:
    protocol = ProtocolFilter()
    assert protocol.feed(b"one\n" + GOOD + end + b"two\n") == (b"one\ntwo\n", Update(done=120, total=3400))


@pytest.mark.parametrize("line", ALMOST, ids=repr)
def test_a_line_that_differs_at_all_is_an_ordinary_line(line: bytes) -> None:
    protocol = ProtocolFilter()
    assert protocol.feed(line + b"\n") == (line + b"\n", None)
    assert protocol.close() == (b"", None)


@given(st.lists(PARTS), st.lists(st.integers(1, 40)))
def test_any_chunking_shows_the_same_bytes(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)
    expected = re.sub(rb"(?<![^\r\n])::progress done=[0-9]{1,15} total=[0-9]{1,15}(\r\n|\r|\n|\Z)", b"", data)
    protocol, shown, at = ProtocolFilter(), [], 0
    for size in [*sizes, len(data)]:
        shown.append(protocol.feed(data[at : at + size])[0])
        at += size
    shown.append(protocol.close()[0])
    assert b"".join(shown) == expected


@given(st.binary(max_size=80).filter(lambda data: b":" not in data))
def test_what_cannot_be_the_protocol_is_never_held_back(data: bytes) -> None:
    assert ProtocolFilter().feed(data) == (data, None)


def test_a_partial_line_waits_only_while_it_can_become_the_protocol() -> None:
    protocol = ProtocolFilter()
    assert protocol.feed(b"\n::prog") == (b"\n", None)
    assert protocol.feed(b"ress done=1") == (b"", None)
    assert protocol.feed(b"x") == (b"::progress done=1x", None)
    assert protocol.feed(b"::prog") == (b"::prog", None)  # no longer at the start of a line


def test_a_whole_line_without_its_end_counts_at_the_end_of_the_stream() -> None:
    protocol = ProtocolFilter()
    assert protocol.feed(GOOD) == (b"", None)
    assert protocol.close() == (b"", Update(done=120, total=3400))
