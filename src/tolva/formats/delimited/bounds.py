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
    """Of each record, by its number in the chunk.

    Attributes:
        text: the chunk.
        starts: where it starts in the chunk.
        ends: where it ends, line end included.
        stops: where it ends without its line end.
    """

    text: Text
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
        line_ends = np.flatnonzero(_bytes(self.text.data) == _LF)
        lines = np.searchsorted(line_ends, starts) + origin.lines_before() + 1
        raw = self._taken(numbers, self.stops).cast(pa.binary())
        return pa.table([pa.array(lines), pa.array(starts + origin.offset), raw], schema=PLACES)

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


def bounds_of(text: Text) -> Bounds:
    """Find every record of a chunk, well formed or not."""
    data = _bytes(text.data)
    ends = _record_ends(text, data)
    if len(data) and (not len(ends) or ends[-1] != len(data)):
        ends = np.append(ends, len(data))
    starts = np.concatenate((np.zeros(min(len(ends), 1), np.int64), ends[:-1]))
    stops = ends - ((ends > starts) & (data[ends - 1] == _LF))
    stops = stops - ((stops > starts) & (data[stops - 1] == _CR))
    if len(text.header) == 1:
        return Bounds(text, starts, ends, stops)
    kept = stops > starts
    return Bounds(text, starts[kept], ends[kept], stops[kept])


def _record_ends(text: Text, data: npt.NDArray[np.uint8]) -> Positions:
    if not text.traits.get("quoted"):
        return np.flatnonzero(data == _LF) + 1
    return np.asarray(QuoteScanner(text.dialect).record_ends(bytes(text.data), 0, len(data)), np.int64)


def _bytes(data: memoryview) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)
