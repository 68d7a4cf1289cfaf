from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tolva.errors import UsageError
from tolva.work.parts import PartCutter

HEADER = b"id,name\n"


def batch(sizes: list[int], letter: str = "x") -> tuple[bytes, list[int]]:
    return b"".join(letter.encode() * (size - 1) + b"\n" for size in sizes), list(accumulate(sizes))


def write(batches: list[tuple[bytes, list[int]]], max_part_bytes: int, header: bytes = b"") -> list[bytes]:
    """Return the contents of the parts."""
    cutter = PartCutter(max_part_bytes, header)
    numbered = [(ordinal, b"".join(pieces)) for ordinal, pieces in cutter.parts(batches)]
    assert [(report.ordinal, report.bytes, report.sha256) for report in cutter.reports] == [
        (ordinal, len(content), hashlib.sha256(content).hexdigest()) for ordinal, content in numbered
    ]
    assert [ordinal for ordinal, _ in numbered] == list(range(1, len(numbered) + 1))
    return [content for _, content in numbered]


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([100], [100]),
        ([50, 50], [100]),
        ([50, 51], [50, 51]),
        ([50, 50, 1], [100, 1]),
        ([101], [101]),
        ([1, 101, 1], [1, 101, 1]),
        ([100, 100, 100], [100, 100, 100]),
        ([10] * 25, [100, 100, 50]),
    ],
)
def test_parts_are_cut_where_the_next_record_would_pass_the_cap(sizes: list[int], parts: list[int]) -> None:
    assert [len(content) for content in write([batch(sizes)], 100)] == parts
    assert [len(content) for content in write([batch([size]) for size in sizes], 100)] == parts


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [([92], [100]), ([46, 46], [100]), ([46, 47], [54, 55]), ([93], [101]), ([1, 93, 1], [9, 101, 9])],
)
def test_the_header_counts_and_begins_every_part(sizes: list[int], parts: list[int]) -> None:
    contents = write([batch(sizes)], 100, HEADER)
    assert [len(content) for content in contents] == parts
    assert all(content.startswith(HEADER) for content in contents)


@pytest.mark.parametrize("header", [b"", HEADER])
@pytest.mark.parametrize("batches", [[], [(b"", [])]])
def test_no_records_make_one_part_of_the_header_alone(batches: list[tuple[bytes, list[int]]], header: bytes) -> None:
    assert write(batches, 100, header) == [header]


def test_a_header_larger_than_the_cap_still_lets_records_through() -> None:
    assert write([batch([3, 3])], 5, HEADER) == [HEADER + b"xx\n", HEADER + b"xx\n"]


def test_ends_may_be_a_numpy_array() -> None:
    buffer, ends = batch([30] * 10)
    cutter = PartCutter(100)
    parts = [b"".join(part) for _, part in cutter.parts([(memoryview(buffer), np.array(ends, dtype=np.int64))])]
    assert [report.records for report in cutter.reports] == [3, 3, 3, 1]
    assert b"".join(parts) == buffer


def test_pieces_are_slices_and_not_copies() -> None:
    buffer, ends = batch([30] * 10)
    pieces = [piece for _, part in PartCutter(100).parts([(buffer, ends)]) for piece in part]
    assert all(isinstance(piece, memoryview) and piece.obj is buffer for piece in pieces)


def test_batches_are_pulled_one_by_one() -> None:
    pulled = []

    def batches() -> Iterator[tuple[bytes, list[int]]]:
        for number in range(5):
            pulled.append(number)
            yield batch([60])

    parts = PartCutter(100).parts(batches())
    next(parts)
    assert pulled == [0]


def test_a_cap_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        PartCutter(0)


@given(
    sizes=st.lists(st.lists(st.integers(1, 40), max_size=10), max_size=8),
    max_part_bytes=st.integers(1, 60),
    header=st.sampled_from([b"", b"h\n", HEADER]),
)
def test_any_records(sizes: list[list[int]], max_part_bytes: int, header: bytes) -> None:
    batches = [batch(some, chr(ord("a") + number)) for number, some in enumerate(sizes)]
    contents = write(batches, max_part_bytes, header)
    bodies = [content.removeprefix(header) for content in contents]

    assert b"".join(bodies) == b"".join(buffer for buffer, _ in batches)
    over = [body for content, body in zip(contents, bodies, strict=True) if len(content) > max_part_bytes]
    assert all(body.count(b"\n") <= 1 for body in over)
    for body, following in pairwise(bodies):
        first_record = following[: following.index(b"\n") + 1]
        assert len(header) + len(body) + len(first_record) > max_part_bytes

    cutter = PartCutter(max_part_bytes, header)
    assert sum(len(list(pieces)) for _, pieces in cutter.parts(batches))
    assert sum(report.records for report in cutter.reports) == sum(map(len, sizes))
