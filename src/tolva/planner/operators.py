"""Operators: from the JSON of DuckDB's bound plan to the algebra, each expression proven on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from tolva.plan import Column
from tolva.planner import algebra as a
from tolva.planner.algebra import UnsupportedError
from tolva.planner.binder import Binder
from tolva.planner.expressions import COMPARISONS, NO_COLUMN, Json, expression, orders
from tolva.planner.names import Names
from tolva.planner.proof import prove
from tolva.planner.sql_types import type_sql

Columns = tuple[Column, ...]


def decode(plan: Json, binder: Binder, names: Names) -> a.Node:
    """Return the algebra of a bound plan. UnsupportedError when it says more than the algebra can."""
    return _Decoder(binder, names).node(plan)


class _Decoder:
    def __init__(self, binder: Binder, names: Names) -> None:
        self._binder = binder
        self._names = names
        self._shared: dict[int, Columns] = {}

    def node(self, plan: Json) -> a.Node:
        kind = plan["type"].removeprefix("LOGICAL_")
        found = _OPERATORS.get(kind)
        if found is None:
            raise UnsupportedError(kind.replace("_", " ").lower())
        return found(self, plan)

    # -- leaves ---------------------------------------------------------------------------------------------------

    def get(self, plan: Json) -> a.Node:
        if plan["qname"]["path"][-1] != "seq_scan":
            raise UnsupportedError(f"the table function {plan['qname']['path'][-1]}")
        if plan["table_filters"]["filters"] or plan["extra_info"]["sample_options"] or plan["projection_ids"]:
            raise UnsupportedError("a sample of a table")
        numbers = [c["index"] for c in plan["column_indexes"]]
        if any(c["child_indexes"] or c["index_type"] != "FULL_READ" for c in plan["column_indexes"]):
            raise UnsupportedError("a field of a column")
        held = [
            ("", "BIGINT") if n >= NO_COLUMN else (plan["names"][n], type_sql(plan["returned_types"][n]))
            for n in numbers
        ]
        columns = tuple(Column(name and self._names.new(name), type_) for name, type_ in held)
        return a.Scan(plan["function_data"]["table"], tuple(name for name, _ in held), columns)

    def dummy_scan(self, _: Json) -> a.Node:
        return a.Values(((),), ())

    def empty_result(self, plan: Json) -> a.Node:
        types = [type_sql(t) for t in plan["return_types"]]
        return a.Values((), tuple(Column(self._names.new("c"), t) for t in types))

    def expression_get(self, plan: Json) -> a.Node:
        child = self._child(plan)
        if not isinstance(child, a.Values) or len(child.rows) != 1 or child.columns:
            raise UnsupportedError("VALUES over columns")
        rows = tuple(self._scalars(row, ()) for row in plan["expressions"])
        return a.Values(rows, tuple(Column(self._names.new("c"), type_sql(t)) for t in plan["expr_types"]))

    def cte_ref(self, plan: Json) -> a.Node:
        index = plan["cte_index"]
        if index not in self._shared or plan.get("is_recurring"):
            raise UnsupportedError("a recursive query")
        return a.Shared(index, self._fresh(self._shared[index]))

    # -- one child ------------------------------------------------------------------------------------------------

    def filter(self, plan: Json) -> a.Node:
        child = self._child(plan)
        predicates = self._scalars(plan["expressions"], child.columns)
        return _projected(a.Filter(child, predicates), plan.get("projection_map"))

    def project(self, plan: Json) -> a.Node:
        child = self._child(plan)
        exprs = self._scalars(plan["expressions"], child.columns)
        return a.Project(child, exprs, self._named(exprs, [e["alias"] or "c" for e in plan["expressions"]]))

    def aggregate(self, plan: Json) -> a.Node:
        child = self._child(plan)
        groups = self._scalars(plan["groups"], child.columns)
        calls = [expression(e, child.columns) for e in plan["expressions"]]
        proven = prove(self._binder, plan["expressions"], calls, child.columns, "AGGREGATE_AND_GROUP_BY")
        aggregates = tuple(c for c in proven if isinstance(c, a.AggregateCall))
        sets = tuple(tuple(s) for s in plan["grouping_sets"]) or (tuple(range(len(groups))),)
        grouping = tuple(tuple(g) for g in plan["grouping_functions"])
        columns = (
            *self._named(groups, [_wish(g, "key") for g in groups]),
            *(Column(self._names.new(_wish(c, c.name)), c.type) for c in aggregates),
            *(Column(self._names.new("grouping"), "BIGINT") for _ in grouping),
        )
        return a.Aggregate(child, groups, sets, aggregates, grouping, columns)

    def window(self, plan: Json) -> a.Node:
        child = self._child(plan)
        read = [expression(e, child.columns) for e in plan["expressions"]]
        proven = prove(self._binder, plan["expressions"], read, child.columns, "WINDOW")
        calls = tuple(c for c in proven if isinstance(c, a.WindowCall))
        made = tuple(Column(self._names.new(c.name), c.type) for c in calls)
        return a.Window(child, calls, (*child.columns, *made))

    def unnest(self, plan: Json) -> a.Node:
        child = self._child(plan)
        if any(e["expression_class"] != "BOUND_UNNEST" for e in plan["expressions"]):
            raise UnsupportedError("unnest")
        lists = self._scalars([e["child"] for e in plan["expressions"]], child.columns)
        made = tuple(Column(self._names.new("element"), type_sql(e["return_type"])) for e in plan["expressions"])
        return a.Unnest(child, lists, (*child.columns, *made))

    def distinct(self, plan: Json) -> a.Node:
        child = self._child(plan)
        on = self._scalars(plan["distinct_targets"], child.columns)
        whole_rows = plan["distinct_type"] == "DISTINCT"
        return a.Distinct(child, on, whole_rows, self._orders(plan.get("order_by"), child.columns))

    def sort(self, plan: Json) -> a.Node:
        child = self._child(plan)
        return _projected(
            a.Sort(child, self._orders(plan["orders"], child.columns)),
            plan.get("projection_map") or plan.get("projections"),
        )

    def limit(self, plan: Json) -> a.Node:
        return a.Limit(self._child(plan), _count(plan["limit_val"]), _count(plan["offset_val"]) or 0)

    # -- several children -----------------------------------------------------------------------------------------

    def cross_product(self, plan: Json) -> a.Node:
        left, right = (self.node(child) for child in plan["children"])
        return a.Join("inner", left, right, (), (), (*left.columns, *right.columns))

    def join(self, plan: Json) -> a.Node:
        left, right = (self.node(child) for child in plan["children"])
        kind = plan["join_type"].lower()
        if kind not in {"inner", "left", "right", "full", "semi", "anti", "mark", "single"}:
            raise UnsupportedError(f"{kind} join")
        conditions: list[a.Condition] = []
        others: list[a.Expr] = []
        both = (*left.columns, *right.columns)
        for condition in plan.get("conditions", []):
            comparison = COMPARISONS.get(condition.get("comparison", ""))
            if comparison is None:
                others += self._scalars([condition["left"]], both)
            else:
                (one,) = self._scalars([condition["left"]], left.columns)
                (other,) = self._scalars([condition["right"]], right.columns)
                conditions.append(a.Condition(one, comparison, other))
        if plan.get("condition"):
            others += self._scalars([plan["condition"]], both)
        if plan.get("predicate") or plan.get("duplicate_eliminated_columns") or plan.get("delim_flipped"):
            raise UnsupportedError("a correlated subquery")
        kept_left = _kept(left.columns, plan.get("left_projection_map"))
        kept_right = () if kind in ("semi", "anti", "mark") else _kept(right.columns, plan.get("right_projection_map"))
        mark = Column(self._names.new("found"), "BOOLEAN") if kind == "mark" else None
        columns = (*kept_left, *kept_right, *([mark] if mark else []))
        return a.Join(kind, left, right, tuple(conditions), tuple(others), columns, mark)

    def union(self, plan: Json) -> a.Node:
        if not plan["setop_all"]:
            raise UnsupportedError("union")
        children = tuple(self.node(child) for child in plan["children"])
        return a.UnionAll(children, self._fresh(children[0].columns))

    def set_operation(self, plan: Json) -> a.Node:
        left, right = (self.node(child) for child in plan["children"])
        name = plan["type"].removeprefix("LOGICAL_")
        if [c.type for c in left.columns] != [c.type for c in right.columns]:
            raise UnsupportedError(f"{name} of different types")
        return a.SetOperation(name, plan["setop_all"], left, right, self._fresh(left.columns))

    def cte(self, plan: Json) -> a.Node:
        definition = self.node(plan["children"][0])
        self._shared[plan["table_index"]] = definition.columns
        return a.Cte(plan["table_index"], definition, self.node(plan["children"][1]))

    # -- helpers --------------------------------------------------------------------------------------------------

    def _child(self, plan: Json) -> a.Node:
        (child,) = plan["children"]
        return self.node(child)

    def _scalars(self, values: Iterable[Json], columns: Columns) -> tuple[a.Expr, ...]:
        given = list(values)
        read = [expression(v, columns) for v in given]
        return prove(self._binder, given, read, columns, "PROJECTION")

    def _orders(self, value: Any, columns: Columns) -> tuple[a.Order, ...]:
        read = orders(value, columns)
        given = value["orders"] if isinstance(value, dict) else value or []
        exprs = prove(self._binder, [o["expression"] for o in given], [o.expr for o in read], columns, "PROJECTION")
        return tuple(replace(order, expr=expr) for order, expr in zip(read, exprs, strict=True))

    def _named(self, exprs: Sequence[a.Expr], wishes: Sequence[str]) -> Columns:
        """Return a column for each expression; what is just a column of the child keeps its symbol."""
        columns: dict[str, Column] = {}
        for expr, wish in zip(exprs, wishes, strict=True):
            kept = isinstance(expr, a.Ref) and expr.name not in columns
            name = expr.name if isinstance(expr, a.Ref) and kept else self._names.new(wish)
            columns[name] = Column(name, expr.type)
        return tuple(columns.values())

    def _fresh(self, columns: Sequence[Column]) -> Columns:
        return tuple(Column(self._names.new(c.name or "c"), c.type) for c in columns)


def _wish(expr: a.Expr, otherwise: str) -> str:
    """Return a telling name for the value of an expression."""
    if isinstance(expr, a.Ref):
        return expr.name
    if isinstance(expr, a.Cast):
        return _wish(expr.arg, otherwise)
    inner = sorted(a.refs(expr))
    if isinstance(expr, (a.Call, a.AggregateCall)) and len(inner) == 1 and expr.name.isidentifier():
        return f"{expr.name}_{inner[0]}"
    return otherwise


def _kept(columns: Columns, positions: list[int] | None) -> Columns:
    return tuple(columns[p] for p in positions) if positions else columns


def _projected(node: a.Node, positions: list[int] | None) -> a.Node:
    if not positions:
        return node
    columns = _kept(node.columns, positions)
    return a.Project(node, tuple(a.Ref(c.name, c.type) for c in columns), columns)


def _count(value: Json) -> int | None:
    """Return a constant LIMIT or OFFSET; None when there is none."""
    if value["type"] == "UNSET":
        return None
    if value["type"] != "CONSTANT_VALUE":
        raise UnsupportedError("a LIMIT that isn't a plain number")
    return int(value["constant_integer"])


_OPERATORS: dict[str, Callable[[_Decoder, Json], a.Node]] = {
    "GET": _Decoder.get,
    "CTE_REF": _Decoder.cte_ref,
    "DUMMY_SCAN": _Decoder.dummy_scan,
    "EMPTY_RESULT": _Decoder.empty_result,
    "EXPRESSION_GET": _Decoder.expression_get,
    "FILTER": _Decoder.filter,
    "PROJECTION": _Decoder.project,
    "AGGREGATE_AND_GROUP_BY": _Decoder.aggregate,
    "WINDOW": _Decoder.window,
    "UNNEST": _Decoder.unnest,
    "DISTINCT": _Decoder.distinct,
    "ORDER_BY": _Decoder.sort,
    "LIMIT": _Decoder.limit,
    "CROSS_PRODUCT": _Decoder.cross_product,
    "COMPARISON_JOIN": _Decoder.join,
    "ANY_JOIN": _Decoder.join,
    "UNION": _Decoder.union,
    "INTERSECT": _Decoder.set_operation,
    "EXCEPT": _Decoder.set_operation,
    "MATERIALIZED_CTE": _Decoder.cte,
}
