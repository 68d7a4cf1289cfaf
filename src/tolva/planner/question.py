"""A query as it was asked, checked and bound: what every way of planning starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tolva.plan import Column, Format, Result
from tolva.planner import Query
from tolva.planner.binder import Binder, Refusal
from tolva.planner.gate import one_select, only_own_tables
from tolva.planner.pointer import query_error


@dataclass(frozen=True, slots=True)
class Question:
    """One SELECT, its bound plan (None for a shape that DuckDB can't describe), and the result it is to become."""

    sql: str
    bound: dict[str, Any] | None
    result: Result


def understand(binder: Binder, name: str, query: Query, tables: Mapping[str, Sequence[Column]]) -> Question:
    """Check and bind a query. QueryError says why it can't be asked, and shows the place."""
    try:
        sql = one_select(binder, name, query.sql, tables)
        bound = binder.bind(sql)
        # As a subquery, so that equal names are told apart the way DuckDB does it when it writes files.
        columns = binder.describe(f"SELECT * FROM ({sql}\n)")
    except Refusal as refusal:
        raise query_error(name, query.sql, refusal, tables) from None
    if bound is not None:
        only_own_tables(name, bound)
    return Question(sql, bound, Result(name, query.format, columns, lines=query.format is not Format.PARQUET))
