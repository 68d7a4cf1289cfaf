"""LIMIT, with and without ORDER BY."""

from __future__ import annotations

from dataclasses import replace

from tolva.planner.algebra import Limit, Node, Sort, refs
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning
from tolva.planner.rules.sort import in_order
from tolva.planner.statistics import ROW_BYTES


def top_n(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``ORDER BY x LIMIT n``: each task sends its own first n, and one task picks the first n of those."""
    if not isinstance(node, Limit) or not isinstance(node.child, Sort):
        return None
    orders = node.child.orders
    child = planning.flow(node.child.child, needed | refs(orders))
    return _cut(child, node, planning, orders=node.child)


def limit(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``LIMIT n``: each task sends at most n rows, and one task takes the first n in the order of the tasks."""
    if not isinstance(node, Limit):
        return None
    return _cut(planning.flow(node.child, needed), node, planning, orders=None)


def _cut(flow: Flow, node: Limit, planning: Planning, *, orders: Sort | None) -> Flow:
    keys = orders.orders if orders else ()
    if not flow.in_one_task:
        if node.count is not None:
            first = node.count + node.offset
            flow = in_order(flow, keys, f" LIMIT {first}").noting(f"the first {first} rows of each task")
            flow = replace(flow, bytes=min(flow.bytes, first * ROW_BYTES))
        flow = planning.draft.gather(flow, "the first rows of all tasks" if node.count is not None else "gathered")
    count = "" if node.count is None else f" LIMIT {node.count}"
    offset = f" OFFSET {node.offset}" if node.offset else ""
    return in_order(flow, keys, count + offset)
