"""Conditions that a file's notes on its own columns can answer: one column against constants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tolva.plan import RowTest
from tolva.planner.algebra import Call, Cast, Constant, Expr, Ref
from tolva.planner.sql import expression

_TURNED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_WHOLE = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
_NUMBERS = _WHOLE | {"HUGEINT", "FLOAT", "DOUBLE"}
_DAYS = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})


def row_tests(predicates: Iterable[Expr]) -> tuple[RowTest, ...]:
    """Return what can be said as ``RowTest`` of predicates over a table's own columns, all of which must be true."""
    return tuple(test for predicate in predicates if (test := _test(predicate)))


def _test(predicate: Expr) -> RowTest | None:
    match predicate:
        case Ref(type="BOOLEAN"):
            return RowTest(predicate.name, "=", ("TRUE",), "BOOLEAN")
        case Call("NOT", (Ref(type="BOOLEAN") as ref,)):
            return RowTest(ref.name, "=", ("FALSE",), "BOOLEAN")
        case Call("IS NULL" | "IS NOT NULL" as name, (Ref() as ref,)):
            return RowTest(ref.name, name, (), ref.type)
        case Call("IN", (first, *values)):
            return _made(first, "IN", values)
        case Call(name, (one, other)) if name in _TURNED:
            return _made(one, name, [other]) or _made(other, _TURNED[name], [one])
    return None


def _made(side: Expr, comparison: str, values: Sequence[Expr]) -> RowTest | None:
    constants = tuple(expression(value) for value in values if _is_constant(value))
    match side:
        case Ref():
            column, kind = side.name, side.type
        case Cast(Ref() as ref, kind, False) if _keeps_order(ref.type, kind):
            column = ref.name
        case _:
            return None
    return RowTest(column, comparison, constants, kind) if len(constants) == len(values) else None


def _is_constant(expr: Expr) -> bool:
    return isinstance(expr, Constant) or (isinstance(expr, Cast) and _is_constant(expr.arg))


def _keeps_order(one: str, other: str) -> bool:
    return (_is_number(one) and _is_number(other)) or (one in _DAYS and other in _DAYS)


def _is_number(kind: str) -> bool:
    return kind in _NUMBERS or kind.startswith("DECIMAL")
