"""Window functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tolva.planner.algebra import Node, Ref, Window, WindowCall, refs
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning
from tolva.planner.quoting import quoted
from tolva.planner.sql import expression


def window(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``f() OVER (PARTITION BY k)``: rows move to the hash partition of k; without a common k they are gathered."""
    if not isinstance(node, Window):
        return None
    calls = used_calls(node, needed)
    inner = (needed & {c.name for c in node.child.columns}) | refs(tuple(calls.values()))
    child = planning.flow(node.child, inner)
    if not calls:
        return child
    keys = common_keys(calls.values())
    if child.together is None or not child.together <= keys or len(child.branches) > 1:
        why = f"window partitions of {', '.join(sorted(keys))} meet" if keys else "a window over all rows: gathered"
        child = planning.draft.exchange(child, sorted(keys), why)
    return with_windows(child, node, calls)


def used_calls(node: Window, needed: Needed) -> dict[str, WindowCall]:
    """Return the window functions that somebody uses, by symbol."""
    made = node.columns[len(node.child.columns) :]
    return {c.name: call for c, call in zip(made, node.calls, strict=True) if c.name in needed}


def common_keys(calls: Iterable[WindowCall]) -> frozenset[str]:
    """Return the columns that all the calls are partitioned by."""
    found = [frozenset(e.name for e in call.partitions if isinstance(e, Ref)) for call in calls]
    return frozenset.intersection(*found) if found else frozenset()


def with_windows(flow: Flow, node: Window, calls: dict[str, WindowCall]) -> Flow:
    """Return the flow with the window functions computed in each task, by itself."""
    made = tuple(c for c in node.columns if c.name in calls)
    columns = (*flow.columns, *made)
    branches = []
    for branch in flow.branches:
        inner = branch.wrap(branch.select(c.name for c in flow.columns), flow.columns)
        items = [quoted(c.name) for c in flow.columns]
        items += [f"{expression(calls[c.name])} AS {quoted(c.name)}" for c in made]
        branches.append(inner.wrap(inner.select_items(items), columns))
    return replace(flow, branches=tuple(branches), columns=columns)
