"""Filters move down to where their rows come from; CTEs with one user move into place.

The binder leaves every condition of WHERE above the joins, and EXISTS and IN as a marked join with a test of the mark
above it. After this, a scan drops rows before they go anywhere, comma joins have their conditions, and tests of marks
are semi and anti joins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import singledispatch

from tolva.plan import Column
from tolva.planner.algebra import (
    NULL_SAFE,
    Aggregate,
    Call,
    Condition,
    Constant,
    Cte,
    Distinct,
    Expr,
    Filter,
    Join,
    Limit,
    Node,
    Project,
    Ref,
    Shared,
    Sort,
    UnionAll,
    Unnest,
    Window,
    children,
    map_refs,
    rebuilt,
    refs,
    rewrite,
    symbols,
)
from tolva.planner.disjunctions import factored, implied_by
from tolva.planner.unique import has_one_partner

Predicates = tuple[Expr, ...]

_COMPARISONS = frozenset({"=", "<>", "<", ">", "<=", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"})
_EQUAL = frozenset({"=", "IS NOT DISTINCT FROM"})


def pushed(node: Node) -> Node:
    """Return the same rows from a tree whose filters are as far down as they go."""
    return _push(_inlined(node), ())


# -- CTEs with one user -------------------------------------------------------------------------------------------


def _inlined(node: Node) -> Node:
    if isinstance(node, Cte):
        body, definition = _inlined(node.body), _inlined(node.definition)
        if _uses(body, node.index) > 1:
            return replace(node, definition=definition, body=body)
        return _in_place(body, node.index, definition)
    return rebuilt(node, [_inlined(child) for child in children(node)])


def _uses(node: Node, index: int) -> int:
    if isinstance(node, Shared):
        return int(node.index == index)
    return sum(_uses(child, index) for child in children(node))


def _in_place(body: Node, index: int, definition: Node) -> Node:
    """Return ``body`` with the definition where its one user was, the columns under the definition's symbols."""
    users = [n for n in _all(body) if isinstance(n, Shared) and n.index == index]
    theirs = {c.name: own for user in users for c, own in zip(user.columns, definition.columns, strict=True)}

    def change(part: object) -> object:
        match part:
            case Shared() if part.index == index:
                return definition
            case Ref() if part.name in theirs:
                return Ref(theirs[part.name].name, part.type)
            case Column() if part.name in theirs:
                return theirs[part.name]
        return None

    changed: Node = rewrite(body, change)
    return changed


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from _all(child)


# -- filters ------------------------------------------------------------------------------------------------------


@singledispatch
def _push(node: Node, predicates: Predicates) -> Node:
    """Return the rows of ``node`` for which the predicates, over its columns, are true."""
    return _kept(rebuilt(node, [_push(child, ()) for child in children(node)]), predicates)


@_push.register
def _(node: Filter, predicates: Predicates) -> Node:
    return _push(node.child, (*_parts(node.predicates), *predicates))


@_push.register
def _(node: Project, predicates: Predicates) -> Node:
    given = dict(zip((c.name for c in node.columns), node.exprs, strict=True))
    inner = tuple(_replaced(p, given) for p in predicates)
    return replace(node, child=_push(node.child, inner))


@_push.register
def _(node: Aggregate, predicates: Predicates) -> Node:
    plain = len(node.grouping_sets) == 1 and len(node.grouping_sets[0]) == len(node.groups)
    groups = dict(zip((c.name for c in node.columns), node.groups, strict=False)) if plain else {}
    below, above = _divided(predicates, frozenset(groups))
    inner = tuple(_replaced(p, groups) for p in below)
    return _kept(replace(node, child=_push(node.child, inner)), above)


@_push.register
def _(node: Window, predicates: Predicates) -> Node:
    keys = [frozenset(e.name for e in call.partitions if isinstance(e, Ref)) for call in node.calls]
    below, above = _divided(predicates, frozenset.intersection(*keys))
    return _kept(replace(node, child=_push(node.child, below)), above)


@_push.register
def _(node: Distinct, predicates: Predicates) -> Node:
    below, above = (predicates, ()) if node.whole_rows else ((), predicates)
    return _kept(replace(node, child=_push(node.child, below)), above)


@_push.register
def _(node: Sort, predicates: Predicates) -> Node:
    return replace(node, child=_push(node.child, predicates))


@_push.register
def _(node: Limit, predicates: Predicates) -> Node:
    return _kept(replace(node, child=_push(node.child, ())), predicates)


@_push.register
def _(node: UnionAll, predicates: Predicates) -> Node:
    children = []
    for child in node.children:
        given = {c.name: Ref(i.name, i.type) for c, i in zip(node.columns, child.columns, strict=True)}
        children.append(_push(child, tuple(_replaced(p, given) for p in predicates)))
    return replace(node, children=tuple(children))


@_push.register
def _(node: Unnest, predicates: Predicates) -> Node:
    below, above = _divided(predicates, symbols(node.child))
    return _kept(replace(node, child=_push(node.child, below)), above)


@_push.register
def _(node: Cte, predicates: Predicates) -> Node:
    return replace(node, definition=_push(node.definition, ()), body=_push(node.body, predicates))


@_push.register
def _(node: Join, predicates: Predicates) -> Node:
    tested = _tested(node, predicates)
    if tested is not None:
        return tested
    if node.kind == "single" and has_one_partner(node):
        node = replace(node, kind="left")
    to_left, rest = _divided(predicates, symbols(node.left)) if node.kind in _FILTERS_LEFT else ((), predicates)
    to_right, rest = _divided(rest, symbols(node.right)) if node.kind in _FILTERS_RIGHT else ((), rest)
    if node.kind == "inner":
        node, rest = _with_conditions(node, rest), ()
        to_left, to_right = (*to_left, *_implied(node, node.left)), (*to_right, *_implied(node, node.right))
    if node.kind in ("inner", "semi", "right"):
        own, others = _divided(node.others, symbols(node.left))
        node, to_left = replace(node, others=others), (*to_left, *own)
    if node.kind in ("inner", "semi", "anti", "left"):
        own, others = _divided(node.others, symbols(node.right))
        node, to_right = replace(node, others=others), (*to_right, *own)
    return _kept(replace(node, left=_push(node.left, to_left), right=_push(node.right, to_right)), rest)


def _implied(node: Join, side: Node) -> Predicates:
    """Return what the join's ORs over both sides say of one side alone."""
    return tuple(found for p in node.others if (found := implied_by(p, symbols(side))) is not None)


_FILTERS_LEFT = frozenset({"inner", "left", "semi", "anti", "mark", "single"})
_FILTERS_RIGHT = frozenset({"inner", "right"})


def _tested(node: Join, predicates: Predicates) -> Node | None:
    """Return a marked join whose mark must be true as a semi join, and one whose mark must be false as an anti join.

    None for any other join, and when the mark may be NULL (``NOT IN``). Whoever uses the mark gets what it must be.
    """
    mark = node.mark
    wanted = [p for p in predicates if mark and mark.name in refs(p)]
    if mark is None or len(wanted) != 1:
        return None
    match wanted[0]:
        case Ref():
            kind, value = "semi", Constant("TRUE", "BOOLEAN")
        case Call("NOT", (Ref(),)) if not node.others and all(c.comparison in NULL_SAFE for c in node.conditions):
            kind, value = "anti", Constant("FALSE", "BOOLEAN")
        case _:
            return None
    columns = tuple(c for c in node.columns if c is not mark)
    joined = _push(
        replace(node, kind=kind, mark=None, columns=columns), tuple(p for p in predicates if p is not wanted[0])
    )
    return Project(joined, (*(Ref(c.name, c.type) for c in columns), value), (*columns, mark))


def _with_conditions(node: Join, predicates: Predicates) -> Join:
    conditions, others = list(node.conditions), []
    for predicate in (*_parts(node.others), *predicates):
        found = as_condition(predicate, symbols(node.left), symbols(node.right))
        if found:
            conditions.append(found)
        else:
            others.append(predicate)
    return replace(node, conditions=tuple(conditions), others=tuple(others))


def as_condition(predicate: Expr, left: frozenset[str], right: frozenset[str]) -> Condition | None:
    """Return ``f(left) = g(right)`` as a condition of the join, whichever way round it is written."""
    if not isinstance(predicate, Call) or predicate.name not in _COMPARISONS:
        return None
    one, other = predicate.args
    if not refs(one) or not refs(other):
        return None
    if refs(one) <= left and refs(other) <= right:
        return Condition(one, predicate.name, other)
    if predicate.name in _EQUAL and refs(one) <= right and refs(other) <= left:
        return Condition(other, predicate.name, one)
    return None


def _kept(node: Node, predicates: Predicates) -> Node:
    return Filter(node, predicates) if predicates else node


def _parts(predicates: Iterable[Expr]) -> Predicates:
    """Return the predicates with every AND taken apart, and what all sides of an OR have in common taken out."""
    parts: list[Expr] = []
    for predicate in predicates:
        if isinstance(predicate, Call) and predicate.name == "AND":
            parts += _parts(predicate.args)
        else:
            parts += factored(predicate)
    return tuple(parts)


def _divided(predicates: Predicates, columns: frozenset[str]) -> tuple[Predicates, Predicates]:
    """Return the predicates that are about these columns alone, and the others."""
    own = tuple(p for p in predicates if refs(p) and refs(p) <= columns)
    return own, tuple(p for p in predicates if p not in own)


def _replaced(predicate: Expr, given: Mapping[str, Expr]) -> Expr:
    changed: Expr = map_refs(predicate, lambda ref: given[ref.name])
    return changed
