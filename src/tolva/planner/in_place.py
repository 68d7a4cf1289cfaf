"""Queries over tables that DuckDB can read by itself, and that are small enough for one task.

Parquet files, and the objects of stored tables where they are files, are tables already: their reader decodes only rows
that the query's filters keep, with all processors of the machine, and nothing moves between tasks. Up to some size that
beats every way of spreading the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from tolva.planner import TableInfo
from tolva.planner.binder import Binder
from tolva.planner.draft import Draft
from tolva.planner.encode import encoded
from tolva.planner.explain import size
from tolva.planner.question import Question

_FILES_MAX = 256
"""All are open at once, and a process has only so many."""


def in_place(
    draft: Draft, binder: Binder, tables: Mapping[str, TableInfo], question: Question, in_place_bytes: int
) -> bool:
    """End the query with a task that reads its tables where they lie, if they allow it; return whether they do."""
    if not in_place_bytes or all(table.files is None for table in tables.values()):
        return False
    names = binder.tables_of(question.sql)
    read = {name: table for name, table in tables.items() if name.lower() in names}
    files = [file for table in read.values() for file in table.files or ()]
    total = sum(table.bytes for table in read.values())
    if not read or any(table.files is None for table in read.values()):
        return False
    if total > in_place_bytes or len(files) > _FILES_MAX:
        return False
    note = f"reads {', '.join(read)} in place: {size(total)} in all, little enough for one task"
    settings = {"sql": question.sql, "tables": {name: _settings(table) for name, table in read.items()}}
    draft.end(encoded(question.sql, question.result), (), (note,), in_place=settings)
    return True


def _settings(table: TableInfo) -> dict[str, object]:
    return {
        "columns": [[column.name, column.type] for column in table.columns],
        "files": [asdict(replace(file, layout=_without_bounds(file.layout))) for file in table.files or ()],
    }


def _without_bounds(layout: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what only tells which objects of a stored table can be passed over: DuckDB reads that from them."""
    return {key: value for key, value in layout.items() if key != "bounds"}
