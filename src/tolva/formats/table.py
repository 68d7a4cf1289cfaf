"""A job's input table: its columns, and the files its records are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tolva.model import NewFile
from tolva.plan import Column


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
    def delimiter(self) -> str | None:
        """The character between fields."""
        ...

    @property
    def quote(self) -> str | None:
        """The character around fields."""
        ...

    @property
    def header(self) -> bool | None:
        """Whether the first record of each file holds names."""
        ...


@dataclass(frozen=True, slots=True)
class InputTable:
    """A table whose files were found and whose columns are known."""

    name: str
    columns: tuple[Column, ...]
    files: tuple[NewFile, ...]
