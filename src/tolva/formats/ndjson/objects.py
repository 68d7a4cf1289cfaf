"""Lines of JSON as DuckDB reads them.

Its functions on JSON values differ from ``read_json`` in small ways (1.005 as DECIMAL(5,2) is 1.01 to them and 1.00 to
it), so that lines are handed to ``read_json`` itself, as a file that is in memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from tolva.formats.engine import answer, engine, literal

MAX_OBJECT_BYTES = 64 * 2**20
"""What DuckDB takes as one line; longer ones never leave the cutter."""

_FORMAT = f"format = 'newline_delimited', maximum_object_size = {MAX_OBJECT_BYTES}"
_UNKNOWN = re.compile(r'"NULL"((?:\[\])*)')


def read_lines(data: memoryview | bytes, types: Mapping[str, str]) -> pa.Table:
    """Return the columns of whole lines; duckdb.Error when DuckDB refuses one. Lines of white space are no records."""
    # With no column asked for, some column still counts the rows.
    listed = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in (types or {"nothing": "JSON"}).items())
    with _as_file(data) as path, engine().cursor() as connection:
        how = f"{_FORMAT}, auto_detect = false, records = true, columns = {{{listed}}}"
        table = answer(connection, f"SELECT * FROM read_json('{path}', {how})")
    return table if types else table.select([])


def infer(data: bytes) -> dict[str, str]:
    """Return the columns that DuckDB finds in lines which are all objects. A key that has no value is JSON."""
    with _as_file(data) as path, engine().cursor() as connection:
        sql = f"DESCRIBE SELECT * FROM read_json('{path}', {_FORMAT}, sample_size = -1, records = true)"
        try:
            rows = connection.execute(sql).fetchall()
        except duckdb.BinderException:
            # Objects without a single key aren't records to it.
            return {}
    return {row[0]: _UNKNOWN.sub(r"JSON\1", row[1]) if _UNKNOWN.fullmatch(row[1]) else row[1] for row in rows}


@contextmanager
def _as_file(data: memoryview | bytes) -> Iterator[str]:
    fd = os.memfd_create("lines")
    try:
        # After an empty line, what looks like a byte order mark isn't taken for one.
        os.write(fd, b"\n")
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)
