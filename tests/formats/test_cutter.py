"""Chunks hold whole records, all of them, however the text is written and whatever the blocks it comes in."""

from __future__ import annotations

import csv
import io
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tolva.errors import InputError
from tolva.formats.delimited.cutter import Cutter, cut_file
from tolva.formats.delimited.diagnose import records
from tolva.formats.delimited.dialect import Dialect
from tolva.model import Chunk

COMMA = Dialect()
BACKSLASH = Dialect(escape="\\")
UNQUOTED = Dialect(quote=None)

SMALL = (
    b'a,b,c\r\n1,"two\nlines",3\n"x ""y"" z","","a,b"\n\n"""","\r\n",4\n5, "spaced\n" ,6\n'
    b'7"in",it\'s,"end"\n"long ' + b"o" * 40 + b"\n" + b"g" * 40 + b'",1,2\nlast,"no\nline",end'
)

SPECIAL = st.sampled_from([b",", b"\n", b"\r\n", b"\r", b'"', b'""', b" ", b"\\", b"x", b"yz"])
TEXT = st.lists(SPECIAL, max_size=40).map(b"".join)


def chunks(data: bytes, dialect: Dialect, chunk_bytes: int, blocks: list[bytes] | None = None) -> list[Chunk]:
    cutter = Cutter(dialect, chunk_bytes)
    found = [chunk for block in blocks or [data] for chunk in cutter.feed(block)]
    return found + cutter.end()


def spans(found: list[Chunk]) -> list[tuple[int, int]]:
    return [(chunk.offset, chunk.length) for chunk in found]


def ends(data: bytes, dialect: Dialect) -> set[int]:
    return {r.offset + len(r.raw) for r in records(data, dialect, single=True)}


def fields(data: bytes, dialect: Dialect) -> list[list[bytes]]:
    return [record.fields for record in records(data, dialect, single=True)]


def test_every_chunk_size_gives_the_same_records() -> None:
    whole = fields(SMALL, COMMA)
    for chunk_bytes in range(1, len(SMALL) + 2):
        found = chunks(SMALL, COMMA, chunk_bytes)
        pieces = [SMALL[c.offset : c.offset + c.length] for c in found]
        assert b"".join(pieces) == SMALL
        assert [row for piece in pieces for row in fields(piece, COMMA)] == whole


def test_every_split_of_the_stream_gives_the_same_chunks() -> None:
    for chunk_bytes in (1, 7, 30, 100):
        expected = spans(chunks(SMALL, COMMA, chunk_bytes))
        for at in range(len(SMALL)):
            assert spans(chunks(SMALL, COMMA, chunk_bytes, [SMALL[:at], SMALL[at:]])) == expected
        byte_by_byte = [SMALL[i : i + 1] for i in range(len(SMALL))]
        assert spans(chunks(SMALL, COMMA, chunk_bytes, byte_by_byte)) == expected


def test_cutting_goes_on_at_any_chunk_boundary() -> None:
    for first in chunks(SMALL, COMMA, 20):
        cutter = Cutter(COMMA, 20, start=first.offset)
        found = cutter.feed(SMALL[first.offset :]) + cutter.end()
        pieces = b"".join(SMALL[c.offset : c.offset + c.length] for c in found)
        assert pieces == SMALL[first.offset :]
        assert {c.offset + c.length for c in found} <= ends(SMALL, COMMA)


@given(
    TEXT, st.integers(1, 30), st.lists(st.integers(0, 80), max_size=6), st.sampled_from([COMMA, BACKSLASH, UNQUOTED])
)
def test_any_text_is_cut_at_record_ends_only(data: bytes, chunk_bytes: int, cuts: list[int], dialect: Dialect) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    blocks = [data[a:b] for a, b in pairwise(edges)]
    found = chunks(data, dialect, chunk_bytes, blocks)
    assert spans(found) == spans(chunks(data, dialect, chunk_bytes))
    at = 0
    for chunk in found:
        assert chunk.offset == at
        assert chunk.length > 0
        at += chunk.length
    assert at == len(data)
    assert {chunk.offset + chunk.length for chunk in found} <= ends(data, dialect)


@given(
    st.lists(st.lists(st.text('ab",\n\r \\', max_size=6), min_size=2, max_size=3), max_size=12),
    st.integers(1, 60),
    st.sampled_from([COMMA, BACKSLASH]),
)
def test_what_a_careful_writer_wrote_is_never_odd(rows: list[list[str]], chunk_bytes: int, dialect: Dialect) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, escapechar=dialect.escape, doublequote=not dialect.escape).writerows(rows)
    data = text.getvalue().encode()
    for chunk in chunks(data, dialect, chunk_bytes):
        assert "odd" not in chunk.traits
        piece = data[chunk.offset : chunk.offset + chunk.length]
        multiline = any(b"\n" in field or b"\r" in field for row in fields(piece, dialect) for field in row)
        assert chunk.traits.get("multiline", False) >= multiline
        assert chunk.traits.get("escaped", False) >= (dialect.escape is not None and b"\\" in piece)


@pytest.mark.parametrize(
    ("data", "dialect", "odd"),
    [
        (b'a,"b"\n', COMMA, False),
        (b'a"b,c\n', COMMA, False),
        (b'a,"b"c\n', COMMA, True),
        (b'a, "b"\n', COMMA, True),
        (b'a,  "b"\n', COMMA, False),
        (b'a,"b" \n', COMMA, True),
        (b'a,"b\n', COMMA, True),
        (b'"a""b"\n', COMMA, False),
        (b'"a""b"\n', BACKSLASH, True),
        (b'"a\\"b"\n', BACKSLASH, False),
        (b'"a\\"b",c\\d\n', BACKSLASH, True),
    ],
)
def test_odd_quotes_are_marked(data: bytes, dialect: Dialect, odd: bool) -> None:
    for blocks in ([data], [data[i : i + 1] for i in range(len(data))]):
        (chunk,) = chunks(data, dialect, 1000, blocks)
        assert chunk.traits.get("odd", False) is odd


def test_chunks_are_near_the_size_asked_for_with_no_small_rest(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"".join(b"%d,some text here\n" % i for i in range(100_000)))
    size = path.stat().st_size
    fd = os.open(path, os.O_RDONLY)
    for chunk_bytes in (10_000, 300_000, 1_048_576, size - 1, size, size * 2):
        found = list(cut_file(fd, COMMA, chunk_bytes, 0, size))
        assert len(found) == -(-size // chunk_bytes)
        assert sum(c.length for c in found) == size
        assert max(c.length for c in found) - min(c.length for c in found) < 100
    os.close(fd)


def test_a_quote_left_open_is_an_error_that_names_its_record() -> None:
    cutter = Cutter(COMMA, 100, max_record_bytes=1000)
    cutter.feed(b'1,2\n3,"4\n')
    with pytest.raises(InputError, match="byte 4 is longer") as caught:
        cutter.feed(b"5,6\n" * 300)
    assert caught.value.data["byte_offset"] == 4
