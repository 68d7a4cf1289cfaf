"""A stored table's object as an input file: Parquet in storage, one chunk, some of its rows dropped by later loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tolva.errors import StateError
from tolva.formats.stored import Stored
from tolva.formats.table import InputTable, TableSpec
from tolva.model import Chunk, File, NewFile, StoredTable, TableObject
from tolva.plan import Column
from tolva.storage import Storage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tolva.formats.reject import Rows, Sorted

NAME = "table_object"
"""The format's name in a file's layout."""


def input_table(name: str, table: StoredTable, objects: Sequence[TableObject], *, on_disk: bool) -> InputTable:
    """Return a version of a stored table as the table ``name`` of a job.

    Only objects ``on_disk`` of which no row was dropped are as DuckDB's own reader of Parquet finds them.
    """
    columns = tuple(Column(*column) for column in table.columns)
    whole = all(each.dropped is None for each in objects)
    files = tuple(_file(name, each) for each in objects)
    return InputTable(name, columns, files, in_place=on_disk and whole, column_bytes=_column_bytes(columns, objects))


def _column_bytes(columns: Sequence[Column], objects: Sequence[TableObject]) -> dict[str, int]:
    """Guess how the objects' bytes are shared out: their footers aren't read for that."""
    shares = {column.name: _TEXT_SHARE if column.type in ("VARCHAR", "BLOB") else 1 for column in columns}
    total = sum(each.bytes for each in objects)
    return {name: total * share // sum(shares.values()) for name, share in shares.items()}


_TEXT_SHARE = 3
"""Text takes so many times what a number takes, about."""


def open_table(name: str, spec: TableSpec, files: Sequence[tuple[str, Path]]) -> InputTable:  # noqa: ARG001 - the contract's
    """See ``Format.open_table``; a stored table's objects are known from the catalog alone."""
    raise StateError(f"Table {name} is a stored one; its objects are no files to look at.")


def cut(file: File, chunk_bytes: int) -> Iterator[Chunk]:  # noqa: ARG001 - an object was made to be one chunk
    """See ``Format.cut``."""
    if not file.cut_bytes:
        yield Chunk(0, file.bytes, key=file.location)


def read(file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Stored | None) -> pa.Table:
    """See ``Format.read``. A column that came into the table later is NULL in its older objects."""
    return rows_and_positions(file, chunk, types, wanted, stored)[0]


def rows_and_positions(
    file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Stored | None
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return what ``read`` does, and the position of each row in the object."""
    if stored is None:
        raise StateError(f"The object {file.name} was to be read without storage.", chunk=chunk.offset)
    return rows_of(stored, file.bytes, file.layout["dropped"], types, wanted)


def sort_out(
    file: File,
    chunk: Chunk,
    types: Mapping[str, str],
    wanted: Sequence[str],
    stored: Stored | None,
    hoped: Mapping[str, str],  # noqa: ARG001 - the contract's: it has no text that is read twice
) -> Sorted:
    """See ``Format.sort_out``. Every record is good: it was when it was stored.

    A record's ``line`` is its number in the object, its ``offset`` 0, its ``raw`` the record as JSON.
    """
    import numpy as np  # noqa: PLC0415 - see below
    import pyarrow as pa  # noqa: PLC0415 - likewise

    from tolva.formats.parquet.reader import as_json  # noqa: PLC0415 - likewise
    from tolva.formats.reject import PLACES, REJECTS, Sorted  # noqa: PLC0415 - likewise

    def places(rows: Rows) -> pa.Table:
        whole, positions = rows_and_positions(file, chunk, types, list(types), stored)
        numbers = np.asarray(rows, np.int64)
        lines, offsets = pa.array(positions[numbers] + 1), pa.array(np.zeros(len(numbers), np.int64))
        return pa.table([lines, offsets, as_json(whole.take(pa.array(numbers)))], schema=PLACES)

    rows = read(file, chunk, types, wanted, stored)
    return Sorted(rows, REJECTS.empty_table(), rows.num_rows, places)


def rows_of(
    stored: Stored, object_bytes: int, dropped: str | None, types: Mapping[str, str], wanted: Sequence[str]
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return the wanted columns of an object's rows that count, and the position of each row in the object.

    ``dropped`` is as in ``TableObject``. A column that came into the table later is NULL in its older objects.
    """
    import numpy as np  # noqa: PLC0415 - the feeder cuts, and needs none of these
    import pyarrow as pa  # noqa: PLC0415 - likewise

    from tolva.formats.arrow import arrow_type  # noqa: PLC0415 - likewise
    from tolva.formats.parquet.source import StoredFile, as_parquet  # noqa: PLC0415 - likewise

    source = as_parquet(StoredFile(stored, object_bytes), pre_buffer=True)
    there = {name.casefold(): name for name in source.schema_arrow.names}
    found = source.read([there[name.casefold()] for name in wanted if name.casefold() in there], use_threads=False)
    count = source.metadata.num_rows
    columns = [
        _typed(found[there[name.casefold()]], types[name])
        if name.casefold() in there
        else pa.nulls(count, arrow_type(types[name]))
        for name in wanted
    ]
    rows = pa.table(columns, names=list(wanted)) if wanted else pa.table([pa.nulls(count)], names=[""])
    positions = np.arange(count)
    if dropped is not None:
        positions = np.delete(positions, dropped_positions(stored.storage, dropped))
        rows = rows.take(pa.array(positions))
    return rows.select(list(wanted)), positions


def _typed(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    from tolva.formats.arrow import arrow_type  # noqa: PLC0415 - see above
    from tolva.formats.parquet.conform import intervals  # noqa: PLC0415 - likewise

    return intervals(column) if kind == "INTERVAL" else column.cast(arrow_type(kind))


def dropped_positions(storage: Storage, key: str) -> npt.NDArray[np.int64]:
    """Return the positions of an object's dropped rows, which are stored under ``key``."""
    import numpy as np  # noqa: PLC0415 - see above

    return np.frombuffer(storage.get(key)[0], dtype=np.int64)


def _file(table: str, each: TableObject) -> NewFile:
    return NewFile(
        table=table,
        name=each.key,
        location=each.key,
        bytes=each.bytes,
        fingerprint=each.key,
        layout={"format": NAME, "dropped": each.dropped, "bounds": each.bounds},
    )
