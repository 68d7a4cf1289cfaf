"""Reads a chunk of delimited records to Arrow: fast when the records are clean, exact when they are not.

What is right is what DuckDB's ``CAST(text AS type)`` gives for each field. The fast reader either gives just that or
declines; then the chunk is read once more as text and DuckDB casts it; and where not even its shape is regular, the
exact parser takes it record by record. The first bad record ends it as a RecordError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from tolva.errors import RecordError
from tolva.formats.delimited import fast
from tolva.formats.delimited.casting import BadValue, cast
from tolva.formats.delimited.counting import count_clean
from tolva.formats.delimited.diagnose import Fault
from tolva.formats.delimited.faults import Exact
from tolva.formats.delimited.text import Text

_PIECE_BYTES = 64 * 1024


def read_chunk(text: Text, types: Mapping[str, str], wanted: Sequence[str]) -> pa.Table:
    """Return the wanted columns of a chunk, in that order; with none wanted, a table that only has its row count.

    Args:
        text: the chunk.
        types: the canonical type of each wanted column.
        wanted: names of columns, each once.

    Raises RecordError for the first record that has another number of fields, misplaced quotes, bytes that are not
    UTF-8 or a value that isn't of its column's type. Values of columns that nobody wants are not looked at.
    """
    if not wanted:
        return pa.table([pa.nulls(_count(text))], names=[""]).select([])
    needed = {name: types[name] for name in wanted}
    table = _read(text, needed)
    return (
        pa.concat_tables(_read_piece(piece, needed) for piece in text.pieces(_PIECE_BYTES)) if table is None else table
    )


def _read_piece(text: Text, types: Mapping[str, str]) -> pa.Table:
    table = _read(text, types)
    return _read_exactly(text, types) if table is None else table


def _read(text: Text, types: Mapping[str, str]) -> pa.Table | None:
    """Read text of a regular shape; None for others."""
    table = fast.read(text, types)
    if table is None:
        table = fast.read_texts(text, list(types))
    elif all(map(fast.is_direct, types.values())):
        return table
    return None if table is None else _cast(table, types, text)


def _count(text: Text) -> int:
    count = count_clean(text)
    if count is None:
        count = fast.count(text)
    return sum(map(_count_piece, text.pieces(_PIECE_BYTES))) if count is None else count


def _count_piece(text: Text) -> int:
    count = fast.count(text)
    if count is None:
        rows, error = _exact_rows(Exact(text), ())
        if error:
            raise error
        return len(rows)
    return count


def _read_exactly(text: Text, types: Mapping[str, str]) -> pa.Table:
    """Read with the exact parser. The values before the first misshapen record are judged before it."""
    rows, error = _exact_rows(Exact(text), [text.header.index(name) for name in types])
    columns = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(types)}
    table = _cast(pa.table(columns), types, text)
    if error:
        raise error
    return table


def _exact_rows(exact: Exact, positions: Sequence[int]) -> tuple[list[list[str | None]], RecordError | None]:
    """Return the texts of the fields at ``positions`` of each record before the first misshapen one, and its error."""
    rows: list[list[str | None]] = []
    for record in exact.records():
        texts = exact.texts(record, positions)
        if isinstance(texts, Fault):
            return rows, exact.fault_error(record, texts)
        rows.append(texts)
    return rows, None


def _cast(texts: pa.Table, types: Mapping[str, str], text: Text) -> pa.Table:
    values = cast(texts, types)
    if isinstance(values, BadValue):
        raise Exact(text).value_error(values, types)
    return values
