"""How many rows an operator has, about: the textbook's estimates over what a sample tells of the tables.

See Selinger, Astrahan, Chamberlin, Lorie, Price: Access Path Selection in a Relational Database Management System,
1979, for joins by the number of values, and for the constants where nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tolva.planner.algebra import (
    Aggregate,
    Condition,
    Cte,
    Distinct,
    Expr,
    Filter,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    SetOperation,
    Shared,
    Sort,
    UnionAll,
    Unnest,
    Values,
    Window,
    refs,
)
from tolva.planner.sql import conjunction
from tolva.planner.statistics import TableStatistics

_UNKNOWN_SHARE = 1 / 3
_UNKNOWN_GROUPS_SHARE = 1 / 4
_KEPT_BY_SEMI = 1 / 2
_LIST_LENGTH = 3
_VALUE_BYTES = 8
_EQUAL = frozenset({"=", "IS NOT DISTINCT FROM"})


@dataclass(frozen=True, slots=True)
class _Origin:
    """The column of a table that a symbol's values come from, and by which of its scans."""

    scan: int
    table: str
    column: str


class Estimates:
    """Estimates for the operators of one query."""

    def __init__(self, tables: Mapping[str, TableStatistics]) -> None:
        self._tables = tables
        self._known: dict[int, tuple[Node, float]] = {}
        self._origins: dict[str, _Origin] = {}
        self._shared: dict[int, Node] = {}

    def rows(self, node: Node) -> float:
        """Return about how many rows the operator has, at least one."""
        known = self._known.get(id(node))
        if known is None:
            # The node is kept beside its estimate, so that no other can get its id.
            known = self._known[id(node)] = (node, max(1.0, self._rows(node)))
        return known[1]

    def bytes(self, node: Node, columns: Collection[str]) -> int:
        """Return about how large the operator's rows of these columns are."""
        rows = self.rows(node)
        return math.ceil(rows * sum((self._width(c) for c in columns), start=1.0))

    def joined(self, left: float, right: float, conditions: Iterable[Condition], others: int) -> float:
        """Return about how many pairs of so many rows on the left and on the right go together."""
        equal = [c for c in conditions if c.comparison in _EQUAL]
        share = _UNKNOWN_SHARE**others
        values = math.prod(self._common_values(c, left, right) for c in equal)
        return left * right * share / min(values, max(left, right))

    def define(self, index: int, definition: Node) -> None:
        """Say what the ``Shared`` nodes of that index stand for."""
        self._shared[index] = definition
        self.rows(definition)

    def _rows(self, node: Node) -> float:  # noqa: C901 - one case an operator
        rows: float
        match node:
            case Scan():
                rows = self._scan(node)
            case Filter():
                rows = self.rows(node.child) * self._share(node)
            case Aggregate():
                child = self.rows(node.child)
                values = math.prod(self._values(g, child) or child * _UNKNOWN_GROUPS_SHARE for g in node.groups)
                rows = min(child, values) * len(node.grouping_sets)
            case Join():
                rows = self._join(node)
            case Project() | Sort() | Window() | Distinct():
                rows = self.rows(node.child)
            case Unnest():
                rows = self.rows(node.child) * _LIST_LENGTH
            case Limit():
                rows = min(self.rows(node.child), math.inf if node.count is None else node.count)
            case UnionAll():
                rows = sum(self.rows(child) for child in node.children)
            case SetOperation():
                rows = self.rows(node.left)
            case Values():
                rows = len(node.rows)
            case Cte():
                self.define(node.index, node.definition)
                rows = self.rows(node.body)
            case Shared():
                rows = self._of_shared(node)
        return rows

    def _scan(self, node: Scan) -> float:
        table = self._tables[node.table]
        table.look([name for name in node.names if name])
        pairs = zip(node.columns, node.names, strict=True)
        self._origins |= {c.name: _Origin(id(node), node.table, name) for c, name in pairs if name}
        return table.rows

    def _of_shared(self, node: Shared) -> float:
        definition = self._shared[node.index]
        for own, theirs in zip(node.columns, definition.columns, strict=True):
            if theirs.name in self._origins:
                self._origins[own.name] = self._origins[theirs.name]
        return self.rows(definition)

    def _join(self, node: Join) -> float:
        left, right = self.rows(node.left), self.rows(node.right)
        pairs = self.joined(left, right, node.conditions, len(node.others))
        by_kind = {
            "inner": pairs,
            "semi": min(pairs, left * self._kept_share(node, right)),
            "anti": left * _KEPT_BY_SEMI,
            "left": max(left, pairs),
            "right": max(right, pairs),
            "full": max(left + right, pairs),
        }
        return by_kind.get(node.kind, left)

    def _kept_share(self, node: Join, right: float) -> float:
        """Return the share of the left side's values that the right side still has."""
        equal = [c for c in node.conditions if c.comparison in _EQUAL]
        known = [values for c in equal if (values := self._values(c.left, math.inf))]
        return min((right / values for values in known), default=_KEPT_BY_SEMI)

    def _share(self, node: Filter) -> float:
        """Return the share of rows that a filter keeps: as it is in the sample, where it is about one table."""
        share = 1.0
        self.rows(node.child)
        by_scan: dict[int | None, list[Expr]] = {}
        for predicate in node.predicates:
            scans = {self._origins[name].scan if name in self._origins else None for name in refs(predicate)}
            by_scan.setdefault(scans.pop() if len(scans) == 1 else None, []).append(predicate)
        for scan, predicates in by_scan.items():
            found = None
            if scan is not None:
                origins = {name: self._origins[name] for name in refs(tuple(predicates))}
                names = {origin.column: name for name, origin in origins.items()}
                table = next(origin.table for origin in origins.values())
                found = self._tables[table].share(conjunction(predicates), names)
            share *= _UNKNOWN_SHARE ** len(predicates) if found is None else found
        return share

    def _common_values(self, condition: Condition, left: float, right: float) -> float:
        """Return how many values the side with more of them has; as many as the smaller side has rows if unknown."""
        one, other = (self._values(side, math.inf) for side in (condition.left, condition.right))
        return min(left, right) if one is None or other is None else max(one, other)

    def _values(self, expr: Expr, rows: float) -> float | None:
        """Return about how many values an expression has over so many rows; None when nothing is known."""
        inner = refs(expr)
        if len(inner) != 1:
            return None if inner else 1.0
        (name,) = inner
        origin = self._origins.get(name)
        values = None if origin is None else self._tables[origin.table].distinct(origin.column)
        return None if values is None else min(rows, values)

    def _width(self, symbol: str) -> float:
        if symbol not in self._origins:
            return _VALUE_BYTES
        origin = self._origins[symbol]
        return self._tables[origin.table].width(origin.column)
