"""Parquet files of any schema, and what DuckDB says is in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import strategies as st
from pyarrow import parquet

from tolva import formats
from tolva.formats import InputTable
from tolva.model import File


class Duck:
    """DuckDB reading the same files; values by their spelling."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(config={"threads": 1, "arrow_lossless_conversion": True})
        self._connection.execute("SET TimeZone = 'UTC'")

    def rows(self, paths: Sequence[Path], where: str = "true") -> list[tuple[str | None, ...]]:
        sql = f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (SELECT * FROM {self._files(paths)} WHERE {where})"
        return self._connection.execute(sql).fetchall()

    def columns(self, paths: Sequence[Path]) -> list[tuple[str, str]]:
        described = self._connection.execute(f"DESCRIBE SELECT * FROM {self._files(paths)}").fetchall()
        return [(row[0], row[1]) for row in described]

    def spelled(self, table: pa.Table) -> list[tuple[str | None, ...]]:
        with self._connection.cursor() as cursor:
            cursor.register("given", table)
            return cursor.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM given").fetchall()

    def _files(self, paths: Sequence[Path]) -> str:
        return f"read_parquet([{', '.join(repr(str(path)) for path in paths)}], union_by_name := true)"


def files_of(table: InputTable) -> list[File]:
    return [
        File(i, "job", f.table, f.name, f.location, f.bytes, f.fingerprint, f.layout, f.first_byte, ended=False)
        for i, f in enumerate(table.files)
    ]


def read_all(table: InputTable, chunk_bytes: int, wanted: Sequence[str] | None = None) -> list[pa.Table]:
    types = {column.name: column.type for column in table.columns}
    return [
        formats.read(file, chunk, types, list(types) if wanted is None else wanted)
        for file in files_of(table)
        for chunk in formats.chunks_of(file, chunk_bytes)
    ]


_DAYS = st.dates(dt.date(1800, 1, 1), dt.date(2250, 1, 1))
_MOMENTS = st.datetimes(dt.datetime(1800, 1, 1), dt.datetime(2250, 1, 1))  # noqa: DTZ001 - these have no zone
_DEPTH = 2
_TEXTS = st.text(max_size=6)

_LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    *(
        (kind, st.integers(-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1))
        for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())
    ),
    *((kind, st.integers(0, 2**kind.bit_width - 1)) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())),
    (pa.float16(), st.integers(-100, 100).map(float)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.string(), _TEXTS),
    (pa.large_string(), _TEXTS),
    (pa.binary(), st.binary(max_size=5)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.date32(), _DAYS),
    (pa.date64(), _DAYS),
    (pa.time32("ms"), st.times().map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    (pa.time64("us"), st.times()),
    (pa.timestamp("s"), _MOMENTS.map(lambda t: t.replace(microsecond=0))),
    (pa.timestamp("ms"), _MOMENTS.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    (pa.timestamp("us"), _MOMENTS),
    (pa.timestamp("ns"), _MOMENTS),
    (pa.timestamp("us", "UTC"), _MOMENTS),
    (pa.timestamp("ms", "Europe/Madrid"), _MOMENTS.map(lambda t: t.replace(microsecond=0))),
    (pa.duration("us"), st.timedeltas(dt.timedelta(-100), dt.timedelta(100))),
    (pa.decimal128(5, 2), st.integers(-99999, 99999).map(lambda n: Decimal(n).scaleb(-2))),
    (pa.decimal128(18, 6), st.integers(-(10**18) + 1, 10**18 - 1).map(lambda n: Decimal(n).scaleb(-6))),
    (pa.decimal128(38, 10), st.integers(-(10**27), 10**27).map(lambda n: Decimal(n).scaleb(-10))),
]
_TOP_LEAVES = [
    *_LEAVES,
    # Arrow makes these of Python's values, or writes them, only where they aren't nested.
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from("abc")),
    (pa.uuid(), st.uuids().map(lambda u: u.bytes)),
]


@st.composite
def fields(draw: st.DrawFn, depth: int = _DEPTH) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """A type, and its values, NULLs among them."""
    shape = draw(st.sampled_from(["leaf"] * 4 + (["list", "struct", "map"] if depth else [])))
    if shape == "leaf":
        kind, values = draw(st.sampled_from(_LEAVES if depth < _DEPTH else _TOP_LEAVES))
    elif shape == "list":
        inner, inside = draw(fields(depth - 1))
        kind, values = pa.list_(inner), st.lists(inside, max_size=3)
    elif shape == "struct":
        parts = draw(st.lists(fields(depth - 1), min_size=1, max_size=3))
        kind = pa.struct([(f"f{i}", inner) for i, (inner, _) in enumerate(parts)])
        values = st.fixed_dictionaries({f"f{i}": inside for i, (_, inside) in enumerate(parts)})
    else:
        inner, inside = draw(fields(depth - 1))
        kind = pa.map_(pa.string(), inner)
        values = st.dictionaries(_TEXTS, inside, max_size=3).map(lambda d: list(d.items()))
    return kind, st.none() | values


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A table of any schema, up to 12 rows."""
    chosen = draw(st.lists(fields(), min_size=1, max_size=4))
    count = draw(st.integers(0, 12))
    names = draw(st.lists(st.sampled_from(["a", "B", "c d", "ñ", "x.y", 'q"', "select"]), unique=True, min_size=4))
    columns = {
        name: _array(draw(st.lists(values, min_size=count, max_size=count)), kind)
        for name, (kind, values) in zip(names, chosen, strict=False)
    }
    return pa.table(columns)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind == pa.float16():
        import numpy as np  # noqa: PLC0415 - Arrow makes half floats of numpy's alone

        return pa.array([None if v is None else np.float16(v) for v in values], kind)
    return pa.array(values, kind)


def write(path: Path, table: pa.Table, group_rows: int = 3, **options: Any) -> Path:
    parquet.write_table(table, path, row_group_size=group_rows, **options)
    return path
