"""Bytes as text, by whole columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def is_text(data: memoryview) -> bool:
    """Whether all of these bytes are UTF-8."""
    edges = pa.py_buffer(np.array((0, len(data)), np.int64))
    try:
        pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, edges, pa.py_buffer(data)]).cast(
            pa.large_string()
        )
    except pa.ArrowInvalid:
        return False
    return True


def as_text(column: pa.ChunkedArray, *, known: bool = False) -> tuple[pa.ChunkedArray, dict[int, int]]:
    """Return a column of bytes as text, and the rows that aren't UTF-8, each with the byte (from 0) it shows at.

    Those rows are NULL in the text. With ``known`` all are UTF-8, and aren't looked at again.
    """
    if known:
        return pa.chunked_array([chunk.view(pa.string()) for chunk in column.chunks], pa.string()), {}
    try:
        return column.cast(pa.string()), {}
    except pa.ArrowInvalid:
        broken = _broken(column)
    bad = np.zeros(len(column), np.bool_)
    bad[list(broken)] = True
    return pc.if_else(pa.array(bad), None, column).cast(pa.string()), broken


def _broken(column: pa.ChunkedArray) -> dict[int, int]:
    found: dict[int, int] = {}
    # Only what has a byte beyond ASCII can be broken.
    suspects = np.flatnonzero(pc.match_substring_regex(column, "[^\\x00-\\x7f]").fill_null(False).to_numpy())
    for row, value in zip(suspects.tolist(), column.take(pa.array(suspects)).to_pylist(), strict=True):
        try:
            value.decode()
        except UnicodeDecodeError as error:
            found[row] = error.start
    return found
