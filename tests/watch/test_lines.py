from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.watch.lines import MAX_LINE, LineSplitter, text

CHUNKS = st.lists(
    st.binary(max_size=6).map(lambda b: b.translate(bytes(b"ab\r\n"[i % 4] for i in range(256))))
)


def whole(data: bytes) -> list[str]:
    """The lines of a complete stream, by the plainest means."""
    lines = re.split(rb"\r\n|\r|\n", data)
    return [line[:MAX_LINE].decode("utf-8", "replace") for line in (lines if lines[-1] else lines[:-1])]


def split(chunks: list[bytes], needles: tuple[bytes, ...] | None = None) -> list[str]:
    splitter = LineSplitter(needles)
    found = [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.close()
    return [text(line) for line in found]


@given(CHUNKS)
def test_any_chunking_gives_the_same_lines(chunks: list[bytes]) -> None:
    assert split(chunks) == whole(b"".join(chunks))


@given(CHUNKS)
def test_needles_give_exactly_the_lines_that_contain_one(chunks: list[bytes]) -> None:
    expected = [line for line in whole(b"".join(chunks)) if "ab" in line or "bb" in line]
    assert split(chunks, (b"ab", b"bb")) == expected


@given(CHUNKS, st.sampled_from((None, (b"ab",), (b"ab", b"bb"))))
def test_newest_gives_the_same_lines_the_last_first(
    chunks: list[bytes], needles: tuple[bytes, ...] | None
) -> None:
    forwards, backwards = LineSplitter(needles), LineSplitter(needles)
    for chunk in chunks:
        assert [*backwards.newest(chunk)] == forwards.feed(chunk)[::-1]
    assert backwards.close() == forwards.close()


def test_the_newest_line_is_found_without_a_look_at_the_others() -> None:
    splitter = LineSplitter((b"[",))
    lines = splitter.newest(b"[1]\n" * 5 + b"other\r\n[2] x\r\n[3")
    assert next(lines) == b"[2] x"
    assert splitter.feed(b"4]\n") == [b"[34]"]


@given(CHUNKS, st.integers(0, 2000))
def test_sparse_and_dense_needles_give_the_same(chunks: list[bytes], padding: int) -> None:
    data = b"c" * padding + b"\n" + b"".join(chunks)
    expected = [line for line in whole(data) if "ab" in line]
    assert split([data], (b"ab",)) == expected


@pytest.mark.parametrize("size", [1, 7, 4095, 4096, 4097, 100_000], ids=str)
def test_only_the_beginning_of_a_long_line_is_seen(size: int) -> None:
    data = b"x" * 5000 + b"needle\nshort needle\n"
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    assert split(chunks) == ["x" * MAX_LINE, "short needle"]
    assert split(chunks, (b"needle",)) == ["short needle"]


def test_a_line_is_given_as_soon_as_its_carriage_return_is_there() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"one\r") == [b"one"]
    assert splitter.feed(b"\ntwo\n") == [b"two"]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert list(map(text, LineSplitter().feed(b"\xff ok \xc3\n"))) == ["\ufffd ok \ufffd"]


def test_a_line_of_ten_megabytes_costs_no_memory() -> None:
    chunk = b"y" * 65_536
    splitter = LineSplitter()
    tracemalloc.start()
    for _ in range(160):
        splitter.feed(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    assert splitter.feed(b"\n") == [b"y" * MAX_LINE]
