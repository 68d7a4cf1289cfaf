"""Joins: where the two sides meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tolva.plan import Column
from tolva.planner.algebra import Condition, Expr, Join, Node, Ref
from tolva.planner.flow import ONE_TASK, Branch, Flow, Site
from tolva.planner.planning import Needed, Planning
from tolva.planner.rules.joining import KEEPS_LEFT_ONLY, describe, join_source, sides_needed

_HASHABLE = frozenset({"=", "IS NOT DISTINCT FROM"})
_RIGHT_MAY_BE_SENT = frozenset({"inner", "left", "semi", "anti", "mark"})
_LEFT_MAY_BE_SENT = frozenset({"inner", "right"})


def join(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``a JOIN b``: a small side is broadcast to every task of the other; two big sides are both partitioned.

    Big sides meet in hash partitions of their equality keys. Without such keys both are gathered.
    """
    if not isinstance(node, Join):
        return None
    for_left, for_right = sides_needed(node, needed)
    left, right = planning.flow(node.left, for_left), planning.flow(node.right, for_right)
    if left.in_one_task and right.in_one_task:
        return _side_by_side(node, left, right, ONE_TASK)
    keys = _hash_keys(node)
    small = _small_side(node, left, right, planning.broadcast_bytes, keyed=bool(keys))
    if small is right:
        return broadcast_right(node, left, right, planning)
    if small is left:
        return _broadcast(node, right, left, planning, small_is_right=False)
    if keys and node.kind != "mark":
        return _partitioned(node, left, right, planning)
    why = f"{describe(node)}, without equal keys: one task"
    return _side_by_side(node, planning.draft.gather(left, why), planning.draft.gather(right, why), ONE_TASK)


def _hash_keys(node: Join) -> list[Condition]:
    """Return the conditions under which partners have the same hash: equal values of one type."""
    return [c for c in node.conditions if c.comparison in _HASHABLE and c.left.type == c.right.type]


def _small_side(node: Join, left: Flow, right: Flow, broadcast_bytes: int, *, keyed: bool) -> Flow | None:
    sides = [s for s, kinds in ((right, _RIGHT_MAY_BE_SENT), (left, _LEFT_MAY_BE_SENT)) if node.kind in kinds]
    fitting = [s for s in sides if s.bytes <= broadcast_bytes or (s.in_one_task and not keyed)]
    return min(fitting, key=lambda s: s.bytes) if fitting else None


def broadcast_right(node: Join, big: Flow, small: Flow, planning: Planning) -> Flow:
    """Return the join of ``big`` with the small right side, which every task of big reads."""
    return _broadcast(node, big, small, planning, small_is_right=True)


def _broadcast(node: Join, big: Flow, small: Flow, planning: Planning, *, small_is_right: bool) -> Flow:
    inputs, source = planning.draft.broadcast(small)
    branches = []
    for branch in big.branches:
        own = f"({branch.select(c.name for c in big.columns)})"
        text = join_source(node, own, source) if small_is_right else join_source(node, source, own)
        columns = _columns(node, big, small) if small_is_right else _columns(node, small, big)
        branches.append(
            replace(
                branch,
                site=branch.site.also(inputs),
                source=text,
                outputs=_outputs(columns),
                where=(),
                reads=branch.table_columns,
                bare=False,
            ).noting(f"{describe(node)}; every task reads the small side")
        )
    columns = _columns(node, big, small) if small_is_right else _columns(node, small, big)
    return Flow(tuple(branches), columns, big.together, big.bytes)


def _partitioned(node: Join, left: Flow, right: Flow, planning: Planning) -> Flow:
    conditions = _hash_keys(node)
    left, left_keys = _with_keys(left, [c.left for c in conditions], planning)
    right, right_keys = _with_keys(right, [c.right for c in conditions], planning)
    why = f"{describe(node)}; both sides meet in partitions of the keys"
    left, right = planning.draft.meet([(left, left_keys), (right, right_keys)], why)
    if left.in_one_task:
        return _side_by_side(node, left, right, ONE_TASK)
    together = {"right": frozenset(right_keys), "full": None}.get(node.kind, frozenset(left_keys))
    return _side_by_side(node, left, right, together)


def _with_keys(flow: Flow, keys: Sequence[Expr], planning: Planning) -> tuple[Flow, list[str]]:
    """Return the flow with its join keys as columns, and their symbols."""
    fresh = [k for k in keys if not isinstance(k, Ref)]
    made = planning.new_columns([("key", k.type) for k in fresh])
    own = [Ref(c.name, c.type) for c in flow.columns]
    named = iter(made)
    symbols = [k.name if isinstance(k, Ref) else next(named).name for k in keys]
    return flow.project((*own, *fresh), (*flow.columns, *made)), symbols


def _side_by_side(node: Join, left: Flow, right: Flow, together: frozenset[str] | None) -> Flow:
    """Return the join of two flows with one branch each, in tasks that read what both read."""
    (one,), (other,) = left.branches, right.branches
    sources = [f"({b.select(c.name for c in f.columns)})" for b, f in ((one, left), (other, right))]
    columns = _columns(node, left, right)
    branch = Branch(
        site=Site(inputs=one.site.inputs).also(other.site.inputs),
        source=join_source(node, *sources),
        outputs=_outputs(columns),
    ).noting(*one.notes, *other.notes)
    return Flow((branch,), columns, together, max(left.bytes, right.bytes))


def _columns(node: Join, left: Flow, right: Flow) -> tuple[Column, ...]:
    kept = left.columns if node.kind in KEEPS_LEFT_ONLY else (*left.columns, *right.columns)
    return (*kept, node.mark) if node.mark else kept


def _outputs(columns: Sequence[Column]) -> dict[str, Expr]:
    return {c.name: Ref(c.name, c.type) for c in columns}
