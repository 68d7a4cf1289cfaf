"""GROUP BY whose aggregates need all rows of a group at once."""

from __future__ import annotations

from tolva.planner.algebra import Aggregate, Node, Ref, refs
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning
from tolva.planner.rules.aggregate import aggregated, grouped_together, is_plain, used_aggregates


def whole_aggregate(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``median(x) GROUP BY k``: rows move to the hash partition of k, in their order, and are aggregated there."""
    if not isinstance(node, Aggregate) or not is_plain(node):
        return None
    used = used_aggregates(node, needed)
    made = [(c, call) for call, c in used]
    child = planning.flow(node.child, refs(node.groups, *(call for call, _ in used)))
    keys = node.columns[: len(node.groups)]
    if grouped_together(child, node.groups):
        return aggregated(child, list(zip(keys, node.groups, strict=True)), made)
    inner = refs(*(call for call, _ in used))
    rest = tuple(c for c in child.columns if c.name in inner)
    rows = child.project(
        (*node.groups, *(Ref(c.name, c.type) for c in rest)),
        (*keys, *rest),
    )
    names = [k.name for k in keys]
    calls = ", ".join(dict.fromkeys(call.name for call in node.aggregates))
    why = f"{calls} needs all rows of a group at once" if names else f"{calls} needs all rows at once: gathered"
    moved = planning.draft.exchange(rows, names, why)
    return aggregated(moved, [(k, Ref(k.name, k.type)) for k in keys], made)
