"""The contract of a file format. Each is a package of this name's folder, with these three functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tolva.formats.stored import Stored
from tolva.formats.table import InputTable, TableSpec
from tolva.model import Chunk, File

if TYPE_CHECKING:
    import pyarrow as pa


class Format(Protocol):
    """How files of one format become a table, a file becomes chunks, and a chunk becomes records."""

    def open_table(self, name: str, spec: TableSpec, files: Sequence[tuple[str, Path]]) -> InputTable:
        """Look at the files (name for people, path) and return the table they make.

        InputError for a file that can't be read or doesn't go with the others; DocumentError for a type that can't be.
        """
        ...

    def cut(self, file: File, chunk_bytes: int) -> Iterator[Chunk]:
        """Cut the file from ``cut_bytes`` on into chunks of about ``chunk_bytes``, whole records each.

        InputError when the file has changed, can't be read, or has a record too long to be one.
        """
        ...

    def read(
        self, file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Stored | None
    ) -> pa.Table:
        """Return the wanted columns of a chunk, with the types given, in that order.

        ``stored`` is the object that holds the chunk's bytes; without it they are a range of the local file.
        With no column wanted the table has no column and as many rows as the chunk has records. RecordError for the
        first record that doesn't fit; InputError when the file has changed or can't be read.
        """
        ...
