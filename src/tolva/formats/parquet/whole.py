"""Takes in a Parquet file that comes as a stream. What it holds stands at its end, so it stays one piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tolva.errors import InputError
from tolva.formats.intake import Intake, Learned, Piece
from tolva.formats.parquet.table import learn
from tolva.formats.table import TableSpec
from tolva.model import Chunk, NewFile
from tolva.plan import Column

MAX_BYTES = 512 * 2**20
"""The file is held in memory until its end was seen."""


class WholeIntake(Intake):
    """The intake of a Parquet file: one chunk, and one stored object, of all its row groups.

    Args:
        table: the name of the table.
        spec: what was said of it.
        name: the file's name for people.
        columns: the table's, if it has files already.
        max_bytes: InputError for a larger file.
    """

    def __init__(
        self,
        table: str,
        spec: TableSpec,
        name: str,
        columns: Sequence[Column] | None,
        *,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._table, self._spec, self._name, self._columns = table, spec, name, columns
        self._max_bytes = max_bytes
        self._data = bytearray()
        self._learned: Learned | None = None

    @property
    def columns(self) -> tuple[Column, ...] | None:
        """See ``Intake``."""
        return self._learned.columns if self._learned else None

    @property
    def resumable(self) -> bool:
        """See ``Intake``; the file has to come again."""
        return False

    def feed(self, data: bytes) -> list[Piece]:
        """See ``Intake``."""
        self._data += data
        if len(self._data) > self._max_bytes:
            raise InputError(
                f"{self._name} is larger than {self._max_bytes} bytes, and Parquet can't be cut while it comes; send "
                "smaller files, or name it where it lies",
                file=self._name,
            )
        return []

    def end(self) -> list[Piece]:
        """See ``Intake``."""
        data = bytes(self._data)
        self._data.clear()
        self._learned = learn(self._table, self._spec, self._name, data, self._columns)
        groups = list(range(len(self._learned.file.layout["groups"])))
        return [Piece(Chunk(0, len(data), {"groups": groups, "lines_before": 0}), (data,))] if groups else []

    def file(self) -> NewFile | None:
        """See ``Intake``."""
        return self._learned.file if self._learned else None

    def state(self) -> dict[str, Any]:
        """See ``Intake``."""
        return {"resume_at": 0}

    def tail(self) -> bytes:
        """See ``Intake``; the file has to come again."""
        return b""
