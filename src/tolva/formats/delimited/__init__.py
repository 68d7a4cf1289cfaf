"""Delimited text (CSV and kin): UTF-8, any delimiter, quoted fields, lines that end in LF or CRLF.

``dialect`` says how a file is written and ``sniff`` finds it out; ``cutter`` makes chunks of a stream; ``reader`` makes
an Arrow table of a chunk, with ``fast`` for clean records and ``diagnose`` for all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tolva.errors import InputError
from tolva.formats.delimited.cutter import cut_file
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.delimited.table import NAME, open_table
from tolva.formats.delimited.text import Text
from tolva.formats.files import mapped, opened
from tolva.formats.origin import Origin, count_lines
from tolva.formats.stored import Stored
from tolva.model import Chunk, File

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NAME", "cut", "open_table", "read"]


def cut(file: File, chunk_bytes: int) -> Iterator[Chunk]:
    """See ``Format.cut``."""
    with opened(file) as source:
        try:
            yield from cut_file(source.fileno(), _dialect(file), chunk_bytes, file.cut_bytes, file.bytes)
        except InputError as error:
            start = error.data["byte_offset"]
            line = count_lines(source.fileno(), start) + 1
            raise InputError(
                f"{file.name}:{line}: {error.message}", file=file.name, line=line, byte_offset=start
            ) from None


def read(file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Stored | None) -> pa.Table:
    """See ``Format.read``."""
    # Loads Arrow, which a process that only cuts doesn't need.
    from tolva.formats.delimited.reader import read_chunk  # noqa: PLC0415

    if stored is not None:
        origin = Origin(file.name, chunk.offset, lambda: int(chunk.traits["lines_before"]))
        return read_chunk(
            Text(stored.whole(), _dialect(file), file.layout["header"], chunk.traits, origin), types, wanted
        )
    with opened(file) as source:
        data = mapped(source, chunk.offset, chunk.length)
        origin = Origin(file.name, chunk.offset, partial(count_lines, source.fileno(), chunk.offset))
        return read_chunk(Text(data, _dialect(file), file.layout["header"], chunk.traits, origin), types, wanted)


def _dialect(file: File) -> Dialect:
    return Dialect.from_json(file.layout["dialect"])
