"""GROUPING SETS, ROLLUP and CUBE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tolva.planner.algebra import Aggregate, Node, Ref, refs
from tolva.planner.flow import Flow, Named
from tolva.planner.planning import Needed, Planning
from tolva.planner.quoting import quoted
from tolva.planner.rules.aggregate import Steps, used_aggregates
from tolva.planner.rules.partials import split


def grouping_sets(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``GROUP BY ROLLUP (a, b)``: groups by all of a, b where the rows are; one task makes all the sets from those.

    Where the aggregates can't be made in steps, the rows themselves move to that task.
    """
    if not isinstance(node, Aggregate):
        return None
    used = used_aggregates(node, needed)
    keys = node.columns[: len(node.groups)]
    child = planning.flow(node.child, refs(node.groups, *(call for call, _ in used)))
    named = list(zip(keys, node.groups, strict=True))
    if all(split(call) for call, _ in used):
        steps = Steps(planning, [call for call, _ in used])
        rows = planning.draft.groups(child, named, steps.first, by=()).noting("all grouping sets in one task")
        made = [(c, expr) for (_, c), expr in zip(used, steps.second, strict=True)]
    else:
        inner = refs(*(call for call, _ in used))
        rest = tuple(c for c in child.columns if c.name in inner and c not in keys)
        moved = child.project((*node.groups, *(Ref(c.name, c.type) for c in rest)), (*keys, *rest))
        rows = planning.draft.gather(moved, "grouping sets of all rows: one task")
        made = [(c, call) for call, c in used]
    return _all_sets(rows, node, made)


def _all_sets(flow: Flow, node: Aggregate, made: Sequence[Named]) -> Flow:
    keys = node.columns[: len(node.groups)]
    calls = node.columns[len(node.groups) + len(node.aggregates) :]
    columns = (*keys, *(c for c, _ in made), *calls)
    names = [quoted(c.name) for c in keys]
    sets = ", ".join(f"({', '.join(names[n] for n in one)})" for one in node.grouping_sets)
    grouping = [
        f"grouping({', '.join(names[n] for n in of)}) AS {quoted(c.name)}"
        for c, of in zip(calls, node.grouping_calls, strict=True)
    ]
    (branch,) = flow.branches
    plain = branch.wrap(branch.select(c.name for c in flow.columns), flow.columns)
    items = [*names, *plain.items(made), *grouping]
    grouped = plain.wrap(f"{plain.select_items(items)} GROUP BY GROUPING SETS ({sets})", columns)
    return replace(flow, branches=(grouped,), columns=columns, bytes=flow.bytes)
