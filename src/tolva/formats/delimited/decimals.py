"""Exact decimals by way of doubles, which pyarrow.csv parses several times faster.

A text of value x comes as a double off by at most 2^-53 of it, and scaling adds as much again. So x * 10^scale is known
to less than a quarter as long as it is below 2^50; if moreover it comes out within a quarter of a whole number, that
number is the one to which x itself would be rounded. Anything else is for a reader of texts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_MAX_PRECISION, _MAX_SCALE = 18, 6
_LIMIT = 2.0**50
_NEAR = 0.25


def by_float(precision: int, scale: int) -> bool:
    """Whether decimals of this size are worth the try; many values of larger types can't be told from doubles."""
    return precision <= _MAX_PRECISION and scale <= _MAX_SCALE


def from_floats(floats: pa.ChunkedArray, precision: int, scale: int) -> pa.ChunkedArray | None:
    """Return the decimals (of 64 bits) that the texts of ``floats`` stand for; None if not every one is certain."""
    chunks: list[pa.Array] = []
    for chunk in floats.chunks:
        validity, values = chunk.buffers()
        with np.errstate(over="ignore"):
            scaled = np.frombuffer(values, np.float64, len(chunk), chunk.offset * 8) * 10.0**scale
        whole = np.rint(scaled)
        if not _certain(scaled, whole, min(_LIMIT, 10.0**precision)):
            return None
        buffers = [validity, pa.py_buffer(whole.astype(np.int64))]
        chunks.append(pa.Array.from_buffers(pa.decimal64(precision, scale), len(chunk), buffers, chunk.null_count))
    return pa.chunked_array(chunks, pa.decimal64(precision, scale))


def _certain(scaled: npt.NDArray[np.float64], whole: npt.NDArray[np.float64], limit: float) -> bool:
    """Whether every value is below the limit, which nan is not, and near a whole number."""
    if len(whole) == 0:
        return True
    return bool(-limit < whole.min() and whole.max() < limit and np.abs(scaled - whole).max() <= _NEAR)
