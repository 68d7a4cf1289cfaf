"""Delimited text (CSV and kin): any delimiter, quoted fields, comments, lines that end in LF or CRLF.

``dialect`` says how a file is written and ``sniff`` finds it out; ``cutter`` makes chunks of a stream; ``reader`` makes
an Arrow table of a chunk, with ``fast`` for clean records and ``diagnose`` for all others; ``sorting`` tells good
records from bad ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from tolva.errors import InputError
from tolva.formats.delimited.cutter import Cutter, cut_file
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.delimited.table import NAME, learn, open_table
from tolva.formats.delimited.text import Text
from tolva.formats.files import mapped, opened
from tolva.formats.intake import Intake, TextIntake
from tolva.formats.origin import Origin, count_lines, numbered
from tolva.formats.stored import Held, Stored
from tolva.formats.table import TableSpec
from tolva.model import Chunk, File
from tolva.plan import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from tolva.formats.reject import Sorted

__all__ = ["NAME", "cut", "cutter", "intake", "open_table", "opened_text", "read", "sort_out"]


def cut(file: File, chunk_bytes: int) -> Iterator[Chunk]:
    """See ``Format.cut``."""
    with opened(file) as source:
        try:
            chunks = cut_file(source.fileno(), _dialect(file.layout), chunk_bytes, file.cut_bytes, file.bytes)
            yield from numbered(chunks, source.fileno()) if file.layout.get("number_lines") else chunks
        except InputError as error:
            start = error.data["byte_offset"]
            line = count_lines(source.fileno(), 0, start) + 1
            raise InputError(
                f"{file.name}:{line}: {error.message}", file=file.name, line=line, byte_offset=start
            ) from None


def cutter(layout: dict[str, Any], chunk_bytes: int, start: int) -> Cutter:
    """See ``Format.cutter``."""
    return Cutter(_dialect(layout), chunk_bytes, start=start)


def intake(
    table: str,
    spec: TableSpec,
    name: str,
    columns: Sequence[Column] | None,
    chunk_bytes: int,
    state: dict[str, Any] | None,
) -> Intake:
    """See ``Format.intake``."""
    return TextIntake(spec, name, partial(learn, table, spec, columns), cutter, chunk_bytes, state)


def read(
    file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Stored | Held | None
) -> pa.Table:
    """See ``Format.read``."""
    # Loads Arrow, which a process that only cuts doesn't need.
    from tolva.formats.delimited.reader import read_chunk  # noqa: PLC0415

    with opened_text(file, chunk, stored) as text:
        return read_chunk(text, types, wanted)


def sort_out(
    file: File,
    chunk: Chunk,
    types: Mapping[str, str],
    wanted: Sequence[str],
    stored: Stored | Held | None,
    hoped: Mapping[str, str],
) -> Sorted:
    """See ``Format.sort_out``."""
    from tolva.formats.delimited import sorting  # noqa: PLC0415 - likewise

    with opened_text(file, chunk, stored) as text:
        return sorting.sort_out(text, types, wanted, hoped)


@contextmanager
def opened_text(file: File, chunk: Chunk, stored: Stored | Held | None) -> Iterator[Text]:
    """Lend a chunk's bytes with all that must be known to read them. InputError as ``Format.read``."""
    dialect, header = _dialect(file.layout), file.layout["header"]
    if stored is not None:
        origin = Origin(file.name, chunk.offset, lambda: int(chunk.traits["lines_before"]))
        yield Text(stored.whole(), dialect, header, chunk.traits, origin)
        return
    with opened(file) as source:
        data = mapped(source, chunk.offset, chunk.length)
        origin = Origin(file.name, chunk.offset, partial(_lines_before, file, chunk))
        yield Text(data, dialect, header, chunk.traits, origin)


def _lines_before(file: File, chunk: Chunk) -> int:
    known = chunk.traits.get("lines_before")
    if known is not None:
        return int(known)
    with opened(file) as source:
        return count_lines(source.fileno(), 0, chunk.offset)


def _dialect(layout: Mapping[str, Any]) -> Dialect:
    return Dialect.from_json(layout["dialect"])
