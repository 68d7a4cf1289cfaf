"""Cutting encoded records into parts of at most a given size, at the borders of records, without copying them."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from tolva.errors import UsageError

Buffer = bytes | bytearray | memoryview


class Ends(Protocol):
    """Where each record of a buffer ends, in bytes, ascending: a list, or a NumPy array of int64."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class PartReport:
    """A complete part. ``ordinal`` counts from 1; ``bytes`` and ``sha256`` are of the whole file, header included."""

    ordinal: int
    records: int
    bytes: int
    sha256: str


class PartCutter:
    """Decides which records go into which part: as many as fit into each, in their order.

    Args:
        max_part_bytes: the size cap, header included. Only a record that alone is larger passes it.
        header: begins every part.

    Raises:
        UsageError: ``max_part_bytes`` is less than 1.
    """

    def __init__(self, max_part_bytes: int, header: bytes = b"") -> None:
        if max_part_bytes < 1:
            raise UsageError(f"max_part_bytes is {max_part_bytes}: give at least 1.")
        self.reports: list[PartReport] = []
        self._max_part_bytes = max_part_bytes
        self._header = header
        self._records = 0
        self._bytes = 0
        self._digest = hashlib.sha256()

    def parts(self, batches: Iterable[tuple[Buffer, Ends]]) -> Iterator[tuple[int, Iterator[Buffer]]]:
        """Yield each part's ordinal and its buffers.

        Consume each part before asking for the next; ``reports`` has all of them at the end. Two batches are held at
        most. Takes all there is, so call it once.

        Args:
            batches: encoded records, one after another, and where each ends: the first is ``buffer[: ends[0]]``, the
                next ``buffer[ends[0] : ends[1]]``, and so on.
        """
        for ordinal, pieces in groupby(self._pieces(batches), key=itemgetter(0)):
            yield ordinal, (piece for _, piece in pieces)

    def _cut(self, buffer: Buffer, ends: Ends) -> Iterator[tuple[int, Buffer]]:
        """Yield the pieces these records make, each with the ordinal of its part."""
        view = memoryview(buffer).cast("B")
        first = 0
        while first < len(ends):
            start = int(ends[first - 1]) if first else 0
            if not self._records:
                yield from self._begin()
            last = bisect_right(ends, start + self._max_part_bytes - self._bytes, lo=first)
            if last == first and self._records:
                self._report()
                continue
            last = max(last, first + 1)
            yield self._piece(view[start : int(ends[last - 1])], last - first)
            first = last

    def _end(self) -> Iterator[tuple[int, Buffer]]:
        """Report the last part. If there was no record at all, yield the one part's only piece, the header."""
        if not self._records and not self.reports:
            yield self._piece(self._header, 0)
        if self._records or not self.reports:
            self._report()

    def _pieces(self, batches: Iterable[tuple[Buffer, Ends]]) -> Iterator[tuple[int, Buffer]]:
        for buffer, ends in batches:
            yield from self._cut(buffer, ends)
        yield from self._end()

    def _begin(self) -> Iterator[tuple[int, Buffer]]:
        if self._header:
            yield self._piece(self._header, 0)

    def _piece(self, data: Buffer, records: int) -> tuple[int, Buffer]:
        self._records += records
        self._bytes += len(data)
        self._digest.update(data)
        return len(self.reports) + 1, data

    def _report(self) -> None:
        ordinal = len(self.reports) + 1
        self.reports.append(PartReport(ordinal, self._records, self._bytes, self._digest.hexdigest()))
        self._records = 0
        self._bytes = 0
        self._digest = hashlib.sha256()
