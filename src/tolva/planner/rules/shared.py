"""WITH: rows that a query names and uses."""

from __future__ import annotations

from dataclasses import replace

from tolva.planner.algebra import Cte, Filter, Node, Project, Ref, Scan, Shared
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning


def cte(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``WITH w AS (...)`` used more than once: w's rows are computed once and read by all who use them.

    What is just rows of a table, filtered and projected, is computed by each user on the spot: that moves no rows.
    """
    if not isinstance(node, Cte):
        return None
    flow = planning.flow(node.definition, frozenset(c.name for c in node.definition.columns))
    if not _is_plain_scan(node.definition):
        flow = _settled(flow, planning)
    planning.shared[node.index] = flow
    return planning.flow(node.body, needed)


def shared(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``FROM w``: the rows of the CTE w."""
    if not isinstance(node, Shared):
        return None
    flow = planning.shared[node.index]
    pairs = [(c, i) for c, i in zip(node.columns, flow.columns, strict=True) if c.name in needed]
    return flow.project([Ref(i.name, i.type) for _, i in pairs], tuple(c for c, _ in pairs))


def _settled(flow: Flow, planning: Planning) -> Flow:
    why = "computed once, read by all who name it"
    if flow.in_one_task:
        return planning.draft.gather(replace(flow, together=None), why)
    keys = flow.together or [c.name for c in flow.columns]
    return planning.draft.exchange(flow, sorted(keys), why)


def _is_plain_scan(node: Node) -> bool:
    if isinstance(node, (Filter, Project)):
        return _is_plain_scan(node.child)
    return isinstance(node, Scan)
