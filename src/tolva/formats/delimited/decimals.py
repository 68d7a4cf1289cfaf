"""Exact decimals from doubles: parsing a decimal as a double and scaling it is several times faster than exactly.

A text of value x comes as a double off by at most 2^-53 of it, and scaling adds as much again. So x * 10^scale is known
to less than a quarter as long as it is below 2^50; if moreover it comes out within a quarter of a whole number, that
number is the one to which x itself would be rounded. Anything else is for a reader of texts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

MAX_PRECISION, MAX_SCALE = 18, 6
"""Types beyond these have many values that can't be told from doubles."""

_LIMIT = 2.0**50
_NEAR = 0.25


def from_doubles(doubles: pa.ChunkedArray, precision: int, scale: int) -> pa.ChunkedArray | None:
    """Return the decimals that the texts of ``doubles`` stand for, or None when not every one of them is certain."""
    chunks = [_convert(chunk, precision, scale) for chunk in doubles.chunks]
    return None if None in chunks else pa.chunked_array(chunks, pa.decimal128(precision, scale))


def _convert(chunk: pa.Array, precision: int, scale: int) -> pa.Array | None:
    validity, values = chunk.buffers()
    scaled = np.frombuffer(values, np.float64, len(chunk), chunk.offset * 8) * 10.0**scale
    whole = np.rint(scaled)
    if not _certain(scaled, whole, min(_LIMIT, 10.0**precision)):
        return None
    halves = np.empty((len(chunk), 2), np.int64)
    halves[:, 0] = whole
    np.right_shift(halves[:, 0], 63, out=halves[:, 1])
    return pa.Array.from_buffers(
        pa.decimal128(precision, scale), len(chunk), [validity, pa.py_buffer(halves)], chunk.null_count
    )


def _certain(scaled: npt.NDArray[np.float64], whole: npt.NDArray[np.float64], limit: float) -> bool:
    """Whether every value is near a whole number below the limit; nan and infinity are not."""
    off = np.abs(scaled - whole)
    return len(whole) == 0 or bool(off.max() <= _NEAR and whole.max() < limit and whole.min() > -limit)
