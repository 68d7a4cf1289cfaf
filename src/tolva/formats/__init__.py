"""Input files: found, understood, cut into chunks, and read chunk by chunk to Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tolva.formats.files import find_files
from tolva.formats.format import Format
from tolva.formats.stored import Stored
from tolva.formats.table import InputTable, TableSpec
from tolva.model import Chunk, File

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["InputTable", "Stored", "TableSpec", "chunks_of", "read", "resolve"]


def resolve(name: str, spec: TableSpec, base: Path) -> InputTable:
    """Find a table's files (patterns are relative to ``base``) and learn its columns.

    InputError for files, DocumentError for a declared type that can't be.
    """
    return _formats()["delimited"].open_table(name, spec, find_files(spec.files, base))


def chunks_of(file: File, chunk_bytes: int) -> Iterator[Chunk]:
    """Cut the rest of a file into chunks; see ``Format.cut``."""
    return _format(file).cut(file, chunk_bytes)


def read(
    file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Stored | None = None
) -> pa.Table:
    """Read a chunk to Arrow; see ``Format.read``."""
    return _format(file).read(file, chunk, types, wanted, stored)


def _format(file: File) -> Format:
    return _formats()[file.layout["format"]]


def _formats() -> dict[str, Format]:
    from tolva.formats import delimited, table_object  # noqa: PLC0415 - a question without tables needs no format

    return {delimited.NAME: delimited, table_object.NAME: table_object}
