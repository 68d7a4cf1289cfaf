"""A query spread over tasks: its bound plan read, its filters pushed down, the rules applied."""

from __future__ import annotations

from tolva.planner.algebra import UnsupportedError
from tolva.planner.binder import Binder
from tolva.planner.draft import Draft
from tolva.planner.names import Names
from tolva.planner.operators import decode
from tolva.planner.planning import Planning
from tolva.planner.pushdown import pushed
from tolva.planner.question import Question
from tolva.planner.rules import RULES
from tolva.planner.steady import steady


def spread(
    question: Question,
    binder: Binder,
    draft: Draft,
    table_bytes: dict[str, int],
    broadcast_bytes: int,
) -> None:
    """Add the stages that answer the query to the draft. UnsupportedError when that isn't known how."""
    if question.bound is None:
        raise UnsupportedError("a shape that DuckDB can't describe")
    symbols = Names()
    node = pushed(steady(decode(question.bound, binder, symbols)))
    planning = Planning(RULES, binder, draft, symbols, table_bytes, broadcast_bytes)
    flow = planning.flow(node, frozenset(c.name for c in node.columns))
    draft.finish(question.result, flow, node.columns)
