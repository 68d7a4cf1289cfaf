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
    How(partitions=2, chunks=1, broadcast_bytes=10**6, seed=2),
    How(partitions=16, chunks=8, broadcast_bytes=10**6, reduce_task_bytes=10**9, seed=3),
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


# These run as they were written, by one task; every other query is spread.
GATHERED = {
    "filter-and-project-32",  # random()
    "order-and-limit-15",  # LIMIT by percentage
    "order-and-limit-18",
    "windows-9",  # a frame by value over a key that was cast
    "joins-36",  # POSITIONAL
    "joins-37",  # ASOF
    "common-tables-and-unions-8",  # a recursive query
    "common-tables-and-unions-21",  # a table function
    "common-tables-and-unions-23",  # a sample
}


@pytest.mark.parametrize("name", QUERIES)
def test_the_answer_is_duckdbs(the_judge: Judge, name: str) -> None:
    # Every query is spread as widely as can be, and in one of the other ways.
    made = the_judge.check(QUERIES[name], WAYS[0])
    assert _gathers(made) == (name in GATHERED)
    the_judge.check(QUERIES[name], WAYS[1 + sum(name.encode()) % (len(WAYS) - 1)])


def _gathers(made: Plan) -> bool:
    return any("gathered: " in note for stage in made.stages for note in stage.notes)


@pytest.mark.parametrize("form", [Format.CSV, Format.NDJSON])
def test_text_is_what_copy_would_write(the_judge: Judge, form: Format) -> None:
    # Given results with every type, and one in which filters and projections keep the rows' order
    for sql in ("SELECT * FROM sales", "SELECT * FROM odd", "SELECT price, item FROM sales WHERE amount > 100"):
        # When they are written as text by the tasks that have the rows
        batches = the_judge.run(the_judge.plan(sql, How(), form), How(chunks=4))
        # Then the bytes are those of DuckDB's own COPY
        assert lines(batches) == the_judge.written(sql, form)
