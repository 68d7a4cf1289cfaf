"""One query after the other: gate, bind, then read in place; or push filters down and spread over tasks; or gather."""

from __future__ import annotations

from collections.abc import Mapping

from tolva.plan import Plan
from tolva.planner import Query, TableInfo
from tolva.planner.algebra import UnsupportedError
from tolva.planner.binder import Binder
from tolva.planner.draft import Draft
from tolva.planner.gather import gather
from tolva.planner.in_place import in_place
from tolva.planner.names import Names
from tolva.planner.one_parse import one_parse
from tolva.planner.question import Asker
from tolva.planner.sizes import with_sizes
from tolva.planner.spread import spread
from tolva.planner.statistics import TableStatistics


class Planner:
    """Plans the queries of one job over its tables."""

    def __init__(
        self, tables: Mapping[str, TableInfo], partitions: int, broadcast_bytes: int, in_place_bytes: int
    ) -> None:
        self._given = tables
        self._in_place_bytes = in_place_bytes
        self._tables = {name: table.columns for name, table in tables.items()}
        self._broadcast_bytes = broadcast_bytes
        self._binder = Binder(self._tables)
        self._statistics = {name: TableStatistics(table, self._binder) for name, table in tables.items()}
        self._asker = Asker(self._binder, self._tables)
        self._names = Names(tables)
        self._draft = Draft(self._names, self._tables, partitions=partitions, small_bytes=broadcast_bytes)

    def plan(self, queries: Mapping[str, Query]) -> Plan:
        """Return the plan of all the queries."""
        for name, query in queries.items():
            self._one(name, query)
        self._binder.close()
        made = one_parse(self._draft.plan(queries), self._given, self._broadcast_bytes)
        return with_sizes(made, self._given, self._draft.sizes)

    def _one(self, name: str, query: Query) -> None:
        question = self._asker.understand(name, query)
        self._draft.query = name
        if in_place(self._draft, self._binder, self._given, question, self._in_place_bytes):
            return
        mark = self._draft.mark()
        try:
            spread(question, self._binder, self._draft, self._statistics, self._broadcast_bytes)
        except UnsupportedError as reason:
            self._draft.restore(mark)
            gather(self._draft, self._binder, self._tables, question, why=str(reason))
