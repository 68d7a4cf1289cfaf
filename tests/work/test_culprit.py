"""The record that makes a query fail is found, if it is one record that does."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tolva.work.culprit import first_failing


@given(st.integers(0, 200), st.sets(st.integers(0, 199)))
def test_the_first_bad_row_is_found(count: int, bad: set[int]) -> None:
    asked: list[int] = []

    def fails(rows: pa.Table) -> bool:
        asked.append(rows.num_rows)
        return not bad.isdisjoint(rows.column("n").to_pylist())

    # Given rows some of which fail, alone and in any company
    there = sorted(n for n in bad if n < count)
    found = first_failing(pa.table({"n": pa.array(range(count), pa.int64())}), fails)
    # Then it is the first of them, and looking for it costs about two answers to the query
    if there or not count:
        assert found == (there[0] if there else None)
        assert sum(asked) <= 2 * count + 10


@given(st.integers(2, 200))
def test_rows_that_fail_only_together_have_no_culprit(count: int) -> None:
    rows = pa.table({"n": pa.array(range(count), pa.int64())})
    assert first_failing(rows, lambda piece: piece.num_rows == count) is None
