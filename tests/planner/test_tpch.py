"""TPC-H, 22 of 22: the answers are DuckDB's, over files that tolva cut and read, and no table is moved to one task."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import tpch_kit
from judge import assert_same_rows, rows_of
from tpch_kit import QUERIES, Source

from tolva.plan import IN_PLACE_KERNEL, Format, Plan, Role
from tolva.planner import Query, plan
from tolva.work.engine import Engine
from tolva.work.local_run import run_plan

CHUNK_BYTES = {"csv": 8 * 2**20, "parquet": 2**20}
PARTITIONS = 4
BROADCAST_BYTES = 2**19
"""Small enough that at this scale, too, big tables meet in partitions."""


class Bench:
    """The tables in a plain DuckDB, and as chunked files for tolva."""

    def __init__(self, folder: Path) -> None:
        self.parquet = tpch_kit.generate(folder, "parquet")
        self._folder = folder
        self._duckdb = duckdb.connect(config={"threads": 1})
        self._duckdb.execute("SET arrow_lossless_conversion=true")
        for name in tpch_kit.TABLES:
            self._duckdb.execute(f"CREATE VIEW {name} AS FROM '{self.parquet / name}.parquet'")
        self.engine = Engine(memory_bytes=2**30, threads=1, spill=folder / "spill")
        self.expected = cache(self._expected)
        self.source = cache(self._source)

    def _expected(self, query: str) -> pa.Table:
        return self._duckdb.sql(QUERIES[query]).to_arrow_table()

    def _source(self, form: str) -> Source:
        return Source(tpch_kit.generate(self._folder, form), form, tpch_kit.types_of(self.parquet))

    def plan(self, query: str, form: str, in_place_bytes: int = 0) -> Plan:
        queries = {"q": Query(QUERIES[query], Format.PARQUET)}
        return plan(
            queries,
            self.source(form).infos,
            partitions=PARTITIONS,
            broadcast_bytes=BROADCAST_BYTES,
            in_place_bytes=in_place_bytes,
        )

    def close(self) -> None:
        self.engine.close()
        self._duckdb.close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    one = Bench(tmp_path_factory.mktemp("tpch"))
    yield one
    one.close()


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("query", QUERIES)
def test_the_answer_is_duckdbs(bench: Bench, query: str, form: str) -> None:
    made = bench.plan(query, form)
    chunks = {s.table: bench.source(form).chunks(s.table, CHUNK_BYTES[form]) for s in made.stages if s.table}
    batches = run_plan(made, chunks, bench.engine, reduce_task_bytes=2**20)["q"]
    expected = bench.expected(query)
    got = pa.Table.from_batches(batches) if batches else expected.schema.empty_table()
    assert got.schema == expected.schema
    # Rows that agree in all that the query orders by may come in any order.
    assert_same_rows(rows_of(got), rows_of(expected), ordered=False, what=query)
    assert len(chunks.get("lineitem", chunks[next(iter(chunks))])) > 1 or "lineitem" not in chunks


@pytest.mark.parametrize("query", QUERIES)
def test_small_tables_are_read_in_place(bench: Bench, query: str) -> None:
    made = bench.plan(query, "parquet", in_place_bytes=2**30)
    assert [stage.kernel for stage in made.stages] == [IN_PLACE_KERNEL]
    expected = bench.expected(query)
    got = pa.Table.from_batches(run_plan(made, {}, bench.engine)["q"], expected.schema)
    assert_same_rows(rows_of(got), rows_of(expected), ordered=False, what=query)


def test_no_query_gathers_a_table(bench: Bench) -> None:
    gathering = [query for query in QUERIES if _gathers(bench.plan(query, "csv"))]
    assert len(QUERIES) == 22
    assert gathering == []


def _gathers(made: Plan) -> bool:
    """Whether some task other than a scan reads all the rows of a table as they are."""
    notes = [note for stage in made.stages for note in (*stage.notes, *(n for o in stage.outputs for n in o.notes))]
    one_task = any("gathered" in note or "without equal keys" in note for note in notes)
    return one_task or any(_reads_whole_tables(made, name) for name in _finishes(made))


def _finishes(made: Plan) -> list[str]:
    return [stage.name for stage in made.stages if stage.role is Role.FINISH]


def _reads_whole_tables(made: Plan, finish: str) -> bool:
    """Whether a finish reads, from a scan, rows that were neither filtered, grouped, joined nor cut."""
    written = [made.output(given.output) for given in made.stage(finish).inputs]
    plain = [o for o in written if not any(w in o.sql for w in (" WHERE ", " GROUP BY ", " JOIN ", " LIMIT "))]
    return any(made.writer_of(o.name).role is Role.SCAN for o in plain)
