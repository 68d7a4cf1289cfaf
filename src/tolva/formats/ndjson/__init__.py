"""NDJSON: an object a line. DuckDB's ``read_json`` says what the objects mean.

To cut, a file is delimited text without quotes: a chunk ends at a line end. ``table`` learns the columns, ``objects``
lets DuckDB read lines, and ``sorting`` finds what is wrong with those that it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tolva.formats.delimited import cut, cutter, opened_text
from tolva.formats.intake import Intake, TextIntake
from tolva.formats.stored import Held, Stored
from tolva.formats.table import InputTable, TableSpec
from tolva.model import Chunk, File
from tolva.plan import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from tolva.formats.reject import Sorted

__all__ = ["cut", "cutter", "intake", "open_table", "read", "sort_out"]


def open_table(name: str, spec: TableSpec, files: Sequence[tuple[str, Path]]) -> InputTable:
    """See ``Format.open_table``."""
    from tolva.formats.ndjson import table as of_objects  # noqa: PLC0415 - who only cuts needs no DuckDB

    return of_objects.open_table(name, spec, files)


def intake(
    table: str,
    spec: TableSpec,
    name: str,
    columns: Sequence[Column] | None,
    chunk_bytes: int,
    state: dict[str, Any] | None,
) -> Intake:
    """See ``Format.intake``."""
    from tolva.formats.ndjson.table import learn  # noqa: PLC0415 - likewise

    return TextIntake(spec, name, partial(learn, table, spec, columns), cutter, chunk_bytes, state)


def read(
    file: File, chunk: Chunk, types: Mapping[str, str], wanted: Sequence[str], stored: Stored | Held | None
) -> pa.Table:
    """See ``Format.read``."""
    from tolva.formats.ndjson import sorting  # noqa: PLC0415 - likewise

    with opened_text(file, chunk, stored) as text:
        return sorting.read_chunk(text, {name: types[name] for name in wanted})


def sort_out(
    file: File,
    chunk: Chunk,
    types: Mapping[str, str],
    wanted: Sequence[str],
    stored: Stored | Held | None,
    hoped: Mapping[str, str],  # noqa: ARG001 - the contract's: it has no text that is read twice
) -> Sorted:
    """See ``Format.sort_out``."""
    from tolva.formats.ndjson import sorting  # noqa: PLC0415 - likewise

    with opened_text(file, chunk, stored) as text:
        return sorting.sort_out(text, {name: types[name] for name in wanted})
