"""Queries of every shape, each spread in several ways: the answer is DuckDB's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from judge import How, Judge, lines

from tolva.plan import Format, Plan

WAYS = (
    How(partitions=7, chunks=5),
    How(partitions=1, chunks=3, broadcast_bytes=10**12, seed=1),
    How(partitions=2, chunks=1, broadcast_bytes=2 * 10**9, seed=2),
    How(partitions=16, chunks=8, reduce_task_bytes=10**9, seed=3),
)


def queries() -> Iterator[tuple[str, str]]:
    section = ""
    for line in (Path(__file__).parent / "queries.sql").read_text().splitlines():
        if line.startswith("-- "):
            section, number = line.removeprefix("-- ").replace(" ", "-"), 0
        else:
            number += 1
            yield f"{section}-{number}", line.removesuffix(";")


QUERIES = dict(queries())


@pytest.mark.parametrize("name", QUERIES)
def test_the_answer_is_duckdbs(the_judge: Judge, name: str) -> None:
    # Every query is spread as widely as can be, and in one of the other ways.
    others = WAYS[1:]
    the_judge.check(QUERIES[name], WAYS[0])
    the_judge.check(QUERIES[name], others[sum(name.encode()) % len(others)])


def test_most_queries_never_gather_their_tables(the_judge: Judge) -> None:
    gathered = {name for name, sql in QUERIES.items() if _gathers(the_judge.plan(sql, WAYS[0]))}
    # A list to be made shorter: these run as they were written, by one task.
    assert gathered <= GATHERED


def _gathers(plan: Plan) -> bool:
    return any("gathered: " in note for stage in plan.stages for note in stage.notes)


GATHERED: set[str] = set()


@pytest.mark.parametrize("form", [Format.CSV, Format.NDJSON])
def test_text_is_what_copy_would_write(the_judge: Judge, form: Format) -> None:
    # Given results with every type, and one in which filters and projections keep the rows' order
    for sql in ("SELECT * FROM sales", "SELECT * FROM odd", "SELECT price, item FROM sales WHERE amount > 100"):
        # When they are written as text by the tasks that have the rows
        batches = the_judge.answer(sql, How(chunks=4), form)
        # Then the bytes are those of DuckDB's own COPY
        assert lines(batches) == the_judge.written(sql, form)
