"""A query as it was asked, checked and bound: what every way of planning starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb

from tolva.errors import OutOfMemoryError, QueryError
from tolva.plan import Column, Format, Result
from tolva.planner import Query
from tolva.planner.binder import Binder, Refusal
from tolva.planner.gate import one_select, only_own_tables
from tolva.planner.moments import fixed, moments
from tolva.planner.pointer import query_error


@dataclass(frozen=True, slots=True)
class Question:
    """One SELECT, its bound plan (None for a shape that DuckDB can't describe), and the result it is to become."""

    sql: str
    bound: dict[str, Any] | None
    result: Result


class Asker:
    """Checks and binds the queries of one job, which all see the same tables and the same time."""

    def __init__(self, binder: Binder, tables: Mapping[str, Sequence[Column]]) -> None:
        self._binder = binder
        self._tables = tables

    def understand(self, name: str, query: Query) -> Question:
        """Check and bind a query. QueryError says why it can't be asked, and shows the place."""
        binder = self._binder
        try:
            asked = one_select(binder, name, query.sql, self._tables)
            bound = binder.bind(asked.sql)
            for refusal in asked.unjudged:
                raise refusal
            # As a subquery, so that equal names are told apart the way DuckDB does it when it writes files.
            columns = binder.describe(f"SELECT * FROM ({asked.sql}\n)")
        except Refusal as refusal:
            raise query_error(name, query.sql, refusal, self._tables) from None
        except (MemoryError, duckdb.OutOfMemoryException):
            raise OutOfMemoryError(
                f"Query {name!r} takes more memory to be understood than there is. Make it shorter: put lists of "
                "values into a table and join it, and let functions work on columns rather than on constants.",
                query=name,
            ) from None
        except RecursionError:
            raise QueryError(
                f"Query {name!r} nests too deeply. Take it apart with WITH, or write shorter expressions.", query=name
            ) from None
        sql = asked.sql
        if asked.moments:
            sql = fixed(sql, asked.moments, self._now)
            bound = self._bound_again(name, sql)
        if bound is not None:
            only_own_tables(name, bound)
        return Question(sql, bound, Result(name, query.format, columns, lines=query.format is not Format.PARQUET))

    @cached_property
    def _now(self) -> dict[str, str]:
        return moments(self._binder)

    def _bound_again(self, name: str, sql: str) -> dict[str, Any] | None:
        """Bind a query into which the time was written."""
        try:
            return self._binder.bind(sql)
        except Refusal as refusal:
            raise QueryError(
                f"Query {name!r}: the time can't be fixed for the whole job: {refusal.message}. "
                "Give it a name, as in: WITH t AS (SELECT now() AS moment) ...",
                query=name,
            ) from None
