"""ORDER BY."""

from __future__ import annotations

from dataclasses import replace

from tolva.planner.algebra import Node, Order, Sort, refs
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning
from tolva.planner.sql import order_by


def sort(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``ORDER BY x``: the rows are sorted by the one task that ends up with all of them."""
    if not isinstance(node, Sort):
        return None
    child = planning.flow(node.child, needed | refs(node.orders))
    return in_order(planning.draft.gather(child, "sorted by one task"), node.orders, "")


def in_order(flow: Flow, orders: tuple[Order, ...], limit: str) -> Flow:
    """Return the flow sorted in each task by itself, and cut off by ``limit`` (a LIMIT clause or nothing)."""
    branches = []
    for branch in flow.branches:
        inner = branch.wrap(branch.select(c.name for c in flow.columns), flow.columns)
        tail = f" {order_by(orders)}" if orders else ""
        branches.append(inner.wrap(inner.select(c.name for c in flow.columns) + tail + limit, flow.columns))
    return replace(flow, branches=tuple(branches))
