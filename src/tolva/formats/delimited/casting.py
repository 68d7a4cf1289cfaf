"""Turns text into typed columns as DuckDB's CAST does, and finds the first value it refuses.

A few spellings that DuckDB refuses are taken, since the fast reader takes them and can't tell that it did, and all
readers must agree: 0x1F, -0 or 07:08 with spaces after it, a decimal of more digits than fit with a negative exponent
(10e-1), and a moment given to the hour (2024-01-01 07). What they mean is not in doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tolva.formats.arrow import arrow_type
from tolva.formats.types import decimal_size


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
    values = try_cast(texts, types)
    bad = [
        BadValue(int(rows[0]), name, texts[name][int(rows[0])].as_py())
        for name in types
        if len(rows := refused(texts[name], values[name]))
    ]
    return min(bad, key=lambda found: found.row) if bad else values


def try_cast(texts: pa.Table, types: Mapping[str, str]) -> pa.Table:
    """Cast the columns named in ``types``, which hold text; others stay as they are. What can't be cast is NULL."""
    names = [name for name in texts.column_names if types.get(name, "VARCHAR") != "VARCHAR"]
    if not names:
        return texts
    source = pa.table([texts[name] for name in names], names=[f"c{i}" for i in range(len(names))])
    # Columns are numbered, so that users' names never become SQL.
    exprs = ", ".join(f"{cast_sql(f'c{i}', types[name])} AS c{i}" for i, name in enumerate(names))
    with _engine().cursor() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("source", source)
        values = connection.sql(f"SELECT {exprs} FROM source").to_arrow_table()
    columns = dict(zip(texts.column_names, texts.columns, strict=True))
    columns |= {name: values.column(i).cast(arrow_type(types[name])) for i, name in enumerate(names)}
    return pa.table(columns)


def refused(texts: pa.ChunkedArray, values: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return the rows whose text couldn't be cast."""
    if values.null_count == texts.null_count:
        return np.empty(0, np.int64)
    bad = pc.and_(pc.is_null(values), pc.is_valid(texts))
    rows: npt.NDArray[np.int64] = np.flatnonzero(bad.to_numpy())
    return rows


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config=_SETTINGS)


def cast_sql(text: str, kind: str) -> str:
    """Return the SQL that casts a text, itself SQL, to a canonical type; NULL if it can't be cast."""
    decimal = decimal_size(kind)
    if decimal:
        return f"coalesce(try_cast({text} AS {kind}), try_cast(try_cast({text} AS DECIMAL(38,{decimal[1]})) AS {kind}))"
    if kind.startswith("TIMESTAMP"):
        hour = f"regexp_full_match({text}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T][0-9]{{2}}')"
        return f"try_cast(CASE WHEN {hour} THEN {text} || ':00' ELSE {text} END AS {kind})"
    if kind.endswith(("INT", "INTEGER", "TIME")):
        return f"try_cast(rtrim({text}, ' ' || chr(9)) AS {kind})"
    return f"try_cast({text} AS {kind})"


_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "enable_external_access": False,
    "python_enable_replacements": False,
    # UUID and others keep their type only so.
    "arrow_lossless_conversion": True,
}
