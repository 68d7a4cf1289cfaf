"""What an OR says more than it shows: conditions that all of its sides share, and what it implies for one table.

``(a AND x) OR (a AND y)`` is ``a AND (x OR y)``, with NULLs too. Without that, a join whose equal keys are repeated in
each side of an OR would be a product of all rows with all rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from tolva.planner.algebra import Call, Expr, refs

_TWO = 2


def factored(predicate: Expr) -> tuple[Expr, ...]:
    """Return predicates that together say what ``predicate`` says: what all sides of an OR share, then the rest."""
    sides = [connected(side, "AND") for side in connected(predicate, "OR")]
    if len(sides) < _TWO:
        return (predicate,)
    common = [part for part in dict.fromkeys(sides[0]) if all(part in side for side in sides[1:])]
    if not common:
        return (predicate,)
    rest = [[part for part in side if part not in common] for side in sides]
    # A side of nothing but common parts leaves nothing to test.
    return tuple(common) if not all(rest) else (*common, _connect("OR", [_connect("AND", side) for side in rest]))


def implied_by(predicate: Expr, columns: frozenset[str]) -> Expr | None:
    """Return what must hold of these columns alone for an OR over more columns to be true; None if it says nothing."""
    sides = [connected(side, "AND") for side in connected(predicate, "OR")]
    own = [[part for part in side if refs(part) and refs(part) <= columns] for side in sides]
    if len(sides) < _TWO or not all(own) or refs(predicate) <= columns:
        return None
    return _connect("OR", [_connect("AND", side) for side in own])


def connected(predicate: Expr, name: str) -> list[Expr]:
    """Return what a chain of ANDs, or of ORs, connects; the predicate itself if it is none."""
    if isinstance(predicate, Call) and predicate.name == name:
        return [part for arg in predicate.args for part in connected(arg, name)]
    return [predicate]


def _connect(name: str, parts: Iterable[Expr]) -> Expr:
    return reduce(lambda one, other: Call(name, (one, other), "BOOLEAN", infix=True), parts)
