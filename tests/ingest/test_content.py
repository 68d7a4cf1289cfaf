"""Checksums of pieces put together are those of the whole, as zlib itself computes them."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from tolva.ingest.content import Sums, whole


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_pieces_make_the_whole(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    assert whole(map(Sums.of, pieces)) == Sums(zlib.crc32(data), zlib.adler32(data), len(data))


def test_other_bytes_or_another_order_is_another_content() -> None:
    assert whole([Sums.of(b"ab"), Sums.of(b"cd")]).digest != whole([Sums.of(b"cd"), Sums.of(b"ab")]).digest
    assert Sums.of(b"a").digest != Sums.of(b"b").digest
