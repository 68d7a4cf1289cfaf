"""GROUP BY whose aggregates can be made in two steps."""

from __future__ import annotations

from collections.abc import Sequence

from tolva.plan import Column
from tolva.planner.algebra import Aggregate, AggregateCall, Expr, Node, Ref, UnsupportedError, refs
from tolva.planner.flow import Flow, Named, grouped_bytes
from tolva.planner.planning import Needed, Planning
from tolva.planner.rules.partials import split


def partial_aggregate(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``GROUP BY k`` with sum, count, min...: partial groups where the rows are, combined in hash partitions of k.

    When rows of a group are already together, one step is enough. Without GROUP BY each task leaves one row.
    """
    if not isinstance(node, Aggregate) or not is_plain(node):
        return None
    used = used_aggregates(node, needed)
    if any(split(call) is None for call, _ in used):
        return None
    exprs = (*node.groups, *(call for call, _ in used))
    child = planning.flow(node.child, refs(exprs))
    keys = node.columns[: len(node.groups)]
    if grouped_together(child, node.groups):
        return aggregated(child, list(zip(keys, node.groups, strict=True)), [(c, call) for call, c in used])
    steps = Steps(planning, [call for call, _ in used])
    moved = planning.draft.groups(child, list(zip(keys, node.groups, strict=True)), steps.first)
    combined = [(c, expr) for (_, c), expr in zip(used, steps.second, strict=True)]
    return aggregated(moved, [(k, Ref(k.name, k.type)) for k in keys], combined)


def is_plain(node: Aggregate) -> bool:
    """Whether there is just one grouping set, of all the groups, and GROUPING() isn't asked for."""
    return node.grouping_sets == (tuple(range(len(node.groups))),) and not node.grouping_calls


def used_aggregates(node: Aggregate, needed: Needed) -> list[tuple[AggregateCall, Column]]:
    """Return the aggregates that somebody uses, with their columns."""
    columns = node.columns[len(node.groups) :]
    return [(call, c) for call, c in zip(node.aggregates, columns, strict=False) if c.name in needed]


def grouped_together(flow: Flow, groups: Sequence[Expr]) -> bool:
    """Whether the rows of each group are in one task already."""
    held = {g.name for g in groups if isinstance(g, Ref)}
    return flow.together is not None and flow.together <= held and len(flow.branches) == 1


def aggregated(flow: Flow, keys: Sequence[tuple[Column, Expr]], made: Sequence[tuple[Column, Expr]]) -> Flow:
    """Return the flow grouped in each task, by itself: columns are the keys and then what is made of each group."""
    columns = tuple(c for c, _ in (*keys, *made))
    kept = {e.name: c.name for c, e in keys if isinstance(e, Ref)}
    together = flow.together
    if together is not None:
        together = frozenset(kept[k] for k in together) if together <= kept.keys() else None
    return Flow(tuple(b.grouped(keys, made) for b in flow.branches), columns, together, grouped_bytes(flow, keys))


class Steps:
    """Aggregates in two steps: ``first`` for the partial groups, ``second`` over the columns that those leave."""

    def __init__(self, planning: Planning, calls: Sequence[AggregateCall]) -> None:
        self.first: list[Named] = []
        self.second: list[Expr] = []
        for call in calls:
            one = split(call)
            if one is None:
                raise UnsupportedError(f"partial {call.name}")
            columns = planning.new_columns([(p.name, p.type) for p in one.partials])
            self.first += zip(columns, one.partials, strict=True)
            self.second.append(one.combine(tuple(Ref(c.name, c.type) for c in columns)))
