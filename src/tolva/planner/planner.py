"""One query after the other: gate, bind, read, push filters down, spread over tasks; or gather."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tolva.plan import Format, Plan, Result
from tolva.planner import Query, TableInfo
from tolva.planner.algebra import UnsupportedError
from tolva.planner.binder import Binder, Refusal
from tolva.planner.draft import Draft
from tolva.planner.gate import one_select, only_own_tables
from tolva.planner.gather import gather
from tolva.planner.names import Names
from tolva.planner.one_parse import one_parse
from tolva.planner.pointer import query_error


class Planner:
    """Plans the queries of one job over its tables."""

    def __init__(self, tables: Mapping[str, TableInfo], partitions: int, broadcast_bytes: int) -> None:
        self._given = tables
        self._tables = {name: table.columns for name, table in tables.items()}
        self._bytes = {name: table.bytes for name, table in tables.items()}
        self._broadcast_bytes = broadcast_bytes
        self._binder = Binder()
        for name, columns in self._tables.items():
            self._binder.create(name, columns)
        self._names = Names(tables)
        self._draft = Draft(self._names, self._tables, partitions=partitions, small_bytes=broadcast_bytes)

    def plan(self, queries: Mapping[str, Query]) -> Plan:
        """Return the plan of all the queries."""
        for name, query in queries.items():
            self._one(name, query)
        self._binder.close()
        return one_parse(self._draft.plan(queries), self._given, self._broadcast_bytes)

    def _one(self, name: str, query: Query) -> None:
        try:
            sql = one_select(self._binder, name, query.sql, self._tables)
            bound = self._binder.bind(sql)
            # As a subquery, so that equal names are told apart the way DuckDB does it when it writes files.
            columns = self._binder.describe(f"SELECT * FROM ({sql}\n)")
        except Refusal as refusal:
            raise query_error(name, query.sql, refusal, self._tables) from None
        if bound is not None:
            only_own_tables(name, bound)
        result = Result(name, query.format, columns, lines=query.format is not Format.PARQUET)
        self._draft.query = name
        mark = self._draft.mark()
        try:
            self._spread(bound, result)
        except UnsupportedError as reason:
            self._draft.restore(mark)
            gather(self._draft, self._binder, self._tables, sql, bound, result, why=str(reason))

    def _spread(self, bound: dict[str, Any] | None, result: Result) -> None:
        if not self._tables:
            raise UnsupportedError("there is no table whose rows could be spread")
        if bound is None:
            raise UnsupportedError("a shape that DuckDB can't describe")
        from tolva.planner.spread import spread  # noqa: PLC0415 - a question without tables is quick without it

        spread(bound, result, self._binder, self._draft, self._bytes, self._broadcast_bytes)
