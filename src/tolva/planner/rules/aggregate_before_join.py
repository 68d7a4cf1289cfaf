"""GROUP BY over a join with small tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tolva.plan import Column
from tolva.planner.algebra import (
    Aggregate,
    AggregateCall,
    Condition,
    Expr,
    Join,
    Node,
    Project,
    Ref,
    Scan,
    children,
    map_refs,
    refs,
    symbols,
)
from tolva.planner.flow import Flow, Named
from tolva.planner.planning import Needed, Planning
from tolva.planner.rules.aggregate import Steps, aggregated, is_plain, used_aggregates
from tolva.planner.rules.join import broadcast_right
from tolva.planner.rules.partials import split

_SMALLER_BY = 16
_KINDS = frozenset({"inner", "left", "semi", "anti"})


def aggregate_before_join(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``FROM big JOIN small USING (id) GROUP BY small.name``: big is grouped by id first, and its few groups joined.

    For aggregates over columns of big alone. The join then sees a row for each id and task instead of each record,
    and big's chunks needn't wait for the small table. Each partial row meets the same partners as the records it is
    made of would have met, so every aggregate that combines from partial ones comes out the same.
    """
    if not isinstance(node, Aggregate) or not is_plain(node):
        return None
    star = _star(node, needed, planning)
    return None if star is None else _planned(node, star, planning)


@dataclass(frozen=True, slots=True)
class _Star:
    """A big table's rows, the joins with small ones on top, and the grouping over all of their columns."""

    big: Node
    joins: tuple[Join, ...]
    groups: tuple[Expr, ...]
    made: tuple[tuple[Column, AggregateCall], ...]


def _star(node: Aggregate, needed: Needed, planning: Planning) -> _Star | None:
    child, groups = node.child, node.groups
    made = tuple((c, call) for call, c in used_aggregates(node, needed))
    while isinstance(child, Project):
        given = dict(zip((c.name for c in child.columns), child.exprs, strict=True))
        groups = _replaced(groups, given)
        made = tuple((c, _replaced(call, given)) for c, call in made)
        child = child.child
    big, joins = _spine(child, planning)
    own = symbols(big)
    if not joins or any(split(call) is None for _, call in made) or not refs(tuple(c for _, c in made)) <= own:
        return None
    if any(refs(g) & own and not refs(g) <= own for g in groups):
        return None
    if any(refs(c.left) & own and not refs(c.left) <= own for j in joins for c in j.conditions):
        return None
    limit = planning.broadcast_bytes // _SMALLER_BY
    if any(j.kind not in _KINDS or j.others or _bytes(j.right, planning) > limit for j in joins):
        return None
    return _Star(big, tuple(joins), groups, made) if _bytes(big, planning) > limit else None


def _planned(node: Aggregate, star: _Star, planning: Planning) -> Flow:
    own = symbols(star.big)
    asked = [g for g in star.groups if refs(g) & own] + [c.left for j in star.joins for c in j.conditions]
    of_big = list(dict.fromkeys(e for e in asked if refs(e) <= own and refs(e)))
    keys: list[Named] = list(zip(planning.new_columns([(_wish(e), e.type) for e in of_big]), of_big, strict=True))
    place: dict[Expr, Ref] = {e: Ref(c.name, c.type) for c, e in keys}
    steps = Steps(planning, [call for _, call in star.made])
    flow = planning.flow(star.big, refs(tuple(of_big), tuple(call for _, call in star.made)))
    by = list(dict.fromkeys(place[g].name for g in star.groups if g in place))
    flow = planning.draft.groups(flow, keys, steps.first, by)
    wanted = refs(star.groups, tuple(c.left for j in star.joins for c in j.conditions))
    for join in star.joins:
        flow = _joined(flow, join, place, wanted, planning)
    final = [(c, place.get(g, g)) for c, g in zip(node.columns, star.groups, strict=False)]
    return aggregated(flow, final, [(c, e) for (c, _), e in zip(star.made, steps.second, strict=True)])


def _joined(flow: Flow, join: Join, place: dict[Expr, Ref], wanted: Needed, planning: Planning) -> Flow:
    conditions = tuple(replace(c, left=place.get(c.left, c.left)) for c in join.conditions)
    small = planning.flow(join.right, (wanted | refs(tuple(c.right for c in conditions))) & symbols(join.right))
    return broadcast_right(replace(join, conditions=conditions), flow, small, planning)


def _spine(node: Node, planning: Planning) -> tuple[Node, list[Join]]:
    """Return the big end of a chain of joins, and the joins from it upwards, each with the chain on its left."""
    if not isinstance(node, Join):
        return node, []
    if node.kind == "inner" and _bytes(node.right, planning) > _bytes(node.left, planning) and not node.others:
        turned = tuple(_turned(c) for c in node.conditions)
        if all(turned):
            node = replace(node, left=node.right, right=node.left, conditions=tuple(c for c in turned if c))
    big, joins = _spine(node.left, planning)
    return big, [*joins, node]


def _turned(condition: Condition) -> Condition | None:
    if condition.comparison not in ("=", "IS NOT DISTINCT FROM"):
        return None
    return Condition(condition.right, condition.comparison, condition.left)


def _bytes(node: Node, planning: Planning) -> int:
    if isinstance(node, Scan):
        return planning.table_bytes[node.table]
    return sum(_bytes(child, planning) for child in children(node))


def _wish(expr: Expr) -> str:
    return expr.name if isinstance(expr, Ref) else "key"


def _replaced(exprs: object, given: dict[str, Expr]) -> Any:
    return map_refs(exprs, lambda ref: given[ref.name])
