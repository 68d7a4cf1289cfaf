"""SQL text from expressions. Whatever is written here is bound again and compared before it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import singledispatch
from typing import Any

from tolva.planner.algebra import (
    AggregateCall,
    Call,
    Case,
    Cast,
    Constant,
    Expr,
    Lambda,
    Order,
    Parameter,
    Ref,
    UnsupportedError,
    WindowCall,
    rewrite,
)
from tolva.planner.quoting import quoted


@singledispatch
def expression(expr: Any) -> str:
    """Return an expression as SQL."""
    raise UnsupportedError(type(expr).__name__)


@expression.register
def _(expr: Ref) -> str:
    return quoted(expr.name)


@expression.register
def _(expr: Constant) -> str:
    return expr.sql


@expression.register
def _(expr: Cast) -> str:
    return f"{'TRY_CAST' if expr.lenient else 'CAST'}({expression(expr.arg)} AS {expr.type})"


@expression.register
def _(expr: Case) -> str:
    pairs = zip(expr.conditions, expr.results, strict=True)
    whens = " ".join(f"WHEN {expression(when)} THEN {expression(then)}" for when, then in pairs)
    return f"CASE {whens} ELSE {expression(expr.otherwise)} END"


@expression.register
def _(expr: Call) -> str:
    args = [expression(a) for a in expr.args]
    if expr.name in _SPECIAL:
        return _SPECIAL[expr.name](args)
    if expr.names:
        first = len(args) - len(expr.names)
        args[first:] = [f"{quoted(name)} := {arg}" for name, arg in zip(expr.names, args[first:], strict=True)]
    if expr.infix:
        if len(args) == 1:
            return f"({expr.name} {args[0]})"
        return f"({f' {expr.name} '.join(args)})"
    return f"{quoted(expr.name)}({', '.join(args)})"


@expression.register
def _(expr: Parameter) -> str:
    return quoted(expr.name)


@expression.register
def _(expr: Lambda) -> str:
    return f"lambda {', '.join(quoted(p) for p in expr.parameters)}: {expression(expr.body)}"


@expression.register
def _(expr: AggregateCall) -> str:
    return _call(expr.name, expr.args, expr.distinct, expr.order) + _filter(expr.filter)


@expression.register
def _(expr: WindowCall) -> str:
    call = _call(expr.name, expr.args, expr.distinct, expr.arg_orders, ignore_nulls=expr.ignore_nulls)
    window = []
    if expr.partitions:
        window.append(f"PARTITION BY {', '.join(expression(p) for p in expr.partitions)}")
    if expr.orders:
        window.append(order_by(expr.orders))
    frame = _frame(expr)
    if frame:
        window.append(frame)
    return f"{call}{_filter(expr.filter)} OVER ({' '.join(window)})"


def readable(expr: Expr) -> str:
    """Return an expression for people: as SQL, without the casts of literals and the outermost parentheses."""
    text = expression(rewrite(expr, _bare_literal))
    inner = text[1:-1]
    depth = 0
    for character in inner:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return text
    return inner if text.startswith("(") else text


def _bare_literal(part: object) -> Expr | None:
    return part.arg if isinstance(part, Cast) and isinstance(part.arg, Constant) else None


def order_by(orders: Iterable[Order]) -> str:
    """Return an ORDER BY clause."""
    return "ORDER BY " + ", ".join(
        f"{expression(o.expr)} {'DESC' if o.descending else 'ASC'} NULLS {'FIRST' if o.nulls_first else 'LAST'}"
        for o in orders
    )


def conjunction(predicates: Iterable[Expr]) -> str:
    """Return the predicates joined by AND."""
    return " AND ".join(expression(p) for p in predicates)


def _call(
    name: str, args: tuple[Expr, ...], distinct: bool, order: tuple[Order, ...], *, ignore_nulls: bool = False
) -> str:
    if name == "count_star":
        return "count(*)"
    inner = ", ".join(expression(a) for a in args)
    ordered = f" {order_by(order)}" if order else ""
    return f"{quoted(name)}({'DISTINCT ' if distinct else ''}{inner}{ordered}{' IGNORE NULLS' if ignore_nulls else ''})"


def _filter(predicate: Expr | None) -> str:
    return "" if predicate is None else f" FILTER (WHERE {expression(predicate)})"


def _frame(expr: WindowCall) -> str:
    exclude = "" if expr.exclude == "NO OTHERS" else f" EXCLUDE {expr.exclude}"
    start, unit = _bound(expr.start, expr.start_expr)
    end, end_unit = _bound(expr.end, expr.end_expr)
    if (start, end, exclude) == ("UNBOUNDED PRECEDING", "CURRENT ROW", "") and end_unit == "RANGE":
        return ""
    units = {unit, end_unit} - {""} or {"RANGE"}
    if len(units) != 1:
        raise UnsupportedError("window frame")
    return f"{units.pop()} BETWEEN {start} AND {end}{exclude}"


def _bound(word: str, expr: Expr | None) -> tuple[str, str]:
    """Return a frame's end as SQL, and the unit (ROWS, RANGE or GROUPS) it belongs to, if it tells."""
    if word.startswith("UNBOUNDED_"):
        return word.replace("_", " "), ""
    kind, _, unit = word.rpartition("_")
    if kind == "CURRENT_ROW":
        return "CURRENT ROW", unit
    if kind in ("EXPR_PRECEDING", "EXPR_FOLLOWING") and expr is not None:
        return f"{expression(expr)} {kind.removeprefix('EXPR_')}", unit
    raise UnsupportedError(f"window frame {word}")


_SPECIAL: dict[str, Callable[[list[str]], str]] = {
    "NOT": lambda args: f"(NOT {args[0]})",
    "IS NULL": lambda args: f"({args[0]} IS NULL)",
    "IS NOT NULL": lambda args: f"({args[0]} IS NOT NULL)",
    "IN": lambda args: f"({args[0]} IN ({', '.join(args[1:])}))",
    "COALESCE": lambda args: f"COALESCE({', '.join(args)})",
    "TRY": lambda args: f"TRY({args[0]})",
    "~~": lambda args: f"({args[0]} LIKE {args[1]})",
    "!~~": lambda args: f"({args[0]} NOT LIKE {args[1]})",
    "~~*": lambda args: f"({args[0]} ILIKE {args[1]})",
    "!~~*": lambda args: f"({args[0]} NOT ILIKE {args[1]})",
    "like_escape": lambda args: f"({args[0]} LIKE {args[1]} ESCAPE {args[2]})",
    "not_like_escape": lambda args: f"({args[0]} NOT LIKE {args[1]} ESCAPE {args[2]})",
    "ilike_escape": lambda args: f"({args[0]} ILIKE {args[1]} ESCAPE {args[2]})",
    "not_ilike_escape": lambda args: f"({args[0]} NOT ILIKE {args[1]} ESCAPE {args[2]})",
    "~~~": lambda args: f"({args[0]} GLOB {args[1]})",
}
