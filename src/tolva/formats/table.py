"""A job's input table: its columns, and the files its records are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tolva.model import NewFile
from tolva.plan import Column

_PACKED_RATIO = 8
"""Compressed tables of text are mostly between a fifth and a tenth of their size."""


class TableSpec(Protocol):
    """What the user said of a table: its files, the types of some columns, the shape of the files (None: not said)."""

    @property
    def files(self) -> list[str]:
        """Patterns, relative to the folder of the data."""
        ...

    @property
    def columns(self) -> dict[str, str]:
        """Types of columns by name."""
        ...

    @property
    def format(self) -> str | None:
        """The name of the files' format."""
        ...

    @property
    def compression(self) -> str | None:
        """How they are compressed: one of ``decoding.COMPRESSIONS``."""
        ...

    @property
    def encoding(self) -> str | None:
        """How their text is written: one of ``decoding.ENCODINGS``."""
        ...

    @property
    def skip(self) -> int:
        """How many lines at the start of each file are no records."""
        ...

    @property
    def delimiter(self) -> str | None:
        """The character between fields."""
        ...

    @property
    def quote(self) -> str | None:
        """The character around fields; empty: there is none."""
        ...

    @property
    def escape(self) -> str | None:
        """The character that makes the next one plain, in a quoted field."""
        ...

    @property
    def comment(self) -> str | None:
        """The character at the start of lines that are no records."""
        ...

    @property
    def positions(self) -> Mapping[str, str]:
        """Where each field of a fixed-width record is: see ``fixed_width.places.fields_of``."""
        ...

    @property
    def unit(self) -> str:
        """What positions count: ``characters`` or ``bytes``."""
        ...

    @property
    def header(self) -> bool | None:
        """Whether the first record of each file holds names."""
        ...


@dataclass(frozen=True, slots=True)
class InputTable:
    """A table whose files were found and whose columns are known.

    ``in_place``: they lie on the local disk, and DuckDB's own reader of Parquet finds these columns in them, as far as
    they are there. ``column_bytes``: the sizes of columns that can be read apart from the others.
    """

    name: str
    columns: tuple[Column, ...]
    files: tuple[NewFile, ...]
    in_place: bool = False
    column_bytes: Mapping[str, int] | None = None

    @property
    def text_bytes(self) -> int:
        """The size of its files' text; guessed where they are compressed."""
        return sum(file.bytes * (_PACKED_RATIO if _is_packed(file) else 1) for file in self.files)


def _is_packed(file: NewFile) -> bool:
    return bool(file.layout.get("decoding", {}).get("compression", "none") != "none")
