"""The engine: what a task's SQL may see, what it leaves, and what its failures are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from tolva.errors import ExecutionError, OutOfMemoryError
from tolva.plan import Column, Format, Input, Output, Plan, Reads, Result, Role, Stage
from tolva.work.engine import Engine

NUMBERS = (Column("n", "BIGINT"), Column("word", "VARCHAR"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    one = Engine(memory_bytes=64 * 2**20, threads=1, spill=tmp_path / "spill")
    yield one
    one.close()


def rows(*numbers: int | None) -> pa.Table:
    return pa.table({"n": pa.array(numbers, pa.int64()), "word": pa.array([f"w{n}" for n in numbers])})


def scan(*outputs: Output) -> tuple[Stage, Plan]:
    stage = Stage("scan_t", Role.SCAN, "t", ("n", "word"), outputs=outputs)
    return stage, Plan((stage,), partitions=4)


def finish(sql: str) -> tuple[Stage, Plan]:
    first = Stage("scan_t", Role.SCAN, "t", ("n", "word"), outputs=(Output("o", "", NUMBERS),))
    result = Result("q", Format.PARQUET, NUMBERS, sql)
    last = Stage("q_finish", Role.FINISH, inputs=(Input("o", "o", Reads.ALL),), result=result)
    return last, Plan((first, last), partitions=4)


def test_each_output_is_the_answer_to_its_query(engine: Engine) -> None:
    stage, plan = scan(
        Output("sums", "SELECT sum(n) AS s FROM t", (Column("s", "HUGEINT"),)),
        Output("words", "SELECT word FROM t WHERE n > 1", (Column("word", "VARCHAR"),)),
    )
    left = list(engine.outputs(stage, plan, {"t": [rows(1, 2), rows(3)]}))
    assert [one.output for one in left] == ["sums", "words"]
    assert left[1].rows.to_pydict() == {"word": ["w2", "w3"]}


def test_a_partitioned_output_is_split_and_keeps_its_order(engine: Engine) -> None:
    stage, plan = scan(
        Output("o", "SELECT n, CAST(n % 3 AS USMALLINT) AS __partition FROM t", NUMBERS[:1], partitioned=True)
    )
    left = list(engine.outputs(stage, plan, {"t": [rows(5, 4, 2, 1, 7, 8)]}))
    assert {one.partition: one.rows.column("n").to_pylist() for one in left} == {1: [4, 1, 7], 2: [5, 2, 8]}


def test_a_partitioned_output_of_no_rows_leaves_nothing(engine: Engine) -> None:
    stage, plan = scan(
        Output("o", "SELECT n, CAST(0 AS USMALLINT) AS __partition FROM t", NUMBERS[:1], partitioned=True)
    )
    assert list(engine.outputs(stage, plan, {"t": [rows()]})) == []


def test_a_relation_that_nothing_was_left_for_is_empty(engine: Engine) -> None:
    stage, plan = finish("SELECT n, word FROM o UNION ALL SELECT count(*), 'none' FROM o")
    assert pa.Table.from_batches(engine.result(stage, plan, {})).to_pydict() == {"n": [0], "word": ["none"]}


def test_the_next_task_sees_only_its_own_rows(engine: Engine) -> None:
    stage, plan = scan(Output("o", "SELECT sum(n)::BIGINT AS n FROM t", NUMBERS[:1]))
    for numbers in ((1, 2), (10,), ()):
        (left,) = engine.outputs(stage, plan, {"t": [rows(*numbers)]})
        assert left.rows.to_pydict() == {"n": [sum(numbers) if numbers else None]}


def test_relations_may_change_their_types_between_tasks(engine: Engine) -> None:
    stage, plan = scan(Output("o", "SELECT max(n)::VARCHAR AS n FROM t", NUMBERS[1:]))
    for table in (rows(1), pa.table({"n": ["x"], "word": ["y"]}), rows(2)):
        (left,) = engine.outputs(stage, plan, {"t": [table]})
        assert left.rows.to_pydict() == {"n": [str(table.column("n")[0].as_py())]}


def test_a_result_without_sql_is_what_came_in_order(engine: Engine) -> None:
    stage, plan = finish("")
    stage = Stage(stage.name, stage.role, inputs=stage.inputs, result=Result("q", Format.PARQUET, NUMBERS))
    batches = engine.result(stage, plan, {"o": [rows(2, 1), rows(), rows(3)]})
    assert pa.Table.from_batches(batches).column("n").to_pylist() == [2, 1, 3]


def test_a_result_that_is_not_read_to_its_end_harms_nobody(engine: Engine) -> None:
    # Given a result of many batches of which one was read
    stage, plan = finish("SELECT o.n, o.word FROM o, range(1000000)")
    batches = engine.result(stage, plan, {"o": [rows(1, 2)]})
    next(batches)
    # When its reader goes away
    batches.close()
    # Then the same stage can run again
    again, _ = finish("SELECT n, word FROM o")
    assert sum(b.num_rows for b in engine.result(again, plan, {"o": [rows(1, 2)]})) == 2


def test_a_failing_query_is_named_with_its_stage(engine: Engine) -> None:
    stage, plan = scan(Output("o", "SELECT word::INTEGER AS n FROM t", NUMBERS[:1], query="amounts"))
    with pytest.raises(ExecutionError, match=r"Query 'amounts' failed in stage scan_t: .*'w1'") as caught:
        list(engine.outputs(stage, plan, {"t": [rows(1)]}))
    assert caught.value.data == {"query": "amounts", "stage": "scan_t"}
    assert not caught.value.retryable
    # And the engine goes on
    fine, _ = scan(Output("o", "SELECT n FROM t", NUMBERS[:1]))
    assert len(list(engine.outputs(fine, plan, {"t": [rows(1)]}))) == 1


def test_too_little_memory_is_an_error_of_its_own(engine: Engine) -> None:
    stage, plan = finish("SELECT n, (SELECT string_agg(repeat('x', 1000)) FROM range(1000000)) AS word FROM o")
    with pytest.raises(OutOfMemoryError, match="Query 'q' failed in stage q_finish") as caught:
        list(engine.result(stage, plan, {"o": [rows(1)]}))
    assert caught.value.retryable


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '/tmp/x'",
        "ATTACH '/tmp/x.db'",
        "SET threads = 8",
        "RESET threads",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM secret_table",
    ],
)
def test_sql_reaches_nothing_but_its_relations(engine: Engine, sql: str) -> None:
    secret_table = rows(1)
    stage, plan = finish(sql)
    with pytest.raises(ExecutionError):
        list(engine.result(stage, plan, {"o": [secret_table]}))


def test_times_are_utc(engine: Engine) -> None:
    stage, plan = scan(Output("o", "SELECT TIMESTAMPTZ '2024-01-01 00:00:00+01'::VARCHAR AS word FROM t", NUMBERS[1:]))
    (left,) = engine.outputs(stage, plan, {"t": [rows(1)]})
    assert left.rows.to_pydict() == {"word": ["2023-12-31 23:00:00+00"]}


def test_rows_without_columns_are_counted(engine: Engine) -> None:
    stage, plan = scan(Output("o", "SELECT count(*) AS n FROM t", NUMBERS[:1]))
    (left,) = engine.outputs(stage, plan, {"t": [rows(1, 2, 3).select([])]})
    assert left.rows.to_pydict() == {"n": [3]}


def test_many_different_queries_are_no_burden(engine: Engine) -> None:
    for n in range(200):
        stage, plan = scan(Output("o", f"SELECT n + {n} AS n FROM t", NUMBERS[:1]))
        (left,) = engine.outputs(stage, plan, {"t": [rows(1)]})
        assert left.rows.to_pydict() == {"n": [1 + n]}
