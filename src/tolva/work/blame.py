"""Which record made a query fail: looked for only when one has, so that clean data pays nothing for it."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from tolva import formats
from tolva.errors import ExecutionError, TolvaError
from tolva.work.kernel import Errand

Answer = Callable[[pa.Table], object]
"""Lets the task's SQL answer over some rows of its chunk."""


def with_record(error: ExecutionError, errand: Errand, rows: pa.Table, answer: Answer) -> ExecutionError:
    """Return the error with the record that alone makes the query fail, if there is one; else as it is.

    ``data`` then has the file's name, and the record's line (from 1) and byte in it.
    """
    number = _first_failing(rows, answer)
    place = None if number is None else _place(errand, rows, number)
    if place is None:
        return error
    file, line, offset = place
    return ExecutionError(
        f"{error.message}\nIt comes from the record in line {line} of {file}.",
        **{**error.data, "file": file, "line": line, "offset": offset},
    )


def _first_failing(rows: pa.Table, answer: Answer) -> int | None:
    """Return the number of a row over which alone the query fails; halving, so at the price of one more run."""
    start, stop = 0, rows.num_rows
    while stop - start > 1:
        middle = (start + stop) // 2
        if _fails(rows.slice(start, middle - start), answer):
            stop = middle
        else:
            start = middle
    return start if stop > start and _fails(rows.slice(start, 1), answer) else None


def _fails(rows: pa.Table, answer: Answer) -> bool:
    try:
        answer(rows)
    except ExecutionError:
        return True
    return False


def _place(errand: Errand, rows: pa.Table, number: int) -> tuple[str, int, int] | None:
    file, chunk, stored = errand.chunk()
    types = {column.name: column.type for column in errand.plan.tables[file.table]}
    try:
        found = formats.sort_out(file, chunk, types, errand.stage.columns, stored)
    except TolvaError:
        return None
    if found.rows.num_rows != rows.num_rows:
        # Not all of the chunk was read: the row's number isn't its number in the chunk.
        return None
    (place,) = found.places([number]).to_pylist()
    return file.name, place["line"], place["offset"]
