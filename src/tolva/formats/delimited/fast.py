"""The fast reader: pyarrow.csv, watched for the few texts that it takes otherwise than DuckDB does.

Every function here returns None for a chunk that it can't vouch for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from tolva.formats.arrow import arrow_type
from tolva.formats.delimited.bounds import without_comments
from tolva.formats.delimited.counting import has_lone_return, has_pair
from tolva.formats.delimited.decimals import by_float, from_floats
from tolva.formats.delimited.diagnose import records
from tolva.formats.delimited.text import Text
from tolva.formats.types import decimal_size

_BLOCK_BYTES = 1024 * 1024
_MAX_BLOCK_BYTES = 2**31 - 1
_FIRST_BYTES = 64 * 1024
_PROBE_BYTES = 128 * 1024
_TRIES = 8
_BLAMED = re.compile(r"In CSV column #(\d+): ")
_BOM = b"\xef\xbb\xbf"
_MAX_PRECISION = 38
_TRUE = ["true", "True", "TRUE", "1", "t", "T", "yes", "Yes", "YES", "y", "Y"]
_FALSE = ["false", "False", "FALSE", "0", "f", "F", "no", "No", "NO", "n", "N"]


def read(text: Text, types: Mapping[str, str]) -> pa.Table | None:
    """Read the columns named in ``types`` (at least one).

    Columns whose type pyarrow doesn't read as DuckDB does come as text: see ``is_direct``.
    """
    parsed = {name: _parsed_type(kind) for name, kind in types.items()}
    floats = {name: size for name, kind in types.items() if (size := decimal_size(kind)) and by_float(*size)}
    table = _parse(text, {name: _first_parsed_type(kind) for name, kind in types.items()}, _BLOCK_BYTES)
    if table is not None and floats:
        table = _with_decimals(table, floats)
        if table is None:
            table = _parse(text, parsed, _BLOCK_BYTES)
    if table is None or not all(_trusted(table[name], text.data) for name in types):
        return None
    return table.cast(
        pa.schema([(name, arrow_type(kind if is_direct(kind) else "VARCHAR")) for name, kind in types.items()])
    )


def read_texts(text: Text, names: Sequence[str]) -> pa.Table | None:
    """Read columns as text. One block holds all, so that no record is too long for it."""
    return _parse(text, dict.fromkeys(names, pa.string()), len(text.data))


def read_fields(text: Text, names: Sequence[str], misshapen: list[int]) -> pa.Table | None:
    """Read columns as bytes. Records with another number of fields are passed over, and noted by number from 0.

    The text must be UTF-8 if there can be such.
    """
    misshapen.clear()
    return _parse(text, dict.fromkeys(names, pa.binary()), len(text.data), misshapen)


def read_good(text: Text, types: Mapping[str, str], misshapen: list[int]) -> pa.Table | None:
    """Read columns as values where all fields of a column are good; the others as bytes, like ``read_fields``."""
    table = _read_values(text, dict.fromkeys(types, pa.binary()), types, misshapen)
    return read_fields(text, list(types), misshapen) if table is None else table


def read_hoped(text: Text, names: Sequence[str], hoped: Mapping[str, str]) -> pa.Table | None:
    """Read columns as text; those ``hoped`` to be of a type as its values where all fields of the column are good."""
    return _read_values(text, dict.fromkeys(names, pa.string()), hoped, None)


def is_clean(text: Text, types: Mapping[str, str]) -> bool:
    """Whether the start of a text promises that ``read`` can read it."""
    return read(text.start(_PROBE_BYTES), types) is not None


def _read_values(
    text: Text, plain: Mapping[str, pa.DataType], types: Mapping[str, str], misshapen: list[int] | None
) -> pa.Table | None:
    """Read columns as values of these types, those that have a bad field as their ``plain`` type.

    None when it took too many tries, or none would do.
    """
    good = {name: kind for name, kind in types.items() if kind != "VARCHAR" and is_direct(kind)}
    # A dirty column mostly shows soon, and trying is cheap there.
    table, good = _tried(text.start(_PROBE_BYTES), plain, good, misshapen)
    if table is not None and len(text.data) > _PROBE_BYTES:
        table, _ = _tried(text, plain, good, misshapen)
    return table


def _tried(
    text: Text, plain: Mapping[str, pa.DataType], values: Mapping[str, str], misshapen: list[int] | None
) -> tuple[pa.Table | None, dict[str, str]]:
    """Do what ``_read_values`` does; return also which columns may be read as values."""
    good = dict(values)
    for _ in range(_TRIES):
        if misshapen is not None:
            misshapen.clear()
        parsed = {name: _first_parsed_type(kind) for name, kind in good.items()}
        try:
            table = _read_csv(text, {**plain, **parsed}, _BLOCK_BYTES, misshapen)
        except pa.ArrowInvalid as error:
            blamed = _BLAMED.match(str(error))
            # Otherwise it is the shape; or the column is the one that forgives an extra field, or isn't UTF-8.
            if not blamed or good.pop([*text.header, ""][int(blamed[1])], None) is None:
                return None, {}
            continue
        found = {name: _valued(table[name], kind, text.data) for name, kind in good.items()}
        if None not in found.values():
            return pa.table([found.get(name, table[name]) for name in plain], names=list(plain)), good
        good = {name: kind for name, kind in good.items() if found[name] is not None}
    return None, {}


def count(text: Text) -> int | None:
    """Return the number of records; values aren't looked at."""
    table = _parse(text, {text.header[0]: pa.binary()}, len(text.data))
    return None if table is None else int(table.num_rows)


def is_direct(kind: str) -> bool:
    """Whether pyarrow reads values of a canonical type as DuckDB does, apart from what ``read`` guards against."""
    decimal = decimal_size(kind)
    if decimal:
        # Beyond this pyarrow multiplies past 128 bits, unnoticed.
        return sum(decimal) <= _MAX_PRECISION
    return kind not in ("BLOB", "TIMESTAMP WITH TIME ZONE", "UUID", "INTERVAL")


def _parse(
    text: Text, types: Mapping[str, pa.DataType], block_bytes: int, misshapen: list[int] | None = None
) -> pa.Table | None:
    try:
        return _read_csv(text, types, block_bytes, misshapen)
    except pa.ArrowInvalid:
        return None


def _read_csv(text: Text, types: Mapping[str, pa.DataType], block_bytes: int, misshapen: list[int] | None) -> pa.Table:
    """Parse columns; ArrowInvalid for what pyarrow can't read, or not as it is meant."""
    data, dialect, traits = text.data, text.dialect, text.traits
    # To pyarrow a lone CR ends a record; here it is text or a fault.
    if traits.get("odd") or (traits.get("returns") and has_lone_return(data)):
        raise pa.ArrowInvalid("odd quotes or line ends")
    if traits.get("comments"):
        data = without_comments(text)
    if bytes(data[: len(_BOM)]) == _BOM:
        data = memoryview(_BOM + bytes(data))  # pyarrow takes one away; here it is text
    # An empty field too many at the end is forgiven: it is read, to be sure that it is empty, and dropped.
    extra = [max(text.header, key=len) + "+"] if _has_extra_field(text) else []

    table = csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(
            use_threads=False,
            block_size=min(block_bytes, _MAX_BLOCK_BYTES),
            column_names=[*text.header, *extra],
        ),
        parse_options=csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote if dialect.quote and traits.get("quoted") else False,
            double_quote=dialect.escape is None,
            escape_char=dialect.escape if dialect.escape and traits.get("escaped") else False,
            newlines_in_values=traits.get("multiline", False),
            # An empty line is a record only where a record is one field.
            ignore_empty_lines=len(text.header) > 1,
            invalid_row_handler=None if misshapen is None else partial(_pass_over, misshapen),
        ),
        convert_options=csv.ConvertOptions(
            column_types={**types, **dict.fromkeys(extra, pa.null())},
            include_columns=[*types, *extra],
            null_values=[""],
            strings_can_be_null=True,
            true_values=_TRUE,
            false_values=_FALSE,
        ),
    )
    return table.select(list(types))


def _pass_over(misshapen: list[int], row: csv.InvalidRow) -> str:
    misshapen.append(row.number - 1)
    return "skip"


def _has_extra_field(text: Text) -> bool:
    """Whether the first record has one field more than there are names, and nothing in it."""
    first = next(records(bytes(text.data[:_FIRST_BYTES]), text.dialect, single=True), None)
    return first is not None and len(first.fields) == len(text.header) + 1 and not first.fields[-1]


def _parsed_type(kind: str) -> pa.DataType:
    """Return what pyarrow.csv parses a type as; it knows decimals of 128 bits only."""
    decimal = decimal_size(kind)
    if not is_direct(kind):
        return pa.string()
    return pa.decimal128(*decimal) if decimal else arrow_type(kind)


def _first_parsed_type(kind: str) -> pa.DataType:
    """Return what a type is parsed as first: a decimal as a double where that may do."""
    decimal = decimal_size(kind)
    return pa.float64() if decimal and by_float(*decimal) else _parsed_type(kind)


def _valued(column: pa.ChunkedArray, kind: str, data: memoryview) -> pa.ChunkedArray | None:
    """Return the values of a column that was parsed as its ``_first_parsed_type``; None if they may be wrong."""
    if pa.types.is_float64(column.type) and (decimal := decimal_size(kind)):
        return from_floats(column, *decimal)
    return column.cast(arrow_type(kind)) if _trusted(column, data) else None


def _with_decimals(table: pa.Table, sizes: Mapping[str, tuple[int, int]]) -> pa.Table | None:
    for name, size in sizes.items():
        decimals = from_floats(table[name], *size)
        if decimals is None:
            return None
        table = table.set_column(table.column_names.index(name), name, decimals)
    return table


def _trusted(column: pa.ChunkedArray, data: memoryview) -> bool:
    """Whether no value of a column can be one that pyarrow reads otherwise than DuckDB."""
    if column.null_count == len(column):
        return True
    if pa.types.is_decimal128(column.type):
        # pyarrow counts digits before it appends the zeros.
        precision, scale = column.type.precision, column.type.scale
        bounds, limit = pc.min_max(column), Decimal(10) ** (precision - scale)
        return bool(-limit < bounds["min"].as_py() and bounds["max"].as_py() < limit)
    if pa.types.is_signed_integer(column.type) and pc.min(column).as_py() < 0:
        # 0xFFFFFFFF becomes the INTEGER -1.
        return not (has_pair(data, b"0", b"x") or has_pair(data, b"0", b"X"))
    return True
