"""What the stages of an ingestion leave for each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tolva.model import Part
from tolva.plan import Column

INFO = "info"
"""One row a chunk: see ``ChunkInfo``."""

REPORT = "report"
"""The lines of the report, as NDJSON; so are its parts called."""

REJECTS = "rejects"
"""The raw bytes of bad records, each with a line end; so are their parts called."""

REPORTS = {"ndjson": "report", "csv": "report_csv"}
"""The queries whose parts are the report, by format."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What parts have in common: query, name, format (the ending of their files), and what each begins with."""

    query: str
    name: str
    form: str
    header: bytes = b""

    def renumbered(self, part: Part, ordinal: int) -> Part:
        """Return a part of this kind as the one of that number."""
        return replace(part, ordinal=ordinal, name=self.file(ordinal))

    def file(self, ordinal: int) -> str:
        """Return the name of a part's file."""
        return f"{self.name}_{ordinal:04}.{self.form}"


REPORT_KIND = Kind(REPORT, "report", "ndjson")
"""The parts of the report as NDJSON."""


def rejects_kind(settings: Mapping[str, Any]) -> Kind:
    """Return what the files of rejects have in common, by a stage's settings."""
    return Kind(REJECTS, "rejects", settings["suffix"], settings["header"].encode())


KEYS = "keys"
"""Good records' values of columns that must be unique, and where the records are: ``WHERE``."""

LOSERS = "losers"
"""Where records are that came later than another of the same key."""

REPLACED = "replaced"
"""Which rows of which objects of the table give way to which new records."""

OLD_KEYS = "old_keys"
OLD_INFO = "old_info"

AGAIN = "again_"
"""Stands before the names of what is left by chunks that were done again."""

LINE = "line"
"""The only column of outputs of finished lines, as bytes."""

WHERE = (Column("__file", "BIGINT"), Column("__chunk", "BIGINT"), Column("__row", "BIGINT"))
"""Where a record is: the file's id, the chunk's offset, the number of the record among those with fields."""

OLD_WHERE = (Column("__object", "BIGINT"), Column("__position", "BIGINT"))
"""Where a stored row is: the id of its object's file, and its position there."""

LINES = (Column(LINE, "BLOB"),)


@dataclass(frozen=True, slots=True)
class ChunkInfo:
    """What came of a chunk. ``counts`` are [[column, code, reasons], ...]; ``bounds`` as in ``TableObject``.

    ``read`` = ``stored`` + ``rejected``. ``key`` is that of the object of the good records, None if there were none.
    ``parts`` are of the report and the rejects, where there are so many lines that they are parts already.
    """

    file: int
    name: str
    offset: int
    length: int
    crc: int
    adler: int
    read: int
    stored: int
    rejected: int
    counts: str
    key: str | None
    bytes: int
    bounds: str
    parts: str


CHUNK_INFO = (
    Column("file", "BIGINT"),
    Column("name", "VARCHAR"),
    Column("offset", "BIGINT"),
    Column("length", "BIGINT"),
    Column("crc", "BIGINT"),
    Column("adler", "BIGINT"),
    Column("read", "BIGINT"),
    Column("stored", "BIGINT"),
    Column("rejected", "BIGINT"),
    Column("counts", "VARCHAR"),
    Column("key", "VARCHAR"),
    Column("bytes", "BIGINT"),
    Column("bounds", "VARCHAR"),
    Column("parts", "VARCHAR"),
)


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object that the table has: the id of its file in the job, and what the catalog knows of it."""

    file: int
    key: str
    records: int
    bytes: int
    bounds: str
    dropped: str | None


OBJECT_INFO = (
    Column("file", "BIGINT"),
    Column("key", "VARCHAR"),
    Column("records", "BIGINT"),
    Column("bytes", "BIGINT"),
    Column("bounds", "VARCHAR"),
    Column("dropped", "VARCHAR"),
)
