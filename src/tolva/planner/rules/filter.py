"""WHERE and HAVING: rows are dropped where they are."""

from __future__ import annotations

from tolva.planner.algebra import Filter, Node, refs
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning


def filter_rows(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``WHERE p``: tested in the tasks that have the rows."""
    if not isinstance(node, Filter):
        return None
    return planning.flow(node.child, needed | refs(node.predicates)).filter(node.predicates)
