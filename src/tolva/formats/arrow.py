"""DuckDB's types as Arrow types, and back."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from tolva.formats.types import decimal_size
from tolva.plan import Column

_ARROW = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP_S": pa.timestamp("s"),
    "TIMESTAMP_MS": pa.timestamp("ms"),
    "TIMESTAMP_NS": pa.timestamp("ns"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "UUID": pa.uuid(),
    "INTERVAL": pa.month_day_nano_interval(),
}
_DUCKDB = {arrow: name for name, arrow in _ARROW.items()}


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of a canonical type's values; KeyError for another word."""
    decimal = decimal_size(name)
    return pa.decimal128(*decimal) if decimal else _ARROW[name]


def duckdb_type(arrow: pa.DataType) -> str:
    """Return the canonical type whose values ``arrow`` holds; KeyError when there is none."""
    return f"DECIMAL({arrow.precision},{arrow.scale})" if pa.types.is_decimal128(arrow) else _DUCKDB[arrow]


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of a table with these columns."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in columns])
