"""One query after the other: gate, bind, read, push filters down, spread over tasks; or gather."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from tolva.plan import Column, Format, Plan, Result
from tolva.planner import Query, TableInfo
from tolva.planner.algebra import UnsupportedError
from tolva.planner.binder import Binder
from tolva.planner.draft import Draft
from tolva.planner.gate import harmless, one_select
from tolva.planner.gather import gather
from tolva.planner.names import Names
from tolva.planner.operators import decode
from tolva.planner.planning import Planning
from tolva.planner.pointer import query_error
from tolva.planner.pushdown import pushed
from tolva.planner.rules import RULES
from tolva.planner.steady import steady


class Planner:
    """Plans the queries of one job over its tables."""

    def __init__(self, tables: Mapping[str, TableInfo], partitions: int, broadcast_bytes: int) -> None:
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
        return self._draft.plan(queries)

    def _one(self, name: str, query: Query) -> None:
        sql = one_select(self._binder, name, query.sql)
        harmless(self._binder, name, sql)
        lines = query.format is not Format.PARQUET
        result = Result(name, query.format, self._described(name, sql), lines=lines)
        self._draft.query = name
        mark = self._draft.mark()
        try:
            self._spread(sql, result)
        except UnsupportedError as reason:
            self._draft.restore(mark)
            gather(self._draft, self._binder, self._tables, sql, result, why=str(reason))

    def _described(self, name: str, sql: str) -> tuple[Column, ...]:
        # As a subquery, so that equal names are told apart the way DuckDB does it when it writes files.
        for text in (f"SELECT * FROM ({sql}\n)", sql):
            try:
                return self._binder.describe(text)
            except duckdb.Error as error:
                refused = error
        known = [*self._tables, *(c.name for columns in self._tables.values() for c in columns)]
        raise query_error(name, sql, refused, known)

    def _spread(self, sql: str, result: Result) -> None:
        bound = self._binder.logical_plan(sql)
        if bound is None:
            raise UnsupportedError("a shape that DuckDB can't describe")
        symbols = Names()
        node = pushed(steady(decode(bound, self._binder, symbols), self._binder))
        planning = Planning(RULES, self._binder, self._draft, symbols, self._bytes, self._broadcast_bytes)
        flow = planning.flow(node, frozenset(c.name for c in node.columns))
        self._draft.finish(result, flow, node.columns)
