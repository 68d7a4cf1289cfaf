"""A query spread over tasks: its bound plan read, its filters pushed down, the rules applied."""

from __future__ import annotations

from typing import Any

from tolva.plan import Result
from tolva.planner.binder import Binder
from tolva.planner.draft import Draft
from tolva.planner.names import Names
from tolva.planner.operators import decode
from tolva.planner.planning import Planning
from tolva.planner.pushdown import pushed
from tolva.planner.rules import RULES
from tolva.planner.steady import steady


def spread(
    bound: dict[str, Any],
    result: Result,
    binder: Binder,
    draft: Draft,
    table_bytes: dict[str, int],
    broadcast_bytes: int,
) -> None:
    """Add the stages that answer the query to the draft. UnsupportedError when that isn't known how."""
    symbols = Names()
    node = pushed(steady(decode(bound, binder, symbols), binder))
    planning = Planning(RULES, binder, draft, symbols, table_bytes, broadcast_bytes)
    flow = planning.flow(node, frozenset(c.name for c in node.columns))
    draft.finish(result, flow, node.columns)
