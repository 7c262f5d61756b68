from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.agent.output import MAX_LINE, LineSplitter, lines_with, newest_with, text

CHUNKS = st.lists(
    st.binary(max_size=6).map(lambda b: b.translate(bytes(b"ab\r\n"[i % 4] for i in range(256))))
)
NEEDLES = st.sampled_from(((b"ab",), (b"ab", b"bb")))


def expected(data: bytes, needles: tuple[bytes, ...]) -> list[bytes]:
    """The lines that are wanted, by the plainest means."""
    lines = [line[:MAX_LINE] for line in re.split(rb"\r\n|\r|\n", data)]
    return [line for line in lines if any(needle in line for needle in needles)]


def split(chunks: list[bytes], needles: tuple[bytes, ...]) -> list[bytes]:
    splitter = LineSplitter()
    blocks = [*map(splitter.feed, chunks), splitter.close()]
    return [line for block in blocks for line in lines_with(needles, block)]


@given(CHUNKS, NEEDLES, st.integers(0, 40_000))
def test_any_chunking_gives_exactly_the_lines_that_contain_a_needle(
    chunks: list[bytes], needles: tuple[bytes, ...], padding: int
) -> None:
    padded = [b"c" * padding + b"\n", *chunks]
    assert split(padded, needles) == expected(b"".join(padded), needles)


@given(CHUNKS, NEEDLES, st.integers(0, 40_000))
def test_newest_gives_the_same_lines_the_last_first(
    chunks: list[bytes], needles: tuple[bytes, ...], padding: int
) -> None:
    block = b"".join([*chunks, b"\n", b"c" * padding, b"\rab\n", *chunks])
    assert [*newest_with(needles, block)] == expected(block, needles)[::-1]


@pytest.mark.parametrize("size", [1, 7, 4095, 4096, 4097, 100_000], ids=str)
def test_only_the_beginning_of_a_long_line_is_seen(size: int) -> None:
    data = b"x" * 5000 + b"needle\nshort needle\n"
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    assert split(chunks, (b"needle",)) == [b"short needle"]
    assert split(chunks, (b"x", b"needle")) == [b"x" * MAX_LINE, b"short needle"]


def test_a_line_is_given_as_soon_as_its_carriage_return_is_there() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"one\r") == b"one\r"
    assert [*lines_with((b"two",), splitter.feed(b"\ntwo\n"))] == [b"two"]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert text(b"\xff ok \xc3") == "\ufffd ok \ufffd"


def test_a_line_of_ten_megabytes_costs_no_memory() -> None:
    chunk = b"y" * 65_536
    splitter = LineSplitter()
    tracemalloc.start()
    for _ in range(160):
        splitter.feed(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    assert [*lines_with((b"y",), splitter.feed(b"\n"))] == [b"y" * MAX_LINE]
