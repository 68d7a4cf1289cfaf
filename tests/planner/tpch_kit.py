"""TPC-H: data by tpchgen-cli, the queries of its specification, and DuckDB's answers to them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from tolva import formats
from tolva.formats import InputTable, unstored
from tolva.jobs.prepare import Spec
from tolva.jobs.sampling import info_of
from tolva.plan import Column
from tolva.planner import TableInfo

SCALE = "0.1"
TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
QUERIES = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "tpch").glob("q*.sql"))}


def generate(folder: Path, form: str, scale: str = SCALE) -> Path:
    """Make the eight tables as files of a format; return their folder."""
    made = folder / f"{form}-{scale}"
    if not made.exists():
        command = Path(sys.executable).with_name("tpchgen-cli")
        subprocess.run([command, form, "--scale-factor", scale, "--output-dir", made, "--quiet"], check=True)
    return made


def types_of(parquet: Path) -> dict[str, tuple[Column, ...]]:
    """Return the columns of each table as the specification types them."""
    found = {}
    for name in TABLES:
        rows = duckdb.execute(f"DESCRIBE FROM '{parquet / name}.parquet'").fetchall()
        found[name] = tuple(Column(row[0], row[1]) for row in rows)
    return found


class Source:
    """The tables as files of one format, cut into chunks and read by tolva."""

    def __init__(self, folder: Path, form: str, types: Mapping[str, Sequence[Column]]) -> None:
        self._tables: dict[str, InputTable] = {}
        for name in TABLES:
            declared = {c.name: c.type for c in types[name]}
            self._tables[name] = formats.resolve(name, Spec([f"{name}.{form}"], declared), folder)
        self.infos: dict[str, TableInfo] = {name: info_of(table) for name, table in self._tables.items()}
        self.chunks = cache(self._chunks)

    def _chunks(self, name: str, chunk_bytes: int) -> list[pa.Table]:
        table = self._tables[name]
        types = {c.name: c.type for c in table.columns}
        files = [unstored(file) for file in table.files]
        cut = chain.from_iterable(((file, chunk) for chunk in formats.chunks_of(file, chunk_bytes)) for file in files)
        return [formats.read(file, chunk, types, list(types)) for file, chunk in cut]
