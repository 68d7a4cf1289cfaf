"""The fast reader: pyarrow.csv, watched for the few texts that it takes otherwise than DuckDB does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from tolva.formats.arrow import arrow_type
from tolva.formats.delimited.counting import has_lone_return, has_pair
from tolva.formats.delimited.decimals import by_float, from_floats
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.types import decimal_size

_BLOCK_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_MAX_PRECISION = 38
_TRUE = ["true", "True", "TRUE", "1", "t", "T", "yes", "Yes", "YES", "y", "Y"]
_FALSE = ["false", "False", "FALSE", "0", "f", "F", "no", "No", "NO", "n", "N"]


def read(
    data: memoryview, dialect: Dialect, header: Sequence[str], types: Mapping[str, str], traits: Mapping[str, bool]
) -> pa.Table | None:
    """Read the columns named in ``types`` (at least one); None when only the slow path can tell what is right.

    Columns whose type pyarrow doesn't read as DuckDB does come as text: see ``is_direct``.
    """
    if not data:
        return pa.table({name: pa.array([], _column_type(kind)) for name, kind in types.items()})
    schema = pa.schema([(name, _column_type(kind)) for name, kind in types.items()])
    floats = {name: size for name, kind in types.items() if (size := decimal_size(kind)) and by_float(*size)}
    table = _read(data, dialect, header, types, traits, floats)
    if table is not None and floats:
        table = _with_decimals(table, floats)
        if table is None:
            table = _read(data, dialect, header, types, traits, {})
    return None if table is None else table.cast(schema)


def _with_decimals(table: pa.Table, sizes: Mapping[str, tuple[int, int]]) -> pa.Table | None:
    for name, size in sizes.items():
        decimals = from_floats(table[name], *size)
        if decimals is None:
            return None
        table = table.set_column(table.column_names.index(name), name, decimals)
    return table


def _read(
    data: memoryview,
    dialect: Dialect,
    header: Sequence[str],
    types: Mapping[str, str],
    traits: Mapping[str, bool],
    floats: Collection[str],
) -> pa.Table | None:
    """Read as ``read`` does, but the columns in ``floats`` as DOUBLE."""
    # To pyarrow a lone CR ends a record; here it is text or a fault.
    if traits.get("odd") or (traits.get("returns") and has_lone_return(data)):
        return None
    if bytes(data[: len(_BOM)]) == _BOM:
        data = memoryview(_BOM + bytes(data))  # pyarrow takes one away; here it is text
    multiline = traits.get("multiline", False)
    quoted = traits.get("quoted", False)
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(
                use_threads=False, block_size=len(data) if multiline else _BLOCK_BYTES, column_names=list(header)
            ),
            parse_options=csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote if dialect.quote and quoted else False,
                double_quote=dialect.escape is None,
                escape_char=dialect.escape if dialect.escape and traits.get("escaped") else False,
                newlines_in_values=multiline,
                # An empty line is a record only where a record is one field.
                ignore_empty_lines=len(header) > 1,
            ),
            convert_options=csv.ConvertOptions(
                column_types={
                    name: pa.float64() if name in floats else _parsed_type(kind) for name, kind in types.items()
                },
                include_columns=list(types),
                null_values=[""],
                strings_can_be_null=True,
                true_values=_TRUE,
                false_values=_FALSE,
            ),
        )
    except pa.ArrowInvalid:
        return None
    exact = {name: kind for name, kind in types.items() if name not in floats}
    return table if all(_trusted(table[name], kind, data) for name, kind in exact.items()) else None


def is_direct(kind: str) -> bool:
    """Whether pyarrow reads values of a canonical type as DuckDB does, apart from what ``read`` guards against."""
    decimal = decimal_size(kind)
    if decimal:
        # Beyond this pyarrow multiplies past 128 bits, unnoticed.
        return sum(decimal) <= _MAX_PRECISION
    return kind not in ("BLOB", "TIMESTAMP WITH TIME ZONE", "UUID", "INTERVAL")


def _parsed_type(kind: str) -> pa.DataType:
    # pyarrow.csv knows decimals of 128 bits only.
    decimal = decimal_size(kind)
    return pa.decimal128(*decimal) if decimal and is_direct(kind) else _column_type(kind)


def _column_type(kind: str) -> pa.DataType:
    return arrow_type(kind if is_direct(kind) else "VARCHAR")


def _trusted(column: pa.ChunkedArray, kind: str, data: memoryview) -> bool:
    """Whether no value of a column can be one that pyarrow reads otherwise than DuckDB."""
    if not is_direct(kind) or column.null_count == len(column):
        return True
    decimal = decimal_size(kind)
    if decimal:
        return _decimals_fit(column, *decimal)
    if pa.types.is_signed_integer(column.type) and pc.min(column).as_py() < 0:
        # 0xFFFFFFFF becomes the INTEGER -1.
        return not (has_pair(data, b"0", b"x") or has_pair(data, b"0", b"X"))
    return True


def _decimals_fit(column: pa.ChunkedArray, precision: int, scale: int) -> bool:
    """Whether every value has at most ``precision`` digits: pyarrow counts them before it appends the zeros."""
    bounds = pc.min_max(column)
    limit = Decimal(10) ** (precision - scale)
    return bool(-limit < bounds["min"].as_py() and bounds["max"].as_py() < limit)
