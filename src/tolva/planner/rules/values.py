"""Rows that are written in the query."""

from __future__ import annotations

from tolva.planner.algebra import Node, Ref, Values
from tolva.planner.flow import ONE_TASK, Branch, Flow, Site
from tolva.planner.planning import Needed, Planning
from tolva.planner.quoting import quoted
from tolva.planner.sql import expression


def values(node: Node, needed: Needed, planning: Planning) -> Flow | None:  # noqa: ARG001 - the shape of a rule
    """``VALUES (1), (2)``, ``SELECT 1``: rows that every task can write down for itself, so they never move."""
    if not isinstance(node, Values):
        return None
    outputs = {c.name: Ref(c.name, c.type) for c in node.columns}
    return Flow((Branch(Site(), _source(node), outputs),), node.columns, ONE_TASK, 0)


def _source(node: Values) -> str:
    if not node.columns:
        return "(SELECT 1) AS v" if node.rows else "(SELECT 1 WHERE FALSE) AS v"
    rows = [
        ", ".join(f"CAST({expression(e)} AS {c.type})" for e, c in zip(row, node.columns, strict=True))
        for row in node.rows
    ]
    names = ", ".join(quoted(c.name) for c in node.columns)
    if not rows:
        empty = ", ".join(f"CAST(NULL AS {c.type})" for c in node.columns)
        return f"(SELECT {empty} WHERE FALSE) AS v({names})"
    return f"(VALUES {', '.join(f'({row})' for row in rows)}) AS v({names})"
