"""Which aggregates can be made from partial ones, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tolva.planner.algebra import AggregateCall, Call, Case, Cast, Constant, Expr, Ref

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
            "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
_SAME = frozenset({"min", "max", "any_value", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor", "product"})
_COUNTS = frozenset({"count", "count_star", "count_if"})
_NEVER_NULL = frozenset({"count", "count_star"})  # unlike count_if, which is a sum
_INSENSITIVE = frozenset({"min", "max", "any_value", "bool_and", "bool_or", "bit_and", "bit_or"})


@dataclass(frozen=True, slots=True)
class Split:
    """An aggregate in two steps: ``partials`` in each task, and ``combine`` over the columns they left."""

    partials: tuple[AggregateCall, ...]
    combine: Callable[[tuple[Ref, ...]], Expr]


def split(call: AggregateCall) -> Split | None:
    """Return how to compute the aggregate from partial ones; None when it needs all rows at once."""
    if call.order or (call.distinct and call.name not in _INSENSITIVE):
        return None
    call = replace(call, distinct=False)
    if call.name in _SAME and len(call.args) == 1:
        return Split((call,), lambda refs: _typed(_over(call.name, refs[0], call.type), call))
    if call.name in _COUNTS or (call.name == "sum" and _is_number(call.args[0])):
        return Split((call,), lambda refs: _total(refs[0], call, zero=call.name in _NEVER_NULL))
    if call.name in ("avg", "mean") and call.type == "DOUBLE" and _is_number(call.args[0]):
        return _mean(call)
    return None


def _mean(call: AggregateCall) -> Split:
    total = replace(call, name="sum", type=_sum_type(call.args[0].type))
    count = replace(call, name="count", type="BIGINT")

    def combine(refs: tuple[Ref, ...]) -> Expr:
        totals, counts = (_over("sum", ref, _sum_type(ref.type)) for ref in refs)
        empty = Call("=", (counts, Constant("0", "INTEGER")), "BOOLEAN", infix=True)
        value = Call("/", (Cast(totals, "DOUBLE"), Cast(counts, "DOUBLE")), "DOUBLE", infix=True)
        return Case((empty,), (Constant("NULL", "DOUBLE"),), value, "DOUBLE")

    return Split((total, count), combine)


def _total(ref: Ref, call: AggregateCall, *, zero: bool) -> Expr:
    total: Expr = _over("sum", ref, _sum_type(ref.type))
    if zero:
        total = Call("COALESCE", (total, Constant("0", "INTEGER")), total.type)
    return _typed(total, call)


def _over(name: str, ref: Ref, type_: str) -> AggregateCall:
    return AggregateCall(name, (ref,), type_)


def _typed(expr: Expr, call: AggregateCall) -> Expr:
    return expr if expr.type == call.type else Cast(expr, call.type)


def _sum_type(type_: str) -> str:
    if type_.startswith("DECIMAL"):
        return f"DECIMAL(38,{type_.rstrip(')').split(',')[1]})"
    return "DOUBLE" if type_ in ("FLOAT", "DOUBLE", "UHUGEINT") else "HUGEINT"


def _is_number(expr: Expr) -> bool:
    return expr.type.startswith(_NUMBERS) and not expr.type.endswith("]")
