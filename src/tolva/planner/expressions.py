"""Expressions: from the JSON of DuckDB's bound plan to the algebra.

Column references are positions in the child's row there; here they become symbols. Anything unknown, or that says
more than the algebra can, raises UnsupportedError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from tolva.plan import Column
from tolva.planner import algebra as a
from tolva.planner.algebra import UnsupportedError
from tolva.planner.quoting import literal
from tolva.planner.sql_types import type_sql

Json = dict[str, Any]
Columns = Sequence[Column | a.Expr]
"""What the positions in an expression stand for: the child's columns; in a lambda also parameters and expressions."""

_LAMBDA_PREFIX = "lambda_parameter_"  # unlike the names of columns, which a parameter would hide

_KEY_AND_DISTANCE = 2
NO_COLUMN = 2**63  # column numbers from here on are DuckDB's own (row ids), not the table's
_OPERATORS = {
    "OPERATOR_NOT": "NOT",
    "OPERATOR_IS_NULL": "IS NULL",
    "OPERATOR_IS_NOT_NULL": "IS NOT NULL",
    "COMPARE_IN": "IN",
    "OPERATOR_COALESCE": "COALESCE",
    "OPERATOR_TRY": "TRY",
}
COMPARISONS = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_DISTINCT_FROM": "IS DISTINCT FROM",
    "COMPARE_NOT_DISTINCT_FROM": "IS NOT DISTINCT FROM",
}


# -- expressions --------------------------------------------------------------------------------------------------


def expression(value: Json, columns: Columns) -> a.Expr:
    """Return an expression over a row of ``columns``."""
    found = _EXPRESSIONS.get(value["expression_class"])
    if found is None:
        raise UnsupportedError(value["expression_class"].removeprefix("BOUND_").lower())
    return found(value, columns)


def orders(value: Json | list[Json] | None, columns: Columns) -> tuple[a.Order, ...]:
    """Return ORDER BY keys."""
    listed = value.get("orders", []) if isinstance(value, dict) else value or []
    return tuple(
        a.Order(expression(o["expression"], columns), o["type"] == "DESCENDING", o["null_order"] == "NULLS FIRST")
        for o in listed
    )


def _expressions(values: Iterable[Json], columns: Columns) -> tuple[a.Expr, ...]:
    return tuple(expression(v, columns) for v in values)


def _optional(value: Json | None, columns: Columns) -> a.Expr | None:
    return expression(value, columns) if value else None


def _ref(value: Json, columns: Columns) -> a.Expr:
    column = columns[value["index"]]
    if isinstance(column, a.Parameter):
        return a.Parameter(column.name, type_sql(value["return_type"]))
    if not isinstance(column, Column):
        return column
    if not column.name:
        raise UnsupportedError("row ids")
    return a.Ref(column.name, column.type)


def _constant(value: Json, _: Columns) -> a.Expr:
    held = value["value"]
    type_ = type_sql(held["type"])
    if held["is_null"]:
        return a.Constant("NULL" if type_ == '"NULL"' else f"CAST(NULL AS {type_})", type_)
    write = _LITERALS.get(held["type"]["id"])
    if write is None:
        raise UnsupportedError(f"a constant of type {type_}")
    return a.Constant(write(held["value"], held["type"]), type_)


def _decimal_literal(value: Any, type_: Json) -> str:
    width, scale = type_["type_info"]["width"], type_["type_info"]["scale"]
    number = _hugeint(value) if isinstance(value, dict) else value
    digits = str(abs(number)).rjust(width, "0")
    sign = "-" if number < 0 else ""
    return f"{sign}{digits[: width - scale]}.{digits[width - scale :]}"


def _double_literal(value: Any, _: Json) -> str:
    text = repr(value)
    return text if "e" in text else f"{text}e0"


def _hugeint(value: Json) -> int:
    return int(value["upper"]) * 2**64 + int(value["lower"])


def _interval(value: Json, _: Json) -> str:
    return f"INTERVAL '{value['months']} months {value['days']} days {value['micros']} microseconds'"


def _lambda(value: Json, captured: Sequence[a.Expr]) -> a.Lambda:
    """Return a lambda. Its body counts the parameters first, from the last to the first, and then what it captured."""
    names = [_LAMBDA_PREFIX + name for name in value["parameter_names"]]
    known = [a.Parameter(name, "") for name in reversed(names)]
    return a.Lambda(tuple(names), expression(value["lambda_expr"], [*known, *captured]))


def _function(value: Json, columns: Columns) -> a.Expr:
    for number, child in enumerate(value["children"]):
        if child["expression_class"] == "BOUND_LAMBDA":
            captured = _expressions(value["children"][number + 1 :], columns)
            args = (*_expressions(value["children"][:number], columns), _lambda(child, captured))
            return a.Call(value["qname"]["path"][-1], args, type_sql(value["return_type"]))
    args = _expressions(value["children"], columns)
    type_ = type_sql(value["return_type"])
    name = value["qname"]["path"][-1]
    if value["type"] == "OPERATOR_CAST":
        lenient = value["function_data"]["try_cast"]
        if args[0].type == type_ and not lenient:
            return args[0]
        return a.Cast(args[0], type_, lenient)
    return a.Call(name, args, type_, infix=value["is_operator"], names=tuple(value.get("named_arguments", ())))


def _operator(value: Json, columns: Columns) -> a.Expr:
    name = _OPERATORS.get(value["type"])
    if name is None:
        raise UnsupportedError(value["type"].lower())
    return a.Call(name, _expressions(value["children"], columns), type_sql(value["return_type"]))


def _conjunction(value: Json, columns: Columns) -> a.Expr:
    name = value["type"].removeprefix("CONJUNCTION_")
    return a.Call(name, _expressions(value["children"], columns), "BOOLEAN", infix=True)


def _case(value: Json, columns: Columns) -> a.Expr:
    checks = value["case_checks"]
    return a.Case(
        conditions=_expressions((c["when_expr"] for c in checks), columns),
        results=_expressions((c["then_expr"] for c in checks), columns),
        otherwise=expression(value["else_expr"], columns),
        type=type_sql(value["return_type"]),
    )


def _aggregate_call(value: Json, columns: Columns) -> a.AggregateCall:
    if value["state_export"] != "NONE":
        raise UnsupportedError("aggregate states")
    return a.AggregateCall(
        name=value["qname"]["path"][-1],
        args=_expressions(value["children"], columns),
        type=type_sql(value["return_type"]),
        distinct=value["aggregate_type"] == "DISTINCT",
        filter=_optional(value["filter"], columns),
        order=orders(value["order_bys"], columns),
    )


def _window_call(value: Json, columns: Columns) -> a.WindowCall:
    path = (value.get("qname") or {"path": []})["path"]
    name = path[-1] if path else value["type"].removeprefix("WINDOW_").lower()
    return a.WindowCall(
        name=name,
        args=_expressions(value["children"], columns),
        type=type_sql(value["return_type"]),
        partitions=_expressions(value["partitions"], columns),
        orders=orders(value["orders"], columns),
        start=value["start"],
        end=value["end"],
        start_expr=_frame_end(value["start"], value["start_expr"], columns),
        end_expr=_frame_end(value["end"], value["end_expr"], columns),
        exclude=value["exclude_clause"].replace("_", " ").replace("NO OTHER", "NO OTHERS"),
        ignore_nulls=value["ignore_nulls"],
        distinct=value["distinct"],
        filter=_optional(value["filters"], columns),
        arg_orders=orders(value["arg_orders"], columns),
    )


def _frame_end(kind: str, value: Json | None, columns: Columns) -> a.Expr | None:
    """Return how far a frame goes. The binder has made ``key - distance`` of a distance by value."""
    found = _optional(value, columns)
    if found is None or not kind.endswith("_RANGE"):
        return found
    if not isinstance(found, a.Call) or len(found.args) != _KEY_AND_DISTANCE:
        raise UnsupportedError("a window frame by value")
    return found.args[1]


def _date(value: Any, _: Json) -> str:
    return f"CAST('{date(1970, 1, 1) + timedelta(days=value)}' AS DATE)"


_LITERALS: dict[str, Callable[[Any, Json], str]] = {
    **dict.fromkeys(("INTEGER", "BIGINT"), lambda value, _: str(value)),
    "HUGEINT": lambda value, _: str(_hugeint(value)),
    "BOOLEAN": lambda value, _: "TRUE" if value else "FALSE",
    "VARCHAR": lambda value, _: literal(value),
    "DOUBLE": _double_literal,
    "DATE": _date,
    "BLOB": lambda value, _: f"CAST({literal(value)} AS BLOB)",
    "DECIMAL": _decimal_literal,
    "INTERVAL": _interval,
}

_EXPRESSIONS: dict[str, Callable[[Json, Columns], a.Expr]] = {
    "BOUND_REF": _ref,
    "BOUND_CONSTANT": _constant,
    "BOUND_FUNCTION": _function,
    "BOUND_OPERATOR": _operator,
    "BOUND_CONJUNCTION": _conjunction,
    "BOUND_CASE": _case,
    "BOUND_AGGREGATE": _aggregate_call,
    "BOUND_WINDOW": _window_call,
}
