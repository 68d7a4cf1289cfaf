"""The best k of each group, by a ranking window function."""

from __future__ import annotations

from dataclasses import replace

from tolva.planner.algebra import Call, Cast, Constant, Expr, Filter, Node, Ref, Window, refs
from tolva.planner.flow import Flow
from tolva.planner.planning import Needed, Planning
from tolva.planner.rules.window import common_keys, used_calls, with_windows

_RANKS = frozenset({"row_number", "rank", "dense_rank"})
_SHRINKS_BY = 64


def top_window(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``row_number() OVER (PARTITION BY k ORDER BY x) <= n``: each task keeps the best n it has, then they compete.

    A row that isn't among the best n where it is can't be among the best n of all. So few rows move, however many
    there are for one k.
    """
    if not (isinstance(node, Filter) and isinstance(node.child, Window)):
        return None
    inner = node.child
    bounding = [(p, _bounded(p)) for p in node.predicates]
    wanted = needed | refs(node.predicates)
    calls = used_calls(inner, wanted)
    if len(calls) != 1:
        return None
    ((symbol, call),) = calls.items()
    predicates = tuple(p for p, name in bounding if name == symbol)
    if call.name not in _RANKS or not call.orders or call.filter or not predicates:
        return None
    child = planning.flow(inner.child, (wanted & {c.name for c in inner.child.columns}) | refs(call))
    keys = common_keys(calls.values())
    if child.together is None or not child.together <= keys or len(child.branches) > 1:
        why = f"only the best rows of each {', '.join(sorted(keys)) or 'task'} move"
        best = with_windows(child, inner, calls).noting(why).filter(predicates)
        best = replace(best, bytes=best.bytes // _SHRINKS_BY).prune(frozenset(c.name for c in child.columns))
        child = planning.draft.exchange(best, sorted(keys), "the best rows of all tasks compete")
    return with_windows(child, inner, calls).filter(node.predicates)


def _bounded(predicate: Expr) -> str | None:
    """Return the column that the predicate keeps small, as in ``r <= 3``, ``r < 3`` and ``r = 1``."""
    match predicate:
        case Call("<=" | "<", (Ref(name), bound)) if _is_number(bound):
            return name
        case Call("=", (Ref(name), bound)) if _is_number(bound):
            return name if _value(bound) == "1" else None
        case Call(">=" | ">", (bound, Ref(name))) if _is_number(bound):
            return name
    return None


def _value(expr: Expr) -> str:
    return _value(expr.arg) if isinstance(expr, Cast) else expr.sql if isinstance(expr, Constant) else ""


def _is_number(expr: Expr) -> bool:
    return _value(expr).isdigit()
