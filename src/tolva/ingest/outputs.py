"""What the stages of an ingestion leave for each other."""

from __future__ import annotations

from dataclasses import dataclass

from tolva.plan import Column

INFO = "info"
"""One row a chunk: see ``ChunkInfo``."""

REPORT = "report"
"""The lines of the report, as NDJSON."""

REJECTS = "rejects"
"""The raw bytes of bad records, each with a line end."""

REPORTS = {"ndjson": "report", "csv": "report_csv"}
"""The queries whose parts are the report, by format."""

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
