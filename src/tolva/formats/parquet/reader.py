"""Reads row groups to Arrow: the wanted columns alone, with the types that the table has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from tolva.errors import InputError, RecordError
from tolva.formats.engine import engine
from tolva.formats.parquet.conform import Conformed, conform, plain_type
from tolva.formats.parquet.source import open_file
from tolva.formats.reasons import Reasons
from tolva.formats.reject import PLACES, Rows, Sorted
from tolva.formats.stored import Held, Stored
from tolva.model import Chunk, File

_SHOWN_CHARS = 100

Bytes = Stored | Held | None


def read_chunk(file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Bytes) -> pa.Table:
    """Return the wanted columns of the chunk's row groups, in that order; with none wanted, their row count.

    RecordError for the first value that isn't of its column's type; InputError where no value could be.
    """
    found = _conformed(file, chunk, types, wanted, stored)
    if found.refused:
        column, (rows, values) = min(found.refused.items(), key=lambda item: int(item[1][0][0]))
        record = _records_before(file, chunk, stored) + int(rows[0]) + 1
        words = _wrong(values[0], types[column])
        raise RecordError(
            f"{file.name}, record {record}: column {column}: {words}; mend the record or declare another type",
            file=file.name,
            line=record,
            column=column,
            value=str(values[0].as_py()),
            type=types[column],
            reason="type",
        )
    return found.rows


def read_head(
    file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], rows_max: int
) -> tuple[pa.Table, float]:
    """Return at most ``rows_max`` rows from a chunk's beginning, and their share of it; values that don't fit: NULL."""
    groups = chunk.traits["groups"]
    with open_file(file, None) as source:
        present = _present(source, wanted)
        batches = source.iter_batches(max(1, rows_max), row_groups=groups, columns=present, use_threads=False)
        first = next(iter(batches), None)
        if first is None or not present:
            return read_chunk(file, chunk, types, wanted, None), 1.0
        share = first.num_rows / _count(source, groups)
        found = conform(pa.Table.from_batches([first]).select(present), types, wanted)
    return found.rows, share


def sort_out(file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Bytes) -> Sorted:
    """Sort a chunk's records; see ``Format.sort_out``.

    A Parquet file has no lines: a record's ``line`` is its number in the file, its ``offset`` 0, its ``raw`` the record
    as JSON.
    """
    found = _conformed(file, chunk, types, wanted, stored)
    reasons = Reasons()
    for column, (rows, values) in found.refused.items():
        count = len(rows)
        words = [_wrong(value, types[column]) for value in values]
        reasons.note(rows, [column] * count, ["type"] * count, words)
    places = partial(_places, file, chunk, stored)
    good = np.delete(np.arange(found.rows.num_rows), reasons.records())
    rows = found.rows.take(pa.array(good)) if found.refused else found.rows
    return Sorted(rows, reasons.rejects(places), found.rows.num_rows, lambda at: places(good[np.asarray(at, np.int64)]))


def _conformed(file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Bytes) -> Conformed:
    groups = chunk.traits["groups"]
    with open_file(file, stored) as source:
        if not wanted:
            return Conformed(pa.table([pa.nulls(_count(source, groups))], names=[""]).select([]), {})
        table = _read(source, groups, wanted)
        # Bytes that claim to be UTF-8 must be before DuckDB gets to see them.
        table.validate(full=True)
    try:
        return conform(table, types, wanted)
    except duckdb.Error as error:
        said = str(error).partition("Error: ")[2].split("\n")[0]
        message = f"{file.name} can't be read with the types of its table: {said}. Query its files apart"
        raise InputError(message, file=file.name) from None


def _read(source: parquet.ParquetFile, groups: Sequence[int], wanted: Sequence[str] | None = None) -> pa.Table:
    present = _present(source, wanted)
    if not present:
        # A table without columns forgets how many rows it has.
        return pa.table({"": pa.nulls(_count(source, groups))})
    return source.read_row_groups(groups, columns=present, use_threads=False).select(present)


def _present(source: parquet.ParquetFile, wanted: Sequence[str] | None) -> list[str]:
    names = None if wanted is None else {name.casefold() for name in wanted}
    return [name for name in source.schema_arrow.names if names is None or name.casefold() in names]


def _count(source: parquet.ParquetFile, groups: Sequence[int]) -> int:
    return sum(source.metadata.row_group(i).num_rows for i in groups)


def _records_before(file: File, chunk: Chunk, stored: Bytes) -> int:
    with open_file(file, stored) as source:
        return _count(source, range(chunk.traits["groups"][0]))


def _places(file: File, chunk: Chunk, stored: Bytes, rows: Rows | npt.NDArray[np.int64]) -> pa.Table:
    """Return where records are (``PLACES``), by their numbers in the chunk."""
    numbers = np.asarray(rows, np.int64)
    if not len(numbers):
        return PLACES.empty_table()
    groups = chunk.traits["groups"]
    with open_file(file, stored) as source:
        before = _count(source, range(groups[0]))
        table = _read(source, groups).take(pa.array(numbers))
    offsets = np.zeros(len(numbers), np.int64)
    return pa.table([pa.array(before + numbers + 1), pa.array(offsets), as_json(table)], schema=PLACES)


def as_json(table: pa.Table) -> pa.ChunkedArray:
    """Return each row as an object, as DuckDB writes it."""
    table = pa.table([column.cast(plain_type(column.type)) for column in table.columns], names=table.column_names)
    with engine().cursor() as connection:
        connection.register("given", table)
        lines = connection.sql("SELECT encode(CAST(to_json(given) AS VARCHAR)) AS raw FROM given").to_arrow_table()
    return lines["raw"].cast(pa.binary())


def _wrong(value: pa.Scalar, kind: str) -> str:
    shown: Any = str(value.as_py())
    shown = repr(shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS]}…")
    return f"{shown} is not {'an' if kind.startswith('INT') else 'a'} {kind}"
