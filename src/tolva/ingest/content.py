"""What tells that a file was loaded before: checksums of its chunks that can be put together to that of the whole.

The CRC-32 and the Adler-32 of two runs of bytes give those of both together, by the arithmetic of zlib's
``crc32_combine`` and ``adler32_combine``; so the file's are the same however it was cut. They guard against mistakes,
not against somebody who wants two files to look alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

_POLYNOMIAL = 0xEDB88320
_ADLER_BASE = 65521


@dataclass(frozen=True, slots=True)
class Sums:
    """The checksums of some bytes, and how many there are."""

    crc: int = 0
    adler: int = 1
    length: int = 0

    @staticmethod
    def of(data: memoryview | bytes) -> Sums:
        """Return the checksums of these bytes."""
        return Sums(zlib.crc32(data), zlib.adler32(data), len(data))

    def then(self, rest: Sums) -> Sums:
        """Return the checksums of these bytes followed by others."""
        crc = _shifted(self.crc, rest.length) ^ rest.crc
        return Sums(crc, _combined_adler(self, rest), self.length + rest.length)

    @property
    def digest(self) -> str:
        """The content as text."""
        return f"{self.length:x}-{self.crc:08x}-{self.adler:08x}"


def whole(pieces: Iterable[Sums]) -> Sums:
    """Return the checksums of runs of bytes that follow each other."""
    return reduce(Sums.then, pieces, Sums())


def _combined_adler(first: Sums, rest: Sums) -> int:
    low = (first.adler & 0xFFFF) + (rest.adler & 0xFFFF) - 1
    high = (first.adler >> 16) + (rest.adler >> 16) + rest.length * ((first.adler & 0xFFFF) - 1)
    return (high % _ADLER_BASE) << 16 | low % _ADLER_BASE


def _shifted(crc: int, length: int) -> int:
    """Return what a CRC becomes by ``length`` bytes of zero behind it: the power of a matrix over one bit."""
    if not crc:
        return 0
    matrix = _squared(_squared(_squared([_POLYNOMIAL, *(1 << n for n in range(31))])))
    while length:
        if length & 1:
            crc = _times(matrix, crc)
        length >>= 1
        matrix = _squared(matrix)
    return crc


def _times(matrix: list[int], vector: int) -> int:
    return reduce(lambda total, n: total ^ matrix[n] if vector >> n & 1 else total, range(32), 0)


def _squared(matrix: list[int]) -> list[int]:
    return [_times(matrix, row) for row in matrix]
