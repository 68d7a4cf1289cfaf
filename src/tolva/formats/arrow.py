"""DuckDB's types as Arrow types."""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from tolva.formats.types import decimal_size

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
_MAX_DECIMAL64_PRECISION = 18


@cache
def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of a canonical type's values; KeyError for another word."""
    decimal = decimal_size(name)
    if decimal is None:
        return _ARROW[name]
    # DuckDB, too, keeps decimals of up to 18 digits in 64 bits.
    return pa.decimal64(*decimal) if decimal[0] <= _MAX_DECIMAL64_PRECISION else pa.decimal128(*decimal)
