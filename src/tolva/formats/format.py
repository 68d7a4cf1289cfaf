"""The contract of a file format. Each is a module or package of its name in this folder, with these functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tolva.formats.intake import Cutter, Intake
from tolva.formats.stored import Held, Stored
from tolva.formats.table import InputTable, TableSpec
from tolva.model import Chunk, File
from tolva.plan import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from tolva.formats.reject import Sorted


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

    def cutter(self, layout: dict[str, Any], chunk_bytes: int, start: int) -> Cutter:
        """Return what cuts a stream of such a file's text, whose first byte is at ``start`` of the text.

        The stream gets what makes the text from a file that is compressed or in another encoding; formats that aren't
        text raise StateError.
        """
        ...

    def intake(
        self,
        table: str,
        spec: TableSpec,
        name: str,
        columns: Sequence[Column] | None,
        chunk_bytes: int,
        state: dict[str, Any] | None,
    ) -> Intake:
        """Return what takes in a file of this name as it comes; see ``formats.intake``."""
        ...

    def read(
        self, file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Stored | Held | None
    ) -> pa.Table:
        """Return the wanted columns of a chunk, with the types given, in that order.

        ``stored`` is the object that holds the chunk's bytes; without it they are a range of the local file.
        With no column wanted the table has no column and as many rows as the chunk has records. RecordError for the
        first record that doesn't fit; InputError when the file has changed or can't be read.
        """
        ...

    def sort_out(
        self,
        file: File,
        chunk: Chunk,
        types: Mapping[str, str],
        wanted: Sequence[str],
        stored: Stored | Held | None,
        hoped: Mapping[str, str],
    ) -> Sorted:
        """Return the wanted columns of a chunk's good records, and every bad record with all that is wrong with it.

        Bad are records that are misshapen, or have a value among the wanted ones that isn't of its column's type.
        Where all columns are text, one of those ``hoped`` for may come as values of that other type instead, if all
        its texts in the chunk can be read so. InputError when the file has changed or can't be read.
        """
        ...
