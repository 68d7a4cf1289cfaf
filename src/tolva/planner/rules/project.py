"""Expressions of SELECT: computed where the rows are."""

from __future__ import annotations

from tolva.planner.algebra import Node, Project, refs
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning


def project(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``SELECT e``: computed in the tasks that have the rows, if somebody uses it."""
    if not isinstance(node, Project):
        return None
    used = [(e, c) for e, c in zip(node.exprs, node.columns, strict=True) if c.name in needed]
    exprs = tuple(e for e, _ in used)
    return planning.flow(node.child, refs(exprs)).project(exprs, tuple(c for _, c in used))
