"""What may be asked at all: exactly one SELECT, over the job's tables and harmless table functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tolva.errors import QueryError
from tolva.plan import Column
from tolva.planner.binder import Binder

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"})
_ROW_ID = '"rowid"]'
_OWN_TABLES = "seq_scan"
_SUSPECT = ('"TABLE_FUNCTION"', '"SHOW_REF"', '"PARAMETER"')


def one_select(binder: Binder, query: str, sql: str, tables: Mapping[str, Sequence[Column]]) -> str:
    """Return the one SELECT that ``sql`` is, without what ends it. QueryError if it is anything else.

    Raises:
        QueryError: there isn't one SELECT, or it has parameters or calls what could reach more than the tables.
        Refusal: it isn't SQL.
    """
    kinds = binder.statements(sql)
    if len(kinds) != 1:
        what = "is empty" if not kinds else f"has {len(kinds)} statements"
        raise QueryError(f"Query {query!r} {what}. Write exactly one SELECT.", query=query)
    if kinds[0] == "MULTI":
        how = "In a PIVOT, say which values become columns: ON x IN (...)."
        raise QueryError(f"Query {query!r} needs more than one statement. {how}", query=query)
    tree = binder.syntax(sql) if kinds[0] == "SELECT" else None
    if tree is None:
        raise QueryError(f"Query {query!r} is not a SELECT but {kinds[0]}. Write exactly one SELECT.", query=query)
    if any(kind in tree for kind in _SUSPECT):
        _check(query, json.loads(tree))
    if _ROW_ID in tree.lower() and not any(c.name.lower() == "rowid" for t in tables.values() for c in t):
        raise QueryError(
            f"Query {query!r} uses rowid, but rows have no number here. Use a column instead.", query=query
        )
    return _without_end(binder, sql, tree)


def only_own_tables(query: str, plan: dict[str, Any]) -> None:
    """Raise QueryError if a bound plan reads anything but the job's tables: the engine's own catalog, say."""
    if plan["type"] == "LOGICAL_GET":
        name = plan["qname"]["path"][-1]
        if name != _OWN_TABLES and name not in TABLE_FUNCTIONS:
            raise _not_allowed(query, name)
    for child in plan["children"]:
        only_own_tables(query, child)


def _check(query: str, tree: dict[str, Any]) -> None:
    for found in _objects(tree):
        if found.get("type") == "SHOW_REF":
            raise QueryError(f"Query {query!r} describes tables. Write a SELECT over their rows.", query=query)
        if found.get("class") == "PARAMETER":
            raise QueryError(f"Query {query!r} has a parameter ($1 or ?). Write its value.", query=query)
        if found.get("type") == "TABLE_FUNCTION":
            name = _function_name(found["function"])
            if name not in TABLE_FUNCTIONS:
                raise _not_allowed(query, name)


def _not_allowed(query: str, function: str) -> QueryError:
    return QueryError(
        f"Query {query!r} reads from {function}(), which isn't allowed here. Name files as tables of the job instead.",
        query=query,
        function=function,
    )


def _function_name(function: dict[str, Any]) -> str:
    name = function["function_name"] if "function_name" in function else function["qname"]
    return str(name["path"][-1] if isinstance(name, dict) else name).lower()


def _without_end(binder: Binder, sql: str, tree: str) -> str:
    """Return the statement without its semicolon and what follows that: it is going to be put in brackets."""
    place = sql.rfind(";")
    while place >= 0:
        if binder.syntax(sql[:place]) == tree:
            sql = sql[:place]
        place = sql.rfind(";", 0, place)
    return sql


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)
