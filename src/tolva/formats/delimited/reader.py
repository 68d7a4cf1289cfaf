"""Reads a chunk of delimited records to Arrow: fast when the records are clean, exact when they are not.

What is right is what DuckDB's ``CAST(text AS type)`` gives for each field. The fast reader either gives just that or
declines; then the chunk is read once more as text and DuckDB casts it; and if not even its shape is regular, the exact
parser takes it record by record. The first bad record ends it as a RecordError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from tolva.errors import RecordError
from tolva.formats.delimited import fast
from tolva.formats.delimited.casting import BadValue, cast
from tolva.formats.delimited.counting import count_clean
from tolva.formats.delimited.diagnose import Fault
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.delimited.faults import Place
from tolva.formats.origin import Origin


def read_chunk(
    data: memoryview,
    dialect: Dialect,
    header: Sequence[str],
    types: Mapping[str, str],
    wanted: Sequence[str],
    *,
    traits: Mapping[str, bool],
    origin: Origin,
) -> pa.Table:
    """Return the wanted columns of a chunk, in that order; with none wanted, a table that only has its row count.

    Args:
        data: the chunk's bytes.
        dialect: how they are written.
        header: the names of all fields of a record, in the file's order.
        types: the canonical type of each wanted column.
        wanted: names of columns, each once.
        traits: the chunk's, as the cutter gave them.
        origin: where the chunk is, for errors.

    Raises RecordError for the first record that has another number of fields, misplaced quotes, bytes that are not
    UTF-8 or a value that isn't of its column's type. Values of columns that nobody wants are not looked at.
    """
    place = Place(data, dialect, header, origin)
    if not wanted:
        return _rows_only(_count(data, dialect, place, traits))
    needed = {name: types[name] for name in wanted}
    table = fast.read(data, dialect, header, needed, traits)
    if table is not None and all(map(fast.is_direct, needed.values())):
        return table
    if table is None:
        table = fast.read(data, dialect, header, dict.fromkeys(needed, "VARCHAR"), traits)
    return _cast(table, needed, place) if table is not None else _read_exactly(place, needed)


def _count(data: memoryview, dialect: Dialect, place: Place, traits: Mapping[str, bool]) -> int:
    count = count_clean(data, dialect, len(place.header), traits)
    if count is not None:
        return count
    table = fast.read(data, dialect, place.header, {place.header[0]: "VARCHAR"}, traits)
    return int((table if table is not None else _read_exactly(place, {})).num_rows)


def _read_exactly(place: Place, needed: Mapping[str, str]) -> pa.Table:
    """Read with the exact parser. The values before the first misshapen record are judged before it."""
    positions = [place.header.index(name) for name in needed]
    rows: list[list[str | None]] = []
    error: RecordError | None = None
    for record in place.records():
        texts = place.texts(record, positions)
        if isinstance(texts, Fault):
            error = place.fault_error(record, texts)
            break
        rows.append(texts)
    columns = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(needed)}
    values = _cast(pa.table(columns), needed, place) if needed else _rows_only(len(rows))
    if error:
        raise error
    return values


def _cast(texts: pa.Table, types: Mapping[str, str], place: Place) -> pa.Table:
    values = cast(texts, types)
    if isinstance(values, BadValue):
        raise place.value_error(values, types)
    return values


def _rows_only(count: int) -> pa.Table:
    return pa.table([pa.nulls(count)], names=[""]).select([])
