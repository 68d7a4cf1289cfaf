"""SELECT DISTINCT."""

from __future__ import annotations

from dataclasses import replace

from tolva.planner.algebra import Distinct, Node, Ref, refs
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning
from tolva.planner.quoting import quoted
from tolva.planner.rules.aggregate import aggregated, grouped_together
from tolva.planner.sql import expression, order_by


def distinct(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``DISTINCT``: equal rows dropped where they are, then in hash partitions of the whole row.

    ``DISTINCT ON (k) ... ORDER BY``: the first row of each k where the rows are, then in hash partitions of k.
    """
    if not isinstance(node, Distinct):
        return None
    columns = node.columns
    if node.whole_rows:
        child = planning.flow(node.child, frozenset(c.name for c in columns))
        keys = [(c, Ref(c.name, c.type)) for c in columns]
        if grouped_together(child, [e for _, e in keys]):
            return aggregated(child, keys, [])
        moved = planning.draft.exchange(
            aggregated(child, keys, []), [c.name for c in columns], "equal rows meet and become one"
        )
        return aggregated(moved, keys, [])
    return _distinct_on(node, needed, planning)


def _distinct_on(node: Distinct, needed: Needed, planning: Planning) -> Flow | None:
    if not all(isinstance(e, Ref) for e in node.on):
        return None
    child = planning.flow(node.child, needed | refs(node.on, node.order))
    if not grouped_together(child, node.on):
        names = list(dict.fromkeys(e.name for e in node.on if isinstance(e, Ref)))
        child = planning.draft.exchange(_first_rows(child, node), names, "the first row of each key")
    return _first_rows(child, node)


def _first_rows(flow: Flow, node: Distinct) -> Flow:
    on = ", ".join(expression(e) for e in node.on)
    listed = ", ".join(quoted(c.name) for c in flow.columns)
    ordered = f" {order_by(node.order)}" if node.order else ""
    names = [c.name for c in flow.columns]
    branches = tuple(
        b.wrap(f"SELECT DISTINCT ON ({on}) {listed} FROM ({b.select(names)}) AS d{ordered}", flow.columns)
        for b in flow.branches
    )
    return replace(flow, branches=branches)
