"""Inner joins in a good order, whatever order the query names its tables in.

A tree of inner joins is taken apart into what it joins and its conditions, and put together again greedily: the two
whose join leaves the fewest rows come first (Fegaras: A New Heuristic for Optimizing Large Queries, 1998). So a
comma join never multiplies two tables that have nothing to do with each other, and small filtered tables are joined
before they are sent to the big one. Semi and anti joins on top take part: they go where they drop most rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from tolva.planner.algebra import (
    Call,
    Condition,
    Constant,
    Cte,
    Expr,
    Join,
    Node,
    Project,
    Ref,
    children,
    map_refs,
    rebuilt,
    refs,
    symbols,
)
from tolva.planner.estimates import Estimates
from tolva.planner.pushdown import as_condition

_PAIR = 2
_ONE_SIDED = frozenset({"semi", "anti"})


def ordered(node: Node, estimates: Estimates) -> Node:
    """Return the same rows, from a tree whose inner joins are in the order that leaves the fewest rows on the way."""
    tree = _taken_apart(node, estimates)
    if not tree.tests and len(tree.leaves) == 1:
        return tree.leaves[0]
    if not tree.tests and len(tree.leaves) == _PAIR:
        return rebuilt(node, tree.leaves)
    while len(tree.leaves) > 1 or tree.tests:
        _join_next(tree, estimates)
    (whole,) = tree.leaves
    exprs = tuple(tree.constants.get(c.name, Ref(c.name, c.type)) for c in node.columns)
    return Project(whole, exprs, node.columns)


@dataclass(slots=True)
class _Tree:
    """What is joined, by which predicates; the semi and anti joins still to be made (with any left side)."""

    leaves: list[Node]
    predicates: list[Expr]
    tests: list[Join]
    constants: dict[str, Expr]


def _taken_apart(node: Node, estimates: Estimates) -> _Tree:
    match node:
        case Join(kind="inner"):
            left, right = _taken_apart(node.left, estimates), _taken_apart(node.right, estimates)
            predicates = [*left.predicates, *right.predicates, *_predicates(node)]
            constants = left.constants | right.constants
            return _Tree(
                [*left.leaves, *right.leaves],
                [_known(p, constants) for p in predicates],
                [*left.tests, *right.tests],
                constants,
            )
        case Project(Join(kind=kind) as join) if kind in _ONE_SIDED and _adds_constants(node):
            tree = _taken_apart(join.left, estimates)
            own: Join = _known(join, tree.constants)
            tree.tests.append(replace(own, left=join.left, right=ordered(join.right, estimates)))
            made = zip(node.columns, node.exprs, strict=True)
            tree.constants |= {c.name: e for c, e in made if isinstance(e, Constant)}
            return tree
    return _Tree([_below(node, estimates)], [], [], {})


def _below(node: Node, estimates: Estimates) -> Node:
    if isinstance(node, Cte):
        definition = ordered(node.definition, estimates)
        estimates.define(node.index, definition)
        return replace(node, definition=definition, body=ordered(node.body, estimates))
    return rebuilt(node, [ordered(child, estimates) for child in children(node)])


def _adds_constants(node: Project) -> bool:
    """Whether a projection is just its child's columns and constants, as beside a semi join made from a mark."""
    return all(
        isinstance(e, Constant) or (isinstance(e, Ref) and e.name == c.name)
        for e, c in zip(node.exprs, node.columns, strict=True)
    )


def _predicates(node: Join) -> list[Expr]:
    conditions = [Call(c.comparison, (c.left, c.right), "BOOLEAN", infix=True) for c in node.conditions]
    return [*conditions, *node.others]


def _known(part: Any, constants: dict[str, Expr]) -> Any:
    return map_refs(part, lambda ref: constants.get(ref.name, ref))


def _join_next(tree: _Tree, estimates: Estimates) -> None:
    """Make the one join, semi join or anti join that leaves the fewest rows; connected ones before products."""
    pairs = [_joined(tree, left, right, estimates) for left, right in combinations(tree.leaves, 2)]
    steps = [step for step in pairs if step.node.conditions or step.node.others] or pairs
    steps += [step for test in tree.tests for leaf in tree.leaves if (step := _tested(test, leaf, estimates))]
    best = min(steps, key=lambda step: step.rows)
    used = (best.node.left, best.node.right)
    tree.leaves = [leaf for leaf in tree.leaves if all(leaf is not side for side in used)] + [best.node]
    tree.predicates = [p for p in tree.predicates if all(p is not done for done in best.predicates)]
    tree.tests = [test for test in tree.tests if test is not best.test]


@dataclass(frozen=True, slots=True)
class _Step:
    node: Join
    rows: float
    predicates: Sequence[Expr] = ()
    test: Join | None = None


def _joined(tree: _Tree, left: Node, right: Node, estimates: Estimates) -> _Step:
    if estimates.rows(left) < estimates.rows(right):
        left, right = right, left
    both = symbols(left) | symbols(right)
    own = [p for p in tree.predicates if refs(p) <= both]
    conditions: list[Condition] = []
    others: list[Expr] = []
    for predicate in own:
        found = as_condition(predicate, symbols(left), symbols(right))
        if found:
            conditions.append(found)
        else:
            others.append(predicate)
    node = Join("inner", left, right, tuple(conditions), tuple(others), (*left.columns, *right.columns))
    return _Step(node, estimates.joined(estimates.rows(left), estimates.rows(right), conditions, len(others)), own)


def _tested(test: Join, leaf: Node, estimates: Estimates) -> _Step | None:
    own = refs(tuple(c.left for c in test.conditions)) | (refs(test.others) - symbols(test.right))
    if not own <= symbols(leaf):
        return None
    node = replace(test, left=leaf, columns=leaf.columns)
    return _Step(node, estimates.rows(node), test=test)
