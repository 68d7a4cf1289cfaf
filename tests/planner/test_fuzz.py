"""Queries that nobody wrote, spread in ways that nobody chose: the answer is DuckDB's.

TOLVA_FUZZ sets how many, TOLVA_SEED repeats a run; a difference is printed with the query and the way it was spread.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import duckdb
import pytest
from grammar import conditions, queries
from grammar_shapes import STATEMENTS as THINGS
from grammar_shapes import relations, shapes
from hypothesis import HealthCheck, Phase, assume, example, given, note, seed, settings
from hypothesis import strategies as st
from judge import How, Judge, assert_same_rows, judge
from odd_tables import STATEMENTS
from parquet_judge import ParquetJudge, Where

from tolva.errors import TolvaError

COUNT = int(os.environ.get("TOLVA_FUZZ", "500"))
SEED = int(os.environ.get("TOLVA_SEED") or random.randrange(2**32))

WAYS = st.builds(
    How,
    partitions=st.sampled_from([1, 2, 7, 16]),
    chunks=st.integers(1, 6),
    broadcast_bytes=st.sampled_from([0, 10**6, 10**12]),
    reduce_task_bytes=st.sampled_from([1, 300, 10**9]),
    seed=st.integers(0, 99),
)

fuzz = settings(
    max_examples=COUNT,
    deadline=None,
    database=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def fuzz_judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """A judge over tables whose rows follow from the seed."""
    print(f"TOLVA_SEED={SEED}")
    first = f"SELECT setseed({SEED % 1000 / 1000})"
    with judge(tmp_path_factory.mktemp("fuzz"), (first, *STATEMENTS[1:], *THINGS)) as one:
        yield one


@pytest.fixture(scope="module")
def parquet_judge(fuzz_judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ParquetJudge]:
    """A judge over the same tables in files."""
    one = ParquetJudge(tmp_path_factory.mktemp("fuzz_parquet"), fuzz_judge, pieces=3)
    yield one
    one.close()


@seed(SEED)
@settings(fuzz, max_examples=COUNT - COUNT // 5)
@given(st.one_of(shapes, shapes, queries()), WAYS)
def test_any_query_has_duckdbs_answer(fuzz_judge: Judge, sql: str, how: How) -> None:
    note(f"{sql}\n{how}")
    try:
        fuzz_judge.duckdb.sql(f"SELECT * FROM ({sql}\n)").to_arrow_table()
    except duckdb.Error:
        assume(False)
    fuzz_judge.check(sql, how)


@seed(SEED)
@settings(fuzz, max_examples=COUNT // 5)
@given(st.one_of(shapes, shapes, queries()), WAYS, st.builds(Where, st.booleans(), st.booleans()))
@example(
    sql="SELECT a.id, b.id AS bid, a.s, b.d FROM things AS a LEFT JOIN things AS b ON a.iv = b.iv",
    how=How(partitions=1, chunks=1, broadcast_bytes=0, reduce_task_bytes=1, seed=0),
    where=Where(stored=True),
)
def test_any_query_over_parquet_and_stored_tables(
    parquet_judge: ParquetJudge, sql: str, how: How, where: Where
) -> None:
    note(f"{sql}\n{how}\n{where}")
    try:
        parquet_judge.duckdb.sql(f"SELECT * FROM ({sql}\n)").to_arrow_table()
    except duckdb.Error:
        assume(False)
    parquet_judge.check(sql, how, where)


@seed(SEED)
@settings(fuzz, max_examples=max(10, COUNT // 20))
@given(relations.flatmap(lambda of: st.tuples(st.just(of), conditions(of))), WAYS)
def test_a_condition_parts_the_rows(fuzz_judge: Judge, asked: tuple, how: How) -> None:
    # Whatever DuckDB may think of it: each row makes a condition true, false or NULL
    of, condition = asked
    parts = []
    for test in (f"({condition})", f"NOT ({condition})", f"({condition}) IS NULL"):
        parts += fuzz_judge.answer(f"SELECT id, k, s FROM {of.sql} WHERE {test}", how)
    assert_same_rows(parts, fuzz_judge.answer(f"SELECT id, k, s FROM {of.sql}", how), ordered=False, what=condition)


@seed(SEED)
@settings(fuzz, max_examples=max(10, COUNT // 20))
@given(shapes, WAYS, WAYS)
def test_the_way_makes_no_difference(fuzz_judge: Judge, sql: str, how: How, other: How) -> None:
    note(f"{sql}\n{how}\n{other}")
    try:
        one = fuzz_judge.answer(sql, how)
    except TolvaError:
        assume(False)
    assert_same_rows(fuzz_judge.answer(sql, other), one, ordered=False, what=f"{sql}\n{how}\n{other}")
