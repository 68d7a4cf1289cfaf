"""What the planner is told of a table, and some of its records for when it asks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from tolva import formats
from tolva.errors import TolvaError
from tolva.formats import Held, InputTable
from tolva.model import File
from tolva.planner import Sample, TableInfo
from tolva.planner.statistics import ROWS_MAX

_CHUNK_BYTES = 2**19
_FILES_MAX = 3


def info_of(table: InputTable) -> TableInfo:
    """Return what the planner should know of a table."""
    files = table.files if table.in_place else None
    return TableInfo(table.columns, table.text_bytes, partial(_sample, table), files, table.column_bytes)


def _sample(table: InputTable, columns: Sequence[str]) -> Sample | None:
    """Read the beginning of a few of the files: the first, the last, and some in between."""
    # Files on their way in have no layout yet: their bytes are out of reach here.
    files = [formats.unstored(file) for file in table.files if file.bytes and file.layout]
    chosen = files[:: max(1, len(files) // _FILES_MAX)][:_FILES_MAX]
    types = {column.name: column.type for column in table.columns}
    try:
        read = [found for file in chosen if (found := _beginning(file, types, columns)) is not None]
    except (TolvaError, OSError):
        # Whatever is wrong with these records is told by the task that needs them; stored ones are out of reach here.
        return None
    seen_bytes = sum(length for _, length in read)
    return Sample(pa.concat_tables(rows for rows, _ in read), seen_bytes / table.text_bytes) if seen_bytes else None


def _beginning(file: File, types: dict[str, str], columns: Sequence[str]) -> tuple[pa.Table, int] | None:
    """Return rows from a file's beginning, and how many of its bytes they are."""
    if formats.must_be_decoded(file):
        piece = next(formats.pieces_of(file, _CHUNK_BYTES), None)
        if piece is None:
            return None
        return formats.read(file, piece.chunk, types, columns, Held(piece.data)), len(piece.data)
    chunk = next(formats.chunks_of(file, _CHUNK_BYTES), None)
    if chunk is None:
        return None
    rows, share = formats.head(file, chunk, types, columns, ROWS_MAX // _FILES_MAX)
    return rows, int(share * chunk.length)
