"""From lines to a file's bytes, plain or gzip, knowing beforehand whether a line still fits."""

from __future__ import annotations

import zlib
from typing import Protocol

_GZIP_WINDOW_BITS = 31
_GZIP_LEVEL = 6
_GZIP_TRAILER_BYTES = 8
_GZIP_FLUSH_BYTES = 2**20


class Sink(Protocol):
    """One file's bytes: lines go in, ``buffer`` fills up, and whoever writes it out empties it."""

    buffer: bytearray

    def fits(self, line: bytes, max_bytes: int) -> bool:
        """Tell whether the file stays within ``max_bytes`` when ``line`` is added and nothing else."""
        ...

    def add(self, line: bytes) -> None:
        """Add a line."""
        ...

    def end(self) -> None:
        """Complete the file."""
        ...


class PlainSink:
    """Lines as they are."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self._size_bytes = 0

    def fits(self, line: bytes, max_bytes: int) -> bool:
        """See ``Sink``."""
        return self._size_bytes + len(line) <= max_bytes

    def add(self, line: bytes) -> None:
        """See ``Sink``."""
        self.buffer += line
        self._size_bytes += len(line)

    def end(self) -> None:
        """See ``Sink``."""


class GzipSink:
    """Lines as one gzip member. What the compressor still holds back counts with the most it can come to."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
        self._size_bytes = 0
        self._held_bytes = 0

    def fits(self, line: bytes, max_bytes: int) -> bool:
        """See ``Sink``."""
        if self._most_bytes(len(line)) > max_bytes and self._held_bytes:
            self._flush()
        return self._most_bytes(len(line)) <= max_bytes

    def add(self, line: bytes) -> None:
        """See ``Sink``."""
        self._put(self._compressor.compress(line))
        self._held_bytes += len(line)
        if self._held_bytes >= _GZIP_FLUSH_BYTES:
            self._flush()

    def end(self) -> None:
        """See ``Sink``."""
        self._put(self._compressor.flush())

    def _flush(self) -> None:
        self._put(self._compressor.flush(zlib.Z_SYNC_FLUSH))
        self._held_bytes = 0

    def _put(self, data: bytes) -> None:
        self.buffer += data
        self._size_bytes += len(data)

    def _most_bytes(self, line_bytes: int) -> int:
        # Deflate stores what it can't compress, at 5 bytes a block of 16 KiB; header and block ends are in the 64.
        held_bytes = self._held_bytes + line_bytes
        return self._size_bytes + held_bytes + held_bytes // 2**10 + 64 + _GZIP_TRAILER_BYTES
