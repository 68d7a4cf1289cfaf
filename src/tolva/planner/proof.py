"""Proof that SQL written from the algebra says what the query said.

The text of every expression goes back to DuckDB's binder, over a row of the same columns; what comes out must be the
same tree, function by function and type by type, as what DuckDB bound in the user's own query. So neither the reading
of DuckDB's JSON nor the writing of SQL has to be trusted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from tolva.plan import Column
from tolva.planner.algebra import Constant, Expr, Ref, UnsupportedError
from tolva.planner.binder import Binder, Refusal
from tolva.planner.plainer import PLAINER
from tolva.planner.quoting import quoted
from tolva.planner.sql import expression

Json = dict[str, Any]

_IGNORED = {"alias", "query_location", "query_location_length", "has_serialize", "parameter_names"}


def prove(
    binder: Binder, given: Sequence[Json], read: Sequence[Expr], columns: Sequence[Column], operator: str
) -> tuple[Expr, ...]:
    """Return ``read``, as expressions whose SQL is proven to bind to the trees in ``given``.

    Casts that the binder adds by itself may be left out where that is what it takes, or reads better. ``operator`` is
    the kind of operator that holds such expressions: PROJECTION, AGGREGATE_AND_GROUP_BY or WINDOW.
    UnsupportedError for an expression that can't be written so that it means the same.
    """
    proven: dict[int, Expr] = {n: e for n, e in enumerate(read) if isinstance(e, (Ref, Constant))}
    for plainer in PLAINER:
        asked = {n: plainer(e) for n, e in enumerate(read) if n not in proven}
        proven |= _proven(binder, given, asked, columns, operator)
    missing = [expression(e) for n, e in enumerate(read) if n not in proven]
    if missing:
        raise UnsupportedError(f"the expression {missing[0]}")
    return tuple(proven[n] for n in range(len(read)))


def _proven(
    binder: Binder, given: Sequence[Json], asked: dict[int, Expr], columns: Sequence[Column], operator: str
) -> dict[int, Expr]:
    """Return those of the expressions that bind to their trees; all in one statement if that can be bound at all."""
    if not asked:
        return {}
    texts = {n: expression(e) for n, e in asked.items()}
    distinct = list(dict.fromkeys(texts.values()))
    found = _bound(binder, distinct, columns, operator)
    if found is None:
        single = [{n: e} for n, e in asked.items()] if len(distinct) > 1 else []
        return {n: e for one in single for n, e in _proven(binder, given, one, columns, operator).items()}
    trees = {text: _bare(tree) for text, tree in zip(distinct, found, strict=True)}
    return {n: e for n, e in asked.items() if _bare(given[n]) == trees[texts[n]]}


def _bound(binder: Binder, texts: list[str], columns: Sequence[Column], operator: str) -> list[Json] | None:
    row = ", ".join(f"CAST(NULL AS {c.type}) AS {quoted(c.name or '#')}" for c in columns) or "NULL"
    listed = ", ".join(f"{text} AS c{number}" for number, text in enumerate(texts))
    try:
        plan = binder.bind(f"SELECT {listed} FROM (SELECT {row}) AS r")
    except Refusal:
        return None
    while plan is not None and plan["type"] != f"LOGICAL_{operator}":
        plan = plan["children"][0] if plan["children"] else None
    if plan is None or len(plan["expressions"]) != len(texts):
        return None
    bound: list[Json] = plan["expressions"]
    return bound


def _bare(value: Any) -> Any:
    """Return the tree without what doesn't change its meaning.

    That is: where it stood in the text, its alias, brackets in a chain of ANDs, casts to the same type, and whether a
    number was written as such or cast from another literal of the same value (the binder folds some of those itself).
    """
    if isinstance(value, list):
        return [_bare(v) for v in value]
    if not isinstance(value, dict):
        return value
    if "expression_class" not in value:
        return {k: _bare(v) for k, v in value.items() if k != "is_default_cast"}
    if value["expression_class"] == "BOUND_CONJUNCTION":
        return value["type"], [_bare(v) for v in _parts(value, value["type"])]
    if _is_cast(value) and _type(value["children"][0]) == value["return_type"]:
        return _bare(value["children"][0])
    return _null(value) or _number(value) or {k: _bare(v) for k, v in value.items() if k not in _IGNORED}


def _null(value: Json) -> tuple[None, Any] | None:
    """Return NULL with its type, written as such or as a cast."""
    inner = value["children"][0] if _is_cast(value) else value
    if inner["expression_class"] != "BOUND_CONSTANT" or not inner["value"]["is_null"]:
        return None
    return None, _type(value)


def _parts(value: Json, kind: str) -> list[Json]:
    """Return what a chain of ANDs, or of ORs, connects, however it is bracketed."""
    if value["type"] != kind:
        return [value]
    return [part for child in value["children"] for part in _parts(child, kind)]


def _number(value: Json) -> tuple[Fraction, Json] | None:
    """Return a constant number with its type, also when it is written as a cast that changes nothing of its value."""
    if value["expression_class"] == "BOUND_CONSTANT":
        held = value["value"]
        read = None if held["is_null"] else _NUMBERS.get(held["type"]["id"])
        number = read(held["value"], held["type"]) if read else None
        return None if number is None else (number, held["type"])
    if not _is_cast(value):
        return None
    inner, to = _number(value["children"][0]), value["return_type"]
    if inner is None or to["id"] not in _NUMBERS:
        return None
    number, _ = inner
    if to["id"] == "DOUBLE":
        exact = Fraction(float(number)) == number
    elif to["id"] == "FLOAT":
        exact = number.denominator == 1 and abs(number) < _FLOAT_EXACT
    else:
        scale = to["type_info"]["scale"] if to["id"] == "DECIMAL" else 0
        exact = (number * 10**scale).denominator == 1
    return (number, to) if exact else None


def _is_cast(value: Json) -> bool:
    return value["type"] == "OPERATOR_CAST" and not value["function_data"]["try_cast"]


def _type(value: Json) -> Any:
    return value["return_type"] if "return_type" in value else value.get("value", {}).get("type")


def _integer(value: Any, _: Json) -> Fraction:
    return Fraction(value["upper"] * 2**64 + value["lower"] if isinstance(value, dict) else value)


def _decimal(value: Any, type_: Json) -> Fraction:
    return Fraction(_integer(value, type_), 10 ** int(type_["type_info"]["scale"]))


def _double(value: Any, _: Json) -> Fraction | None:
    return Fraction(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


_FLOAT_EXACT = 2**24
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_NUMBERS: dict[str, Callable[[Any, Json], Fraction | None]] = {
    **dict.fromkeys(_INTEGERS, _integer),
    "DECIMAL": _decimal,
    "DOUBLE": _double,
    "FLOAT": _double,
}
