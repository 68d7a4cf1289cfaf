"""Turns text into typed columns exactly as DuckDB's CAST does, and finds the first value it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from tolva.formats.arrow import arrow_type


@dataclass(frozen=True, slots=True)
class BadValue:
    """A text that isn't of its column's type; ``row`` counts from 0."""

    row: int
    column: str
    value: str


def cast(texts: pa.Table, types: Mapping[str, str]) -> pa.Table | BadValue:
    """Cast the columns named in ``types``, which hold text; others stay as they are.

    Returns the table, or the first value (by row, then by column) that can't be cast.
    """
    names = [name for name in texts.column_names if types.get(name, "VARCHAR") != "VARCHAR"]
    if not names:
        return texts
    source = pa.table([texts[name] for name in names], names=[f"c{i}" for i in range(len(names))])
    # A name for the values' own columns: users' column names never become SQL.
    exprs = ", ".join(f"try_cast(c{i} AS {types[name]}) AS c{i}" for i, name in enumerate(names))
    with duckdb.connect(config=_SETTINGS) as connection:
        connection.register("source", source)
        values = connection.sql(f"SELECT {exprs} FROM source").to_arrow_table()
    bad = [found for i, name in enumerate(names) if (found := _first_refused(name, source.column(i), values.column(i)))]
    if bad:
        return min(bad, key=lambda found: found.row)
    for i, name in enumerate(names):
        wanted = arrow_type(types[name])
        texts = texts.set_column(texts.schema.get_field_index(name), name, values.column(i).cast(wanted))
    return texts


def _first_refused(name: str, texts: pa.ChunkedArray, values: pa.ChunkedArray) -> BadValue | None:
    if values.null_count == texts.null_count:
        return None
    row = pc.index(pc.and_(pc.is_null(values), pc.is_valid(texts)), True).as_py()
    return BadValue(row, name, texts[row].as_py())


_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "enable_external_access": False,
    "python_enable_replacements": False,
    # UUID and others keep their type only so.
    "arrow_lossless_conversion": True,
    "TimeZone": "UTC",
}
