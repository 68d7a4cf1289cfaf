"""Expressions with fewer casts.

In a bound plan every cast is visible, the user's and those that the binder added. Written out, the latter can be noise
and sometimes change the meaning: ``d + 1`` over a DECIMAL(18,3) is bound with both sides cast to DECIMAL(19,3), and
with those casts written out the sum becomes a DECIMAL(20,3). Which ones may be left out is tried, and proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tolva.planner.algebra import Call, Cast, Constant, Expr, rewrite

_WIDENED = frozenset({"+", "-"})
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


def _plainest(expr: Expr) -> Expr:
    return _below(expr, lambda call, arg: _is_literal(arg) or _is_widened(call, arg) or _is_promoted(call, arg))


def _without_widening(expr: Expr) -> Expr:
    return _below(expr, lambda call, arg: _is_literal(arg) or _is_widened(call, arg))


def _without_literal_casts(expr: Expr) -> Expr:
    return _below(expr, lambda _, arg: _is_literal(arg))


def _as_bound(expr: Expr) -> Expr:
    return expr


PLAINER: tuple[Callable[[Expr], Expr], ...] = (_plainest, _without_widening, _without_literal_casts, _as_bound)
"""Ways to write an expression, in the order in which they are tried."""


def _below(expr: Expr, needless: Callable[[Expr | None, Cast], bool]) -> Expr:
    """Return the expression without the casts, inside of it, that are ``needless`` as arguments of their call."""

    def change(part: object) -> object:
        if isinstance(part, Cast):
            inner = rewrite(part.arg, change)
            return inner if part is not expr and needless(None, part) else replace(part, arg=inner)
        if isinstance(part, Call):
            args = tuple(a.arg if isinstance(a, Cast) and needless(part, a) else a for a in part.args)
            return replace(part, args=tuple(rewrite(a, change) for a in args))
        return None

    changed: Expr = rewrite(expr, change)
    return changed


def _is_literal(arg: Cast) -> bool:
    return isinstance(arg.arg, Constant) and not arg.lenient


def _is_widened(call: Expr | None, arg: Cast) -> bool:
    if not (isinstance(call, Call) and call.infix and call.name in _WIDENED) or arg.lenient:
        return False
    return arg.type == call.type and arg.type.startswith("DECIMAL")


def _is_promoted(call: Expr | None, arg: Cast) -> bool:
    if not (isinstance(call, Call) and call.infix) or arg.lenient:
        return False
    return arg.type.startswith("DECIMAL") and arg.arg.type.startswith((*_INTEGERS, "DECIMAL"))
