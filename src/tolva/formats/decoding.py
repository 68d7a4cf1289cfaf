"""Files that aren't plain UTF-8 text: compressed, or in another encoding. Unpacked and decoded as a stream.

What comes out is UTF-8. What isn't text in the file's encoding comes out as bytes that aren't UTF-8, so that it is the
records it stands in that are refused, not the file.
"""

from __future__ import annotations

import codecs
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from tolva.errors import InputError

Json = dict[str, Any]

ENCODINGS = ("utf-8", "latin-1", "utf-16", "utf-16-le", "utf-16-be")
"""The encodings that can be declared; ``utf-16`` is of the order its byte order mark says, else little-endian."""
COMPRESSIONS = ("none", "gzip", "zstd")
"""The compressions that can be declared."""

_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
_BLOCK_BYTES = 1024 * 1024
_MIN_NULS = 0.3
"""Of every second byte, in text that is UTF-16 without a mark."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a file may unpack to.

    At most ``max_bytes``; and, beyond ``free_bytes``, at most ``max_ratio`` times its size. Tables of many equal lines
    pack 1 to 100; what packs tighter is made to do harm.
    """

    max_ratio: int = 250
    free_bytes: int = 64 * 2**20
    max_bytes: int = 2**40


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a file's bytes become UTF-8 text."""

    compression: str = "none"
    encoding: str = "utf-8"

    @property
    def plain(self) -> bool:
        """Whether the bytes are the text."""
        return self == Decoding()

    def to_json(self) -> Json:
        """Return it as JSON values."""
        return {"compression": self.compression, "encoding": self.encoding}


def detect(start: bytes, compression: str | None, encoding: str | None, name: str) -> Decoding:
    """Find out what wasn't said (None) from a file's first bytes: some thousands, or all there are."""
    packing = compression or next((known for known, magic in _MAGIC.items() if start.startswith(magic)), "none")
    if packing == "none":
        return Decoding(packing, _encoding(start, encoding))
    unpacked = next(Decoder(Decoding(packing), name).feed(start), b"")
    return Decoding(packing, _encoding(unpacked, encoding))


def _encoding(start: bytes, declared: str | None) -> str:
    if declared not in (None, "utf-16"):
        return str(declared)
    marked = next((known for known, mark in _MARKS.items() if start.startswith(mark)), None)
    if marked:
        return marked
    nuls = {"utf-16-le": start[1::2].count(0), "utf-16-be": start[::2].count(0)}
    likely = max(nuls, key=lambda order: nuls[order])
    if nuls[likely] > len(start) // 2 * _MIN_NULS and 2 * min(nuls.values()) < nuls[likely]:
        return likely
    return "utf-16-le" if declared else "utf-8"


class Decoder:
    """Turns a file's bytes, as they come, into UTF-8 text.

    InputError when they can't be unpacked, or unpack to more than ``limits`` allow.
    """

    def __init__(self, decoding: Decoding, name: str, limits: Limits | None = None) -> None:
        self._unpacker = None if decoding.compression == "none" else _Unpacker(decoding, name, limits or Limits())
        self._encoding = decoding.encoding
        self._characters = None if decoding.encoding == "utf-8" else _decoder(decoding.encoding)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes; yield the text they make, in blocks of bounded size."""
        for block in self._unpacker.feed(data) if self._unpacker else (data,):
            text = block if self._characters is None else _utf8(self._characters.decode(block))
            if text:
                yield text

    def end(self) -> bytes:
        """Return what text is left when the file is over. InputError when it is cut short."""
        if self._unpacker:
            self._unpacker.end()
        if self._characters is None:
            return b""
        try:
            return _utf8(self._characters.decode(b"", final=True))
        except UnicodeDecodeError:
            return b"\xff"

    def undone(self, text: bytes | bytearray) -> bytes:
        """Return the bytes that ``text``, the last that came out, was made from, and those that came after them.

        Not for compressed files.
        """
        if self._characters is None:
            return bytes(text)
        errors = self._characters.errors
        return text.decode(errors="surrogatepass").encode(self._encoding, errors) + self._characters.getstate()[0]


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder(encoding)(errors="surrogatepass" if encoding.startswith("utf") else "strict")


def _utf8(text: str) -> bytes:
    # Half a surrogate pair becomes three bytes that aren't UTF-8.
    return text.encode(errors="surrogatepass")


class _Member(Protocol):
    """What unpacks one of the pieces that a compressed file may be joined from."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def _gzip() -> tuple[Callable[[], _Member], type[Exception]]:
    return lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), zlib.error


def _zstd() -> tuple[Callable[[], _Member], type[Exception]]:
    # Few jobs need it, and all pay for what is loaded.
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415
    return zstd.ZstdDecompressor, zstd.ZstdError


class _Unpacker:
    def __init__(self, decoding: Decoding, name: str, limits: Limits) -> None:
        self._compression, self._name, self._limits = decoding.compression, name, limits
        self._member: _Member | None = None
        self._taken = self._given = 0
        self._new_member, self._errors = _gzip() if decoding.compression == "gzip" else _zstd()

    def feed(self, data: bytes) -> Iterator[bytes]:
        first, self._taken = self._taken == 0, self._taken + len(data)
        while data or self._member:
            if self._member is None:
                # Files on tape, and some on disk, are filled up with zeros.
                data = data if first else data.lstrip(b"\0")
                if not data:
                    return
                self._member = self._new_member()
            first = False
            block = self._decompress(self._member, data)
            if block:
                yield block
            if self._member.eof:
                data, self._member = self._member.unused_data, None
            else:
                data = getattr(self._member, "unconsumed_tail", b"")
                if not block and not data:
                    return

    def end(self) -> None:
        if self._member is not None:
            raise InputError(
                f"{self._name} is cut short: its {self._compression} data doesn't end; get the whole file",
                file=self._name,
            )

    def _decompress(self, member: _Member, data: bytes) -> bytes:
        try:
            block = member.decompress(data, _BLOCK_BYTES)
        except self._errors as error:
            raise InputError(
                f"{self._name} is damaged: its {self._compression} data can't be unpacked beyond byte {self._given} of "
                f"the text ({error}); get the file again",
                file=self._name,
            ) from None
        self._given += len(block)
        limits = self._limits
        allowed = min(max(limits.free_bytes, limits.max_ratio * self._taken), limits.max_bytes)
        if self._given > allowed:
            raise InputError(
                f"{self._name} unpacks to more than {allowed} bytes from {self._taken} compressed ones, which no table "
                f"of records does; unpack it yourself if you trust it",
                file=self._name,
                compressed_bytes=self._taken,
            )
        return block
