"""Which row groups can't matter, by the smallest and largest values that the file's footer notes of each.

The notes are bounds and may be missing; a row group is skipped only when every reader's tests exclude each of its rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import parquet

from tolva.formats.engine import engine, type_of
from tolva.formats.parquet.conform import plain_type
from tolva.formats.parquet.source import open_file
from tolva.formats.stored import Held, Stored
from tolva.model import Chunk, File
from tolva.plan import RowTest


def matching_groups(
    file: File, chunk: Chunk, types: Mapping[str, str], tests: Sequence[Sequence[RowTest]], stored: Stored | Held | None
) -> Chunk:
    """Return the chunk with those of its row groups that may hold a row which passes all tests of some reader."""
    groups = chunk.traits["groups"]
    with open_file(file, stored) as source:
        columns = _columns(source, types, {test.column for reader in tests for test in reader})
        if not all(any(test.column in columns for test in reader) for reader in tests):
            return chunk
        noted = _noted(source.metadata, groups, columns)
    kept = _kept(noted, columns, tests)
    return replace(chunk, traits={**chunk.traits, "groups": [n for n, keep in zip(groups, kept, strict=True) if keep]})


@dataclass(frozen=True, slots=True)
class _Tested:
    """A column with notes: its number among the file's leaves, its Arrow type, its type in the table."""

    leaf: int
    arrow: pa.DataType
    type: str

    @property
    def is_float(self) -> bool:
        return bool(pa.types.is_floating(self.arrow))


def _columns(source: parquet.ParquetFile, types: Mapping[str, str], names: set[str]) -> dict[str, _Tested]:
    """Return the named columns whose values in the file are those in the table, and have an order."""
    leaves = {source.schema.column(i).path.casefold(): i for i in range(len(source.schema))}
    found = {}
    for field in source.schema_arrow:
        name = next((n for n in names if n.casefold() == field.name.casefold()), None)
        arrow = plain_type(field.type)
        if name and _is_ordered(arrow) and type_of(arrow) == types[name] and field.name.casefold() in leaves:
            found[name] = _Tested(leaves[field.name.casefold()], arrow, types[name])
    return found


def _is_ordered(arrow: pa.DataType) -> bool:
    kinds = (
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_date,
        pa.types.is_timestamp,
    )
    return any(kind(arrow) for kind in kinds)


def _noted(metadata: parquet.FileMetaData, groups: Sequence[int], columns: Mapping[str, _Tested]) -> pa.Table:
    """Return a row for each group: its ``rows``, and of column i the bounds ``lo<i>``, ``hi<i>`` and ``nulls<i>``."""
    made = {"rows": pa.array([metadata.row_group(n).num_rows for n in groups], pa.int64())}
    for i, column in enumerate(columns.values()):
        notes = [metadata.row_group(n).column(column.leaf).statistics for n in groups]
        bounds = [_bounds(note, column.arrow) for note in notes]
        nulls = [note.null_count if note is not None and note.has_null_count else None for note in notes]
        made[f"lo{i}"] = _values([low for low, _ in bounds], column.arrow)
        made[f"hi{i}"] = _values([high for _, high in bounds], column.arrow)
        made[f"nulls{i}"] = pa.array(nulls, pa.int64())
    return pa.table(made)


def _bounds(note: Any, arrow: pa.DataType) -> tuple[Any, Any]:
    if note is None or not note.has_min_max:
        return None, None
    if pa.types.is_temporal(arrow):
        # As the numbers they are: Python's own words for times stop at microseconds.
        stored = _stored_type(json.loads(note.logical_type.to_json()), arrow)
        return pa.scalar(note.min_raw, stored[0]).cast(stored[1]), pa.scalar(note.max_raw, stored[0]).cast(stored[1])
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow):
        return _text(note.min_raw), _text(note.max_raw)
    return note.min, note.max


def _stored_type(logical: Mapping[str, Any], arrow: pa.DataType) -> tuple[pa.DataType, pa.DataType]:
    """Return the whole numbers that a moment or day is kept as, and what they count."""
    if pa.types.is_date(arrow):
        return pa.int32(), pa.date32()
    unit = {"milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}[logical["timeUnit"]]
    return pa.int64(), pa.timestamp(unit, arrow.tz)


def _text(raw: bytes) -> str | None:
    """Return a bound as text; None when the writer cut it within a character."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _values(bounds: Sequence[Any], arrow: pa.DataType) -> pa.Array:
    return pa.array([b.cast(arrow).as_py() if isinstance(b, pa.Scalar) else b for b in bounds], arrow)


def _kept(noted: pa.Table, columns: Mapping[str, _Tested], tests: Sequence[Sequence[RowTest]]) -> list[bool]:
    """Return for each group whether it may hold a row that some reader wants."""
    places = {name: i for i, name in enumerate(columns)}
    readers = [
        " AND ".join(
            _possible(test, places[test.column], columns[test.column]) for test in reader if test.column in places
        )
        for reader in tests
    ]
    with engine().cursor() as connection:
        connection.register("noted", noted)
        try:
            rows = connection.execute(f"SELECT ({') OR ('.join(readers)}) FROM noted").fetchall()
        except duckdb.Error:
            # A literal that can't be cast is the query's own error, and it will say so better.
            return [True] * noted.num_rows
    return [row[0] for row in rows]


def _possible(test: RowTest, place: int, column: _Tested) -> str:
    """Return, as SQL, whether a group may hold a row that passes the test; true when its notes don't tell."""
    if test.comparison == "IS NULL":
        return f"coalesce(nulls{place} > 0, true)"
    some = f"coalesce(nulls{place} < rows, true)"
    if test.comparison == "IS NOT NULL":
        return some
    low, high = (f"try_cast({side}{place} AS {test.type})" for side in ("lo", "hi"))
    if column.is_float:
        # NaN is larger than all other numbers to DuckDB, and never noted.
        high = f"try_cast('nan'::{column.type} AS {test.type})"
    return f"{some} AND coalesce({_within(test, low, high)}, true)"


def _within(test: RowTest, low: str, high: str) -> str:
    match test.comparison:
        case "<" | "<=":
            return f"{low} {test.comparison} {test.values[0]}"
        case ">" | ">=":
            return f"{high} {test.comparison} {test.values[0]}"
        case _:
            return " OR ".join(f"({low} <= {value} AND {high} >= {value})" for value in test.values)
