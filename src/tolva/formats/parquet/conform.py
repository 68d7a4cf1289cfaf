"""From the types that Arrow reads to those that DuckDB's own reader would have given.

Arrow follows what the writer noted of its own types, DuckDB the file alone. Most columns are the same to both; of the
rest, some are one cast of Arrow's away, and DuckDB casts the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tolva.formats.engine import answer, engine, type_of

_INTERVAL_BYTES = 12
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Conformed:
    """Rows with the types of their table; a value that can't be cast is NULL, and listed in ``refused``.

    Of each column that has any: their rows, from 0, and the values as they were.
    """

    rows: pa.Table
    refused: Mapping[str, tuple[npt.NDArray[np.int64], pa.ChunkedArray]]


def conform(table: pa.Table, types: Mapping[str, str], wanted: Sequence[str]) -> Conformed:
    """Return the wanted columns with their types, in that order; NULLs for those that the table lacks.

    duckdb.Error where no value of a column could ever be cast.
    """
    found = {name.casefold(): i for i, name in enumerate(table.column_names)}
    columns: dict[str, pa.ChunkedArray] = {}
    given: dict[str, pa.ChunkedArray] = {}
    for name in wanted:
        place = found.get(name.casefold())
        if place is None:
            given[name] = pa.chunked_array([pa.nulls(table.num_rows)])
        else:
            column = _plain(table.column(place), types[name])
            (columns if type_of(column.type) == types[name] else given)[name] = column
    cast = _cast(given, types) if given else {}
    rows = pa.table({name: cast[name] if name in cast else columns[name] for name in wanted})
    refused = {name: _refused(given[name], column) for name, column in cast.items()}
    return Conformed(rows, {name: (at, given[name].take(pa.array(at))) for name, at in refused.items() if len(at)})


def plain_type(arrow: pa.DataType) -> pa.DataType:
    """Return the Arrow type of a column whose writer noted nothing of its own types."""
    if pa.types.is_dictionary(arrow):
        return plain_type(arrow.value_type)
    if pa.types.is_timestamp(arrow) and arrow.unit in ("s", "ms"):
        return pa.timestamp("us", arrow.tz)
    if pa.types.is_nested(arrow):
        return _plain_nested(arrow)
    return next((plain for fits, plain in _PLAIN if fits(arrow)), arrow)


_PLAIN = (
    (pa.types.is_float16, pa.float32()),
    (pa.types.is_decimal256, pa.float64()),
    (pa.types.is_duration, pa.int64()),
)


def _plain_nested(arrow: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(arrow):
        return pa.struct([field.with_type(plain_type(field.type)) for field in arrow])
    if pa.types.is_map(arrow):
        return pa.map_(plain_type(arrow.key_type), plain_type(arrow.item_type))
    listed = pa.large_list if pa.types.is_large_list(arrow) else pa.list_
    return listed(arrow.value_field.with_type(plain_type(arrow.value_type)))


def _plain(column: pa.ChunkedArray, wanted: str) -> pa.ChunkedArray:
    if wanted == "INTERVAL" and column.type == pa.binary(_INTERVAL_BYTES):
        return intervals(column)
    plain = plain_type(column.type)
    return column if plain == column.type else column.cast(plain)


def intervals(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of Parquet's intervals, which Arrow reads as bytes, as Arrow's."""
    return pa.chunked_array([_intervals(chunk) for chunk in column.chunks], pa.month_day_nano_interval())


def _intervals(stored: pa.Array) -> pa.Array:
    """Return Parquet's intervals, three little-endian numbers each, as Arrow's: months, days and nanoseconds."""
    fields = np.frombuffer(stored.buffers()[1], "<u4").reshape(-1, 3)[stored.offset : stored.offset + len(stored)]
    made = np.empty(len(stored), [("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])
    made["months"], made["days"] = fields[:, 0], fields[:, 1]
    made["nanoseconds"] = fields[:, 2].astype(np.int64) * _MICROSECONDS
    values = pa.Array.from_buffers(pa.month_day_nano_interval(), len(stored), [None, pa.py_buffer(made)])
    return pc.if_else(stored.is_valid(), values, pa.scalar(None, values.type)) if stored.null_count else values


def _cast(given: Mapping[str, pa.ChunkedArray], types: Mapping[str, str]) -> dict[str, pa.ChunkedArray]:
    """Let DuckDB cast these columns. They are numbered, so that users' names never become SQL."""
    source = pa.table(list(given.values()), names=[f"c{i}" for i in range(len(given))])
    listed = ", ".join(f"try_cast(c{i} AS {types[name]}) AS c{i}" for i, name in enumerate(given))
    with engine().cursor() as connection:
        connection.register("source", source)
        values = answer(connection, f"SELECT {listed} FROM source")
    return dict(zip(given, values.columns, strict=True))


def _refused(before: pa.ChunkedArray, after: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    if before.null_count == after.null_count:
        return np.empty(0, np.int64)
    rows: npt.NDArray[np.int64] = np.flatnonzero(pc.and_(pc.is_null(after), pc.is_valid(before)).to_numpy())
    return rows
