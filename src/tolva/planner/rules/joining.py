"""Joins as SQL over two sources, wherever they meet."""

from __future__ import annotations

from tolva.planner.algebra import NULL_SAFE, Condition, Join, UnsupportedError, refs
from tolva.planner.planning import Needed
from tolva.planner.quoting import quoted
from tolva.planner.sql import expression, readable

KEEPS_LEFT_ONLY = frozenset({"semi", "anti", "mark"})
_KINDS = {
    "inner": "JOIN",
    "left": "LEFT JOIN",
    "right": "RIGHT JOIN",
    "full": "FULL JOIN",
    "semi": "SEMI JOIN",
    "anti": "ANTI JOIN",
}


def sides_needed(node: Join, needed: Needed) -> tuple[Needed, Needed]:
    """Return the columns needed of the left and the right side."""
    own = refs(tuple(c.left for c in node.conditions), tuple(c.right for c in node.conditions), node.others) | needed
    left = frozenset(c.name for c in node.left.columns)
    right = frozenset(c.name for c in node.right.columns)
    return own & left, own & right


def join_source(node: Join, left: str, right: str) -> str:
    """Return what follows FROM: the join of two sources, ``(SELECT ...)`` or a name each, with all their columns."""
    if node.kind == "mark":
        return _mark_source(node, left, right)
    kind = _KINDS.get(node.kind)
    if kind is None:
        raise UnsupportedError(f"a {node.kind} join")
    tests = [_condition(c) for c in node.conditions] + [expression(o) for o in node.others]
    if not tests and node.kind == "inner":
        return f"{left} AS a CROSS JOIN {right} AS b"
    return f"{left} AS a {kind} {right} AS b ON {' AND '.join(tests) or 'TRUE'}"


def describe(node: Join) -> str:
    """Return the join in few words, for a note."""
    tests = [f"{readable(c.left)} {c.comparison} {readable(c.right)}" for c in node.conditions]
    tests += [readable(o) for o in node.others]
    return f"{node.kind} join on {' and '.join(tests)}" if tests else "cross product"


def _condition(condition: Condition) -> str:
    return f"({expression(condition.left)} {condition.comparison} {expression(condition.right)})"


def _mark_source(node: Join, left: str, right: str) -> str:
    if node.mark is None or node.others:
        raise UnsupportedError("a correlated IN")
    if all(c.comparison in NULL_SAFE for c in node.conditions):
        tests = " AND ".join(_condition(c) for c in node.conditions) or "TRUE"
        found = f"EXISTS (SELECT 1 FROM {right} AS b WHERE {tests})"
    elif len(node.conditions) == 1 and node.conditions[0].comparison == "=":
        (only,) = node.conditions
        found = f"({expression(only.left)} IN (SELECT {expression(only.right)} FROM {right} AS b))"
    else:
        raise UnsupportedError("a correlated IN")
    return f"(SELECT *, {found} AS {quoted(node.mark.name)} FROM {left} AS a) AS j"
