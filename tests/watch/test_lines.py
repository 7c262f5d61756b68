"""Streams cut into lines, and the lines of the protocol taken out of them."""

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.agent.output import MAX_LINE, Stream, lines_with, newest_with, text
from corpus_backfill_plugin.agent.progress import View

CHUNKS = st.lists(st.binary(max_size=6).map(lambda b: bytes(b"ab\r\n"[i % 4] for i in b)))
NEEDLES = st.sampled_from(((b"ab",), (b"ab", b"bb")))


def expected(data: bytes, needles: tuple[bytes, ...]) -> list[bytes]:
    """The lines that are wanted, by the plainest means."""
    lines = [line[:MAX_LINE] for line in re.split(rb"\r\n|\r|\n", data)]
    return [line for line in lines if any(needle in line for needle in needles)]


def split(chunks: list[bytes], needles: tuple[bytes, ...]) -> list[bytes]:
    stream = Stream()
    blocks = [*map(stream.feed, chunks), stream.close()]
    return [line for _, block, _ in blocks for line in lines_with(needles, block)]


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
    stream = Stream()
    assert stream.feed(b"one\r")[1] == b"one\r"
    assert [*lines_with((b"two",), stream.feed(b"\ntwo\n")[1])] == [b"two"]
    assert text(b"\xff ok \xc3") == "\ufffd ok \ufffd", "bytes that are no UTF-8 are replaced"


def test_a_line_of_ten_megabytes_costs_no_memory() -> None:
    chunk = b"y" * 65_536
    stream = Stream()
    tracemalloc.start()
    for _ in range(160):
        stream.feed(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    assert [*lines_with((b"y",), stream.feed(b"\n")[1])] == [b"y" * MAX_LINE]


GOOD = b"::progress done=120 total=3400"
ALMOST = (
    b"::progress done=-1 total=2", b"::progress done=1.5 total=2", b"::progress done=1 total=2 ",
    b" ::progress done=1 total=2", b"::progress  done=1 total=2", b"::progress done=1",
    b"::progress total=2 done=1", b"::progress done=1234567890123456 total=2", b"::progress done=nan total=2",
    b"::progress done=\xd9\xa1 total=2", b"::Progress done=1 total=2", b"::progress done=1 total=2 run=rm",
    b"\x1b[0m::progress done=1 total=2",
)  # fmt: skip
PARTS = st.sampled_from(
    (GOOD, b"\n", b"\r", b"\r\n", b"text", b"::pro", b":", b"::progress done=1 total=", *ALMOST)
)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=repr)
def test_a_line_of_the_protocol_is_understood_and_not_shown(end: bytes) -> None:
    shown = b"one\ntwo\n"
    assert Stream().feed(b"one\n" + GOOD + end + b"two\n") == (shown, shown, View(done=120, total=3400))


@pytest.mark.parametrize("line", ALMOST, ids=repr)
def test_a_line_that_differs_at_all_is_an_ordinary_line(line: bytes) -> None:
    stream = Stream()
    assert stream.feed(line + b"\n") == (line + b"\n", line + b"\n", None)
    assert stream.close() == (b"", b"", None)


@given(st.lists(PARTS), st.lists(st.integers(1, 40)))
def test_any_chunking_shows_the_same_bytes(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)
    without = re.sub(rb"(?<![^\r\n])::progress done=[0-9]{1,15} total=[0-9]{1,15}(\r\n|\r|\n|\Z)", b"", data)
    stream, shown, at = Stream(), b"", 0
    for size in [*sizes, len(data)]:
        shown += stream.feed(data[at : at + size])[0]
        at += size
    assert shown + stream.close()[0] == without


@given(st.binary(max_size=80).filter(lambda data: b":" not in data))
def test_what_cannot_be_the_protocol_is_never_held_back(data: bytes) -> None:
    assert Stream().feed(data)[::2] == (data, None)


def test_a_partial_line_waits_only_while_it_can_become_the_protocol_or_the_stream_ends() -> None:
    stream = Stream()
    assert stream.feed(b"\n::prog")[::2] == (b"\n", None)
    assert stream.feed(b"ress done=1")[::2] == (b"", None)
    assert stream.feed(b"x")[::2] == (b"::progress done=1x", None)
    assert stream.feed(b"::prog")[::2] == (b"::prog", None)  # no longer at the start of a line
    stream = Stream()
    assert stream.feed(GOOD)[::2] == (b"", None)
    assert stream.close()[::2] == (b"", View(done=120, total=3400))
