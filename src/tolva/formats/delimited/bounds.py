"""Where each record of a chunk is: its bytes and its line. By whole arrays, for any number of records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tolva.formats.delimited.quotes import QuoteScanner
from tolva.formats.delimited.text import Text
from tolva.formats.reject import PLACES, Rows

_LF, _CR = b"\n\r"

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of each record of a chunk, by its number.

    Attributes:
        text: the chunk.
        line_ends: the positions after every LF of the chunk.
        starts: where it starts in the chunk.
        ends: where it ends, line end included.
        stops: where it ends without its line end.
    """

    text: Text
    line_ends: Positions
    starts: Positions
    ends: Positions
    stops: Positions

    def __len__(self) -> int:
        return len(self.starts)

    def places(self, records: Rows) -> pa.Table:
        """Return where the records of these numbers are, as ``PLACES``."""
        numbers = np.asarray(records, np.int64)
        if not len(numbers):
            return PLACES.empty_table()
        origin, starts = self.text.origin, self.starts[numbers]
        lines = np.searchsorted(self.line_ends, starts, side="right") + origin.lines_before() + 1
        raw = self.raw(numbers).cast(pa.binary())
        return pa.table([pa.array(lines), pa.array(starts + origin.offset), raw], schema=PLACES)

    def raw(self, numbers: Positions) -> pa.Array:
        """Return the bytes of these records without their line ends."""
        return self._taken(numbers, self.stops)

    def joined(self, numbers: Positions) -> memoryview:
        """Return the bytes of these records, line ends included, one after the other."""
        return memoryview(self._taken(numbers, self.ends).buffers()[2])

    def _taken(self, numbers: Positions, ends: Positions) -> pa.Array:
        # An array whose every second value is a record, the others being what is between them, costs no copy.
        edges = np.empty(2 * len(self) + 1, np.int64)
        edges[:-1:2], edges[1::2], edges[-1] = self.starts, ends, len(self.text.data)
        buffers = [None, pa.py_buffer(edges), pa.py_buffer(self.text.data)]
        both = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 2 * len(self), buffers)
        return both.take(pa.array(2 * numbers))


def without_comments(text: Text) -> memoryview:
    """Return the bytes of a text's records alone."""
    bounds = bounds_of(text)
    return bounds.joined(np.arange(len(bounds)))


def bounds_of(text: Text) -> Bounds:
    """Find every record of a chunk, well formed or not. Comments are none; nor are empty lines in most tables."""
    data = _bytes(text.data)
    line_ends = np.flatnonzero(data == _LF) + 1
    ends = _record_ends(text) if text.traits.get("quoted") else line_ends
    if len(data) and (not len(ends) or ends[-1] != len(data)):
        ends = np.append(ends, len(data))
    starts = np.concatenate((np.zeros(min(len(ends), 1), np.int64), ends[:-1]))
    stops = ends - 1
    if len(data) and data[-1] != _LF:
        stops[-1] += 1
    if text.traits.get("returns"):
        stops = stops - ((stops > starts) & (data[stops - 1] == _CR))
    kept = np.ones(len(starts), np.bool_) if len(text.header) == 1 else stops > starts
    if text.traits.get("comments"):
        kept &= data[starts] != ord(text.dialect.comment or "\0")
    if kept.all():
        return Bounds(text, line_ends, starts, ends, stops)
    return Bounds(text, line_ends, starts[kept], ends[kept], stops[kept])


def _record_ends(text: Text) -> Positions:
    return np.asarray(QuoteScanner(text.dialect).record_ends(bytes(text.data), 0, len(text.data)), np.int64)


def _bytes(data: memoryview) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)
