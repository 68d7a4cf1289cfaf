"""Helpers: cut and read a text as a job would, and ask DuckDB the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import duckdb
import pyarrow as pa

from tolva.formats.delimited.cutter import Cutter
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.delimited.reader import read_chunk
from tolva.formats.delimited.sorting import sort_out
from tolva.formats.delimited.text import Text
from tolva.formats.origin import Origin
from tolva.formats.reject import Reject, Sorted, listed

COMMA = Dialect()


def read_chunks(
    data: bytes, types: Mapping[str, str], wanted: Sequence[str], dialect: Dialect, chunk_bytes: int
) -> Iterator[pa.Table]:
    """Read records without a header, whose columns are ``types`` in order, chunk by chunk."""
    for text in texts_of(data, types, dialect, chunk_bytes):
        yield read_chunk(text, types, wanted)


def texts_of(data: bytes, header: Iterable[str], dialect: Dialect, chunk_bytes: int) -> Iterator[Text]:
    """Cut records into chunks."""
    cutter = Cutter(dialect, chunk_bytes)
    for chunk in cutter.feed(data) + cutter.end():
        piece = memoryview(data)[chunk.offset : chunk.offset + chunk.length]
        origin = Origin("data.csv", chunk.offset, lambda end=chunk.offset: data.count(b"\n", 0, end))
        yield Text(piece, dialect, list(header), chunk.traits, origin)


def read_text(
    data: bytes,
    types: Mapping[str, str],
    wanted: Sequence[str] | None = None,
    *,
    dialect: Dialect = COMMA,
    chunk_bytes: int = 1 << 30,
) -> pa.Table:
    """Return the wanted columns (all by default) of records without a header."""
    return pa.concat_tables(read_chunks(data, types, wanted or list(types), dialect, chunk_bytes))


def count_text(data: bytes, types: Mapping[str, str], *, dialect: Dialect = COMMA, chunk_bytes: int = 1 << 30) -> int:
    """Return how many records there are, from chunks of which no column is wanted."""
    return sum(table.num_rows for table in read_chunks(data, types, [], dialect, chunk_bytes))


@dataclass(frozen=True)
class SortedChunk:
    """What became of one chunk: its rejects and the places of its good rows as plain values."""

    sorted: Sorted
    rejects: list[Reject]
    places: list[tuple[int, int, bytes]]


def sorted_chunks(
    data: bytes,
    types: Mapping[str, str],
    wanted: Sequence[str] | None = None,
    *,
    dialect: Dialect = COMMA,
    chunk_bytes: int = 1 << 30,
) -> Iterator[SortedChunk]:
    """Sort out records without a header, chunk by chunk."""
    for text in texts_of(data, types, dialect, chunk_bytes):
        done = sort_out(text, types, list(types) if wanted is None else wanted)
        places = done.places(range(done.rows.num_rows)).to_pylist()
        rejects = list(listed("data.csv", done.rejects))
        yield SortedChunk(done, rejects, [(p["line"], p["offset"], p["raw"]) for p in places])


class Judge:
    """DuckDB's own opinion. Values are compared by their DuckDB spelling: Python has no words for some of them."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._meanings: dict[tuple[str, str], str | None] = {}

    def cast(self, texts: Sequence[str | None], kind: str) -> list[str | None]:
        """Return each text as ``kind``; REFUSED for one that DuckDB won't cast."""
        given = pa.table({"i": range(len(texts)), "t": pa.array(texts, pa.string())})
        self._connection.register("given", given)
        refused = f"t IS NOT NULL AND try_cast(t AS {kind}) IS NULL"
        spelled = f"CAST(try_cast(t AS {kind}) AS VARCHAR)"
        sql = f"SELECT CASE WHEN {refused} THEN '{REFUSED}' ELSE {spelled} END FROM given ORDER BY i"
        return [row[0] for row in self._connection.execute(sql).fetchall()]

    def meaning(self, texts: Sequence[str], kind: str) -> list[str | None]:
        """Return each text as ``kind``, as tolva means it: where DuckDB is needlessly strict it isn't."""
        new = sorted({text for text in texts if (text, kind) not in self._meanings})
        if new:
            strict = self.cast([text or None for text in new], kind)
            lenient = self.cast([plainer(text, kind) or None for text in new], kind)
            found = [b if a == REFUSED else a for a, b in zip(strict, lenient, strict=True)]
            self._meanings |= {(text, kind): value for text, value in zip(new, found, strict=True)}
        return [self._meanings[text, kind] for text in texts]

    def rows(self, table: pa.Table) -> list[tuple[str | None, ...]]:
        """Return a table's rows as DuckDB spells them."""
        self._connection.register("given", table)
        return self._connection.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM given").fetchall()

    def query(self, sql: str) -> list[tuple[str | None, ...]]:
        """Return the rows of a query as DuckDB spells them."""
        # In two steps: DuckDB would push the cast into read_csv, and give the file's own spelling.
        return self.rows(self._connection.sql(sql).to_arrow_table())


REFUSED = "(refused)"


def plainer(text: str, kind: str) -> str:
    """Return what a text means that DuckDB refuses and the fast reader takes; others as they are."""
    if kind.startswith("TIMESTAMP") and re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d", text, re.ASCII):
        return f"{text}:00"
    if kind.startswith("DECIMAL") and re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)[eE]-\d+\s*", text, re.ASCII):
        return f"{Decimal(text.strip()):f}"
    return (text.rstrip(" \t") or text) if kind.endswith(("INT", "INTEGER", "TIME")) else text
