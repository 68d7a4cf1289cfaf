"""unnest() in SELECT."""

from __future__ import annotations

from dataclasses import replace

from tolva.planner.algebra import Node, Unnest, refs
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning
from tolva.planner.quoting import quoted
from tolva.planner.sql import expression


def unnest(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """Lists in SELECT: they become rows where they are."""
    if not isinstance(node, Unnest):
        return None
    child = planning.flow(node.child, (needed & {c.name for c in node.child.columns}) | refs(node.lists))
    made = node.columns[len(node.child.columns) :]
    columns = (*child.columns, *made)
    branches = []
    for branch in child.branches:
        inner = branch.wrap(branch.select(c.name for c in child.columns), child.columns)
        items = [quoted(c.name) for c in child.columns]
        items += [f"unnest({expression(e)}) AS {quoted(c.name)}" for c, e in zip(made, node.lists, strict=True)]
        branches.append(inner.wrap(inner.select_items(items), columns))
    return replace(child, branches=tuple(branches), columns=columns)
