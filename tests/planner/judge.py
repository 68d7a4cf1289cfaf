"""DuckDB as the judge: a query planned, spread and put together again, against the same query asked at once."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tolva.plan import Column, Format, Plan
from tolva.planner import Query, TableInfo, plan
from tolva.work.engine import Engine
from tolva.work.local_run import run_plan

SMALL_BYTES = 10**4
BIG_BYTES = 10**9
"""What tables are said to hold: those of more than a few rows count as big."""

FEW_ROWS = 30

NO_COPIES = 0
"""With this as the size of what is small, nothing is broadcast or gathered for being small."""


@dataclass(frozen=True)
class How:
    """How a query is spread: hash partitions, pieces of each table, the size of what is small, and a seed."""

    partitions: int = 7
    chunks: int = 5
    broadcast_bytes: int = NO_COPIES
    reduce_task_bytes: int = 300
    seed: int = 0


class Judge:
    """Tables in a plain DuckDB, and the same tables for tolva."""

    def __init__(self, folder: Path, statements: Sequence[str]) -> None:
        self.duckdb = duckdb.connect(":memory:", config={"threads": 1})
        self.duckdb.execute("SET TimeZone='UTC'")
        self.duckdb.execute("SET arrow_lossless_conversion=true")
        for statement in statements:
            self.duckdb.execute(statement)
        self.engine = Engine(memory_bytes=512 * 2**20, threads=1, spill=folder / "spill")
        self._folder = folder

    def close(self) -> None:
        self.engine.close()
        self.duckdb.close()

    @cached_property
    def tables(self) -> dict[str, TableInfo]:
        return {name: TableInfo(self._columns(name), self._bytes(name)) for name in self.rows}

    def _columns(self, name: str) -> tuple[Column, ...]:
        return tuple(Column(row[0], row[1]) for row in self.duckdb.execute(f'DESCRIBE "{name}"').fetchall())

    def _bytes(self, name: str) -> int:
        return SMALL_BYTES if self.rows[name].num_rows <= FEW_ROWS else BIG_BYTES

    @cached_property
    def rows(self) -> dict[str, pa.Table]:
        names = [row[0] for row in self.duckdb.execute("SHOW TABLES").fetchall()]
        return {name: self.duckdb.table(f'"{name}"').to_arrow_table() for name in names}

    def plan(self, sql: str, how: How, form: Format = Format.PARQUET) -> Plan:
        queries = {"q": Query(sql, form)}
        return plan(queries, self.tables, partitions=how.partitions, broadcast_bytes=how.broadcast_bytes)

    def run(self, made: Plan, how: How) -> list[pa.RecordBatch]:
        """Answer by the plan, over every table cut into ``how.chunks`` pieces at random places, some maybe empty."""
        chance = random.Random(how.seed)
        chunks = {name: _cut(table, how.chunks, chance) for name, table in self.rows.items()}
        # Plans are kept as JSON between the one who makes them and the one who runs them.
        kept = Plan.from_json(made.to_json())
        return run_plan(kept, chunks, self.engine, reduce_task_bytes=how.reduce_task_bytes)["q"]

    def check(self, sql: str, how: How) -> Plan:
        """Assert that tolva's answer is DuckDB's: names, types, rows, and their order where ORDER BY fixes it."""
        made = self.plan(sql, how)
        self.check_against(sql, how, lambda: self.run(made, how))
        return made

    def check_against(self, sql: str, how: How, answer: Callable[[], list[pa.RecordBatch]]) -> None:
        """Assert that an answer is DuckDB's; see ``check``."""
        asked = self.duckdb.sql(f"SELECT * FROM ({sql}\n)")
        expected = asked.to_arrow_table()
        batches = answer()
        got = pa.Table.from_batches(batches) if batches else expected.schema.empty_table()
        assert [(f.name, f.type) for f in got.schema] == [(f.name, f.type) for f in expected.schema], sql
        assert_same_rows(rows_of(got), rows_of(expected), ordered=is_ordered(sql), what=f"{sql}\n{how}")

    def answer(self, sql: str, how: How) -> list[tuple[Any, ...]]:
        """Return tolva's answer."""
        batches = self.run(self.plan(sql, how), how)
        return rows_of(pa.Table.from_batches(batches)) if batches else []

    def written(self, sql: str, form: Format) -> bytes:
        """Return the bytes that DuckDB's own COPY writes, without a header."""
        path = self._folder / "written"
        options = "FORMAT csv, HEADER false" if form is Format.CSV else "FORMAT json"
        self.duckdb.execute(f"COPY ({sql}\n) TO '{path}' ({options})")
        return path.read_bytes()


@contextmanager
def judge(folder: Path, statements: Sequence[str]) -> Iterator[Judge]:
    """Lend a judge over tables that the statements make."""
    one = Judge(folder, statements)
    try:
        yield one
    finally:
        one.close()


def is_ordered(sql: str) -> bool:
    """Whether the query's last clause is an ORDER BY, or it has a LIMIT, which the queries here make definite."""
    last = sql.lower().rsplit(")", 1)[-1]
    return "order by" in last or "limit" in last


def assert_same_rows(got: list[tuple[Any, ...]], expected: list[tuple[Any, ...]], *, ordered: bool, what: str) -> None:
    if not ordered:
        got, expected = sorted(got, key=_sort_key), sorted(expected, key=_sort_key)
    assert len(got) == len(expected), what
    for mine, theirs in zip(got, expected, strict=True):
        assert _same(mine, theirs), f"{what}\n{mine}\n{theirs}"


def lines(batches: Sequence[pa.RecordBatch]) -> bytes:
    """Return encoded lines as the bytes of a file."""
    return b"".join(text.encode() for batch in batches for text in batch.column(0).to_pylist())


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    # Python's own times end at microseconds.
    whole = [c.cast(pa.int64()) if c.type == pa.timestamp("ns") else c for c in table.columns]
    columns = [column.to_pylist() for column in whole]
    return list(zip(*columns, strict=True)) if columns else []


def _cut(table: pa.Table, pieces: int, chance: random.Random) -> list[pa.Table]:
    places = [0, *sorted(chance.randrange(table.num_rows + 1) for _ in range(pieces - 1)), table.num_rows]
    return [table.slice(start, end - start) for start, end in pairwise(places)]


def _same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        # Where terms cancel out, what is left is their rounding, which the order of adding decides.
        return math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(mine) and math.isnan(theirs))
    if isinstance(mine, (list, tuple)) and isinstance(theirs, (list, tuple)):
        return len(mine) == len(theirs) and all(_same(m, t) for m, t in zip(mine, theirs, strict=True))
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return mine.keys() == theirs.keys() and all(_same(mine[k], theirs[k]) for k in mine)
    return bool(mine == theirs)


def _sort_key(value: Any) -> Any:
    if type(value) is tuple:  # a row, not an interval
        return tuple(_sort_key(v) for v in value)
    # Sums of floats may differ in the last digits, and -0.0 equals 0.0.
    return f"{value + 0.0:.6g}" if isinstance(value, float) else str(value)
