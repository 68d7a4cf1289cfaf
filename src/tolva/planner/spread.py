"""A query spread over tasks: its bound plan read, filters pushed down, joins put in order, the rules applied."""

from __future__ import annotations

from collections.abc import Mapping

from tolva.planner.algebra import Join, Node, UnsupportedError, children
from tolva.planner.binder import Binder
from tolva.planner.draft import Draft
from tolva.planner.estimates import Estimates
from tolva.planner.join_order import ordered
from tolva.planner.names import Names
from tolva.planner.operators import decode
from tolva.planner.planning import Planning
from tolva.planner.pushdown import pushed
from tolva.planner.question import Question
from tolva.planner.rules import RULES
from tolva.planner.statistics import TableStatistics
from tolva.planner.steady import steady


def spread(
    question: Question,
    binder: Binder,
    draft: Draft,
    statistics: Mapping[str, TableStatistics],
    broadcast_bytes: int,
) -> None:
    """Add the stages that answer the query to the draft. UnsupportedError when that isn't known how."""
    if question.bound is None:
        raise UnsupportedError("a shape that DuckDB can't describe")
    symbols = Names()
    node = pushed(steady(decode(question.bound, binder, symbols)))
    estimates = Estimates(statistics) if _joins(node) else None
    draft.estimated = estimates is not None
    if estimates is not None:
        node = ordered(node, estimates)
    table_bytes = {name: table.bytes for name, table in statistics.items()}
    planning = Planning(RULES, binder, draft, symbols, table_bytes, broadcast_bytes, estimates)
    flow = planning.flow(node, frozenset(c.name for c in node.columns))
    draft.finish(question.result, flow, node.columns)


def _joins(node: Node) -> bool:
    return isinstance(node, Join) or any(_joins(child) for child in children(node))
