"""What may be asked at all: exactly one SELECT, over the job's tables and harmless table functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb

from tolva.errors import QueryError
from tolva.planner.binder import Binder
from tolva.planner.pointer import query_error

_SUSPECT = ("TABLE_FUNCTION", "SHOW_REF")
TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"})


def one_select(binder: Binder, query: str, sql: str) -> str:
    """Return the text of the one SELECT that ``sql`` is. QueryError if it is anything else."""
    try:
        statements = binder.statements(sql)
    except duckdb.Error as error:
        raise query_error(query, sql, error) from None
    if len(statements) != 1:
        what = "is empty" if not statements else f"has {len(statements)} statements"
        raise QueryError(f"Query {query!r} {what}. Write exactly one SELECT.", query=query)
    kind, text = statements[0]
    if kind != "SELECT":
        raise QueryError(f"Query {query!r} is a {kind} statement. Write exactly one SELECT.", query=query)
    return text.strip().rstrip(";").rstrip()


def harmless(binder: Binder, query: str, sql: str) -> None:
    """Raise QueryError if the SELECT calls a table function that could reach anything but the job's tables."""
    text = binder.syntax(sql)
    if text is None:
        raise QueryError(f"Query {query!r} is a statement that can't be checked. Write a plain SELECT.", query=query)
    if not any(kind in text for kind in _SUSPECT):
        return
    for found in _objects(json.loads(text)):
        if found.get("type") == "SHOW_REF":
            raise QueryError(f"Query {query!r} describes tables. Write a SELECT over their rows.", query=query)
        if found.get("type") != "TABLE_FUNCTION":
            continue
        name = _function_name(found["function"])
        if name not in TABLE_FUNCTIONS:
            raise QueryError(
                f"Query {query!r} calls the table function {name}(), which isn't allowed here. "
                "Name the files as a table of the job instead.",
                query=query,
                function=name,
            )


def _function_name(function: dict[str, Any]) -> str:
    if "function_name" in function:
        return str(function["function_name"]).lower()
    return str(function["qname"]["path"][-1]).lower()


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)
