"""Fixed width: a record a line, each field at its place in it.

To cut, a file is delimited text without quotes: a chunk ends at a line end. ``places`` says where fields are; ``table``
learns the columns; ``fields`` takes a chunk's lines apart, by whole columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tolva.formats.delimited import cut, cutter, opened_text
from tolva.formats.fixed_width.places import Fields
from tolva.formats.fixed_width.table import NAME, learn, open_table
from tolva.formats.intake import Intake, TextIntake
from tolva.formats.stored import Held, Stored
from tolva.formats.table import TableSpec
from tolva.model import Chunk, File
from tolva.plan import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from tolva.formats.reject import Sorted

__all__ = ["NAME", "cut", "cutter", "intake", "open_table", "read", "sort_out"]


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
    from tolva.formats.fixed_width import sorting  # noqa: PLC0415 - who only cuts needs no Arrow

    with opened_text(file, chunk, stored) as text:
        fields = Fields.from_json(file.layout["fields"])
        return sorting.read_chunk(text, fields, {name: types[name] for name in wanted})


def sort_out(
    file: File,
    chunk: Chunk,
    types: Mapping[str, str],
    wanted: Sequence[str],
    stored: Stored | Held | None,
    hoped: Mapping[str, str],  # noqa: ARG001 - the contract's: it has no text that is read twice
) -> Sorted:
    """See ``Format.sort_out``."""
    from tolva.formats.fixed_width import sorting  # noqa: PLC0415 - likewise

    with opened_text(file, chunk, stored) as text:
        fields = Fields.from_json(file.layout["fields"])
        return sorting.sort_out(text, fields, {name: types[name] for name in wanted})
