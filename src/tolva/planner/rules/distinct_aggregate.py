"""count(DISTINCT x) beside aggregates that can be made in steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tolva.plan import Column
from tolva.planner.algebra import Aggregate, AggregateCall, Expr, Node, Ref, refs
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning
from tolva.planner.rules.aggregate import Steps, aggregated, grouped_together, is_plain, used_aggregates
from tolva.planner.rules.partials import split

_ARGUMENTS_MAX = 2


def distinct_aggregate(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``count(DISTINCT x) GROUP BY k``: groups by (k, x) where the rows are, what is left of x counted afterwards.

    Without GROUP BY the values of x are spread over hash partitions, each counts its own, and the counts are added.
    """
    if not isinstance(node, Aggregate) or not is_plain(node):
        return None
    used = used_aggregates(node, needed)
    distinct = [(c, call) for call, c in used if call.distinct and split(call) is None]
    others = [(c, call) for call, c in used if (c, call) not in distinct]
    arguments = tuple(dict.fromkeys(arg for _, call in distinct for arg in call.args))
    if not distinct or len(arguments) > _ARGUMENTS_MAX or any(call.filter or call.order for _, call in distinct):
        return None
    if any(split(call) is None for _, call in others):
        return None
    child = planning.flow(node.child, refs(node.groups, *(call for call, _ in used)))
    if grouped_together(child, node.groups):
        return None
    keys = list(zip(node.columns[: len(node.groups)], node.groups, strict=True))
    values = list(zip(planning.new_columns([("value", a.type) for a in arguments]), arguments, strict=True))
    stand_in = {arg: Ref(c.name, c.type) for c, arg in values}
    finals = [(c, replace(call, args=tuple(stand_in[a] for a in call.args))) for c, call in distinct]
    if not keys and not others and len(arguments) == 1 and all(_adds_up(call) for _, call in finals):
        return _spread(child, values, finals, planning)
    steps = Steps(planning, [call for _, call in others])
    partial = aggregated(child, [*keys, *values], steps.first).noting("values of DISTINCT made few before they move")
    moved = planning.draft.exchange(partial, [c.name for c, _ in keys], "DISTINCT values counted")
    made = [*finals, *((c, expr) for (c, _), expr in zip(others, steps.second, strict=True))]
    return aggregated(moved, [(c, Ref(c.name, c.type)) for c, _ in keys], made)


def _adds_up(call: AggregateCall) -> bool:
    return split(replace(call, distinct=False)) is not None


def _spread(
    child: Flow,
    values: Sequence[tuple[Column, Expr]],
    finals: Sequence[tuple[Column, AggregateCall]],
    planning: Planning,
) -> Flow:
    ((value, _),) = values
    few = aggregated(child, values, [])
    moved = planning.draft.exchange(few, [value.name], "DISTINCT values in partitions of their own")
    if moved.in_one_task:
        return aggregated(moved, [], finals)
    steps = Steps(planning, [replace(call, distinct=False) for _, call in finals])
    unique = aggregated(moved, [(value, Ref(value.name, value.type))], [])
    added = planning.draft.gather(aggregated(unique, [], steps.first), "counts of the partitions added")
    return aggregated(added, [], [(c, expr) for (c, _), expr in zip(finals, steps.second, strict=True)])
