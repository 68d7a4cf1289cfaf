"""UNION ALL."""

from __future__ import annotations

from dataclasses import replace

from tolva.planner.algebra import Node, Ref, UnionAll
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning


def union_all(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``UNION ALL``: both sides go their own way, and meet where rows meet next."""
    if not isinstance(node, UnionAll):
        return None
    sides = []
    for child in node.children:
        pairs = [(c, i) for c, i in zip(node.columns, child.columns, strict=True) if c.name in needed]
        flow = planning.flow(child, frozenset(i.name for _, i in pairs))
        sides.append(flow.project([Ref(i.name, i.type) for _, i in pairs], tuple(c for c, _ in pairs)))
    return replace(
        sides[0],
        branches=tuple(b for side in sides for b in side.branches),
        together=None,
        bytes=sum(side.bytes for side in sides),
    )
