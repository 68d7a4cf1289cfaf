"""Compressed files and other encodings: the same text, whatever the blocks it comes in; harm ends at its limit."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tolva.errors import InputError
from tolva.formats.decoding import Decoder, Decoding, Limits, detect

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACK: dict[str, Callable[[bytes], bytes]] = {"none": bytes, "gzip": gzip.compress, "zstd": zstd.compress}
ENCODINGS = ["utf-8", "latin-1", "utf-16-le", "utf-16-be"]


def decode(data: bytes, decoding: Decoding, cuts: tuple[int, ...] = (), limits: Limits | None = None) -> bytes:
    decoder = Decoder(decoding, "data.csv", limits)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return b"".join(text for a, b in pairwise(edges) for text in decoder.feed(data[a:b])) + decoder.end()


@given(
    parts=st.lists(st.text(st.characters(max_codepoint=255)), max_size=4),
    cuts=st.tuples(*[st.integers(0, 200)] * 3),
    compression=st.sampled_from(list(PACK)),
    encoding=st.sampled_from(ENCODINGS),
)
def test_the_text_comes_out_whatever_the_blocks(
    parts: list[str], cuts: tuple[int, ...], compression: str, encoding: str
) -> None:
    packed = b"".join(PACK[compression](part.encode(encoding)) for part in parts)
    assert decode(packed, Decoding(compression, encoding), cuts).decode() == "".join(parts)


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.tuples(*[st.integers(0, 60)] * 3))
def test_all_characters_of_utf_16(text: str, cuts: tuple[int, ...]) -> None:
    for encoding in ENCODINGS[2:]:
        assert decode(text.encode(encoding), Decoding("none", encoding), cuts).decode() == text


@given(st.binary(), st.tuples(*[st.integers(0, 60)] * 3), st.sampled_from(ENCODINGS))
def test_any_bytes_are_decoded_to_something_however_cut(data: bytes, cuts: tuple[int, ...], encoding: str) -> None:
    assert decode(data, Decoding("none", encoding), cuts) == decode(data, Decoding("none", encoding))


def test_what_is_no_utf_16_comes_out_as_no_utf_8() -> None:
    half = "a\ud800b".encode("utf-16-le", "surrogatepass")
    assert decode(half, Decoding("none", "utf-16-le")) == b"a\xed\xa0\x80b"
    assert decode(half + b"x", Decoding("none", "utf-16-le")) == b"a\xed\xa0\x80b\xff"


@pytest.mark.parametrize(
    ("start", "found"),
    [
        (b"a,b\n", Decoding()),
        (b"", Decoding()),
        ("a,b\n".encode("utf-16"), Decoding("none", "utf-16-le")),
        ("\ufeffa,b\n".encode("utf-16-be"), Decoding("none", "utf-16-be")),
        ("a,b\n1,2\n".encode("utf-16-le"), Decoding("none", "utf-16-le")),
        ("a,b\n1,2\n".encode("utf-16-be"), Decoding("none", "utf-16-be")),
        (gzip.compress(b"a,b\n", mtime=0), Decoding("gzip")),
        (zstd.compress("a,b\n".encode("utf-16")), Decoding("zstd", "utf-16-le")),
        (bytes(1000), Decoding()),
    ],
)
def test_what_is_found_out(start: bytes, found: Decoding) -> None:
    assert detect(start, None, None, "data.csv") == found


def test_what_is_declared_is_not_found_out() -> None:
    assert detect(b"\x1f\x8b", "none", "latin-1", "data.csv") == Decoding("none", "latin-1")
    assert detect("\ufeffa".encode("utf-16-be"), None, "utf-16", "data.csv") == Decoding("none", "utf-16-be")
    assert detect("字".encode("utf-16-le"), None, "utf-16", "data.csv") == Decoding("none", "utf-16-le")


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_damaged_and_cut_files_are_told(compression: str) -> None:
    packed = PACK[compression](b"some,text\n" * 1000)
    with pytest.raises(InputError, match="is cut short"):
        decode(packed[:-9], Decoding(compression))
    with pytest.raises(InputError, match="is damaged"):
        decode(packed[:10] + b"\xff" * 20 + packed[30:], Decoding(compression))
    with pytest.raises(InputError, match="is damaged"):
        decode(packed + b"garbage", Decoding(compression))


def test_zeros_after_the_end_are_no_damage() -> None:
    assert decode(gzip.compress(b"a\n") + bytes(700), Decoding("gzip"), (30, 200)) == b"a\n"


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_bomb_ends_at_its_limit(compression: str) -> None:
    bomb = PACK[compression](bytes(20 * 2**20))
    small = Limits(max_ratio=100, free_bytes=2**20)
    with pytest.raises(InputError, match=r"data.csv unpacks to more than"):
        decode(bomb, Decoding(compression), limits=small)
    with pytest.raises(InputError, match=r"data.csv unpacks to more than 3000000 bytes"):
        decode(bomb, Decoding(compression), limits=Limits(max_ratio=10**6, max_bytes=3_000_000))
    assert max(map(len, Decoder(Decoding(compression), "data.csv").feed(bomb))) <= 2**20
    assert len(decode(bomb, Decoding(compression))) == 20 * 2**20
