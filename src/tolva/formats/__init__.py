"""Input files: found, understood, cut into chunks, and read chunk by chunk to Arrow, bad records apart if wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from tolva.formats.choice import PARQUET, format_of
from tolva.formats.files import find_files, unstored
from tolva.formats.format import Format
from tolva.formats.intake import Intake, Piece
from tolva.formats.intake import pieces_of as _pieces_of
from tolva.formats.stored import Held, Stored
from tolva.formats.table import InputTable, TableSpec
from tolva.model import Chunk, File
from tolva.plan import Column, RowTest

if TYPE_CHECKING:
    import pyarrow as pa

    from tolva.formats.reject import Sorted

__all__ = [
    "Held",
    "InputTable",
    "Intake",
    "Piece",
    "Stored",
    "TableSpec",
    "chunks_of",
    "head",
    "intake",
    "must_be_decoded",
    "narrow",
    "pieces_of",
    "read",
    "resolve",
    "sort_out",
    "unstored",
]

_PACKAGE = "tolva.formats"
_NO_HOPES: Mapping[str, str] = MappingProxyType({})


def resolve(name: str, spec: TableSpec, base: Path, *, number_lines: bool = False) -> InputTable:
    """Find a table's files (patterns are relative to ``base``) and learn its columns.

    With ``number_lines`` cutting notes the line each chunk starts on, which is worth its time where many chunks will
    have rejects. InputError for files, DocumentError for a declared type that can't be.
    """
    files = find_files(spec.files, base)
    table = _format(format_of(spec, files)).open_table(name, spec, files)
    if not number_lines:
        return table
    return replace(table, files=tuple(replace(f, layout={**f.layout, "number_lines": True}) for f in table.files))


def chunks_of(file: File, chunk_bytes: int) -> Iterator[Chunk]:
    """Cut the rest of a file, whose bytes are its text, into chunks; see ``Format.cut``."""
    return _format_of(file).cut(file, chunk_bytes)


def must_be_decoded(file: File) -> bool:
    """Whether the file is to be taken in piece by piece, as its bytes aren't its text."""
    return "decoding" in file.layout


def pieces_of(file: File, chunk_bytes: int) -> Iterator[Piece]:
    """Decode the rest of a file and cut it into chunks with their bytes, which are to be stored."""
    return _pieces_of(file, _format_of(file).cutter, chunk_bytes)


def intake(
    table: str,
    spec: TableSpec,
    name: str,
    *,
    columns: Sequence[Column] | None = None,
    chunk_bytes: int,
    state: dict[str, Any] | None = None,
) -> Intake:
    """Return what takes in one file of a table as it comes.

    Args:
        table: the name of the table.
        spec: what was said of it; its ``files`` don't matter.
        name: the file's name for people; its ending tells the format where the spec doesn't.
        columns: the table's, if it has files already: the file must have the same.
        chunk_bytes: the length of chunks to aim at.
        state: what the intake left that this one takes the place of; see ``Intake``.
    """
    return _format(format_of(spec, [(name, None)])).intake(table, spec, name, columns, chunk_bytes, state)


def read(
    file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Stored | Held | None = None
) -> pa.Table:
    """Read a chunk to Arrow; see ``Format.read``."""
    return _format_of(file).read(file, chunk, types, wanted, stored)


def head(
    file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], rows_max: int
) -> tuple[pa.Table, float]:
    """Return about ``rows_max`` rows from a chunk's beginning, or all where they come no dearer; and their share."""
    if file.layout["format"] != PARQUET:
        return read(file, chunk, types, wanted), 1.0
    from tolva.formats.parquet.reader import read_head  # noqa: PLC0415 - most chunks are of other formats

    return read_head(file, chunk, types, wanted, rows_max)


def narrow(
    file: File,
    chunk: Chunk,
    types: Mapping[str, str],
    tests: Sequence[Sequence[RowTest]],
    stored: Stored | Held | None = None,
) -> Chunk:
    """Return the chunk without what no reader wants, as far as its file's own notes tell.

    Args:
        file: the file.
        chunk: the whole chunk.
        types: the types of the table's columns.
        tests: for each reader of the chunk what the rows it wants pass; a reader without tests wants all.
        stored: the object that holds the chunk's bytes, as for ``read``.
    """
    if file.layout["format"] != PARQUET or not tests or not all(tests):
        return chunk
    from tolva.formats.parquet.statistics import matching_groups  # noqa: PLC0415 - most chunks are of other formats

    return matching_groups(file, chunk, types, tests, stored)


def sort_out(
    file: File,
    chunk: Chunk,
    types: Mapping[str, str],
    wanted: Sequence[str],
    stored: Stored | Held | None = None,
    hoped: Mapping[str, str] = _NO_HOPES,
) -> Sorted:
    """Read a chunk's good records to Arrow, and list the bad ones; see ``Format.sort_out``."""
    return _format_of(file).sort_out(file, chunk, types, wanted, stored, hoped)


def _format_of(file: File) -> Format:
    return _format(file.layout["format"])


@cache
def _format(name: str) -> Format:
    # A question without tables needs no format, and one over CSV no Parquet.
    return cast("Format", import_module(f"{_PACKAGE}.{name}"))
