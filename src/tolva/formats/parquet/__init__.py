"""Parquet: row groups are the chunks, and only the columns and row groups that matter are read.

``table`` learns a table's columns, as DuckDB's ``read_parquet`` would; ``groups`` cuts; ``reader`` reads row groups
with the types that the table has; ``statistics`` tells which of them can't matter; ``whole`` takes in files that come
as streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tolva.errors import StateError
from tolva.formats.files import opened
from tolva.formats.intake import Cutter, Intake
from tolva.formats.parquet.groups import NAME, cut_groups
from tolva.formats.stored import Held, Stored
from tolva.formats.table import InputTable, TableSpec
from tolva.model import Chunk, File
from tolva.plan import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from tolva.formats.reject import Sorted

__all__ = ["NAME", "cut", "cutter", "intake", "open_table", "read", "sort_out"]


def open_table(name: str, spec: TableSpec, files: Sequence[tuple[str, Path]]) -> InputTable:
    """See ``Format.open_table``."""
    from tolva.formats.parquet.table import open_table as opened_table  # noqa: PLC0415 - who only cuts needs no Arrow

    return opened_table(name, spec, files)


def cut(file: File, chunk_bytes: int) -> Iterator[Chunk]:
    """See ``Format.cut``. The layout tells all, so that nothing is read; the file must still be the same."""
    with opened(file):
        yield from cut_groups(file, chunk_bytes)


def cutter(layout: dict[str, Any], chunk_bytes: int, start: int) -> Cutter:  # noqa: ARG001 - the contract's
    """See ``Format.cutter``."""
    raise StateError("A Parquet file is no stream of text.", format=NAME)


def intake(
    table: str,
    spec: TableSpec,
    name: str,
    columns: Sequence[Column] | None,
    chunk_bytes: int,  # noqa: ARG001 - a Parquet file stays whole, since it is read from its end
    state: dict[str, Any] | None,  # noqa: ARG001 - nothing is known before its end; the tail has it all
) -> Intake:
    """See ``Format.intake``."""
    from tolva.formats.parquet.whole import WholeIntake  # noqa: PLC0415 - loads Arrow

    return WholeIntake(table, spec, name, columns)


def read(
    file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Stored | Held | None
) -> pa.Table:
    """See ``Format.read``."""
    from tolva.formats.parquet.reader import read_chunk  # noqa: PLC0415 - loads Arrow

    return read_chunk(file, chunk, types, wanted, stored)


def sort_out(
    file: File,
    chunk: Chunk,
    types: Mapping[str, str],
    wanted: Sequence[str],
    stored: Stored | Held | None,
    hoped: Mapping[str, str],  # noqa: ARG001 - the contract's: it has no text that is read twice
) -> Sorted:
    """See ``Format.sort_out``."""
    from tolva.formats.parquet.reader import sort_out as sorted_out  # noqa: PLC0415 - loads Arrow

    return sorted_out(file, chunk, types, wanted, stored)
