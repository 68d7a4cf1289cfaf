"""What may be asked at all: exactly one SELECT, over the job's tables, of functions that touch nothing else.

The gate reads DuckDB's own syntax tree of the query, before anything is bound. It lets through what it knows
(``functions``), not what it fails to recognise as harmful.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tolva.errors import QueryError
from tolva.plan import Column
from tolva.planner import functions
from tolva.planner.binder import Binder, Refusal
from tolva.planner.moments import Place

Json = dict[str, Any]

SQL_BYTES_MAX = 2**20
"""A megabyte of SQL takes DuckDB's parser up to a hundred times as much memory."""

_OWN_TABLES = "seq_scan"
_NO_PLACE = 2**64 - 1
_ENDS_MAX = 20
"""Each try to find a query's end parses it once more; a megabyte may hold a million semicolons."""

_BY_NAME = frozenset({"aggregate", "array_aggr", "array_aggregate", "list_aggr", "list_aggregate"})
"""Functions that call an aggregate whose name is their second argument."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that is one SELECT.

    Args:
        sql: its text, without what ends it.
        moments: where it asks for the time.
        unjudged: functions that it calls and nobody has judged. They may be ones that don't exist.
    """

    sql: str
    moments: tuple[Place, ...]
    unjudged: tuple[Refusal, ...]


def one_select(binder: Binder, query: str, sql: str, tables: Mapping[str, Sequence[Column]]) -> Asked:
    """Return the one SELECT that ``sql`` is. QueryError if it is anything else.

    Raises:
        QueryError: there isn't one SELECT, it is too long, or it has parameters.
        Refusal: it isn't SQL, or calls what could reach more than the tables.
    """
    if len(sql.encode()) > SQL_BYTES_MAX:
        raise QueryError(
            f"Query {query!r} is longer than {SQL_BYTES_MAX:,} bytes. Put long lists of values into a file, "
            "name it as a table and join it.",
            query=query,
        )
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
    moments, unjudged = _judged(query, json.loads(tree), tables)
    return Asked(_without_end(binder, sql, tree), moments, unjudged)


def only_own_tables(query: str, plan: Json) -> None:
    """Raise QueryError if a bound plan reads anything but the job's tables: the engine's own catalog, say."""
    if plan["type"] == "LOGICAL_GET":
        name = plan["qname"]["path"][-1]
        if name != _OWN_TABLES and name not in functions.TABLES:
            raise QueryError(f"Query {query!r}: {_why(name, in_from=True)}", query=query, function=name)
    for child in plan["children"]:
        only_own_tables(query, child)


def _judged(
    query: str, tree: Json, tables: Mapping[str, Sequence[Column]]
) -> tuple[tuple[Place, ...], tuple[Refusal, ...]]:
    """Return where the time is asked for, and what nobody has judged; raise for what isn't allowed."""
    columns = {column.name.lower() for listed in tables.values() for column in listed} | set(_aliases(tree))
    moments: list[Place] = []
    unjudged: list[Refusal] = []
    for found in objects(tree):
        _check_shape(query, found, columns)
        if found.get("type") == "TABLE_FUNCTION":
            _check_table_function(found)
        elif "function_name" in found:
            unjudged += _check_call(found)
            moments += _moment(found, found["function_name"].lower())
        elif found.get("class") == "COLUMN_REF" and len(found["column_names"]) == 1:
            moments += _word(found, found["column_names"][0].lower(), columns)
    return tuple(moments), tuple(unjudged)


def _check_shape(query: str, found: Json, columns: set[str]) -> None:
    if found.get("type") == "SHOW_REF":
        raise QueryError(f"Query {query!r} describes tables. Write a SELECT over their rows.", query=query)
    if found.get("class") == "PARAMETER":
        raise QueryError(f"Query {query!r} has a parameter ($1 or ?). Write its value.", query=query)
    if found.get("class") == "COLUMN_REF" and found["column_names"][-1].lower() == "rowid" and "rowid" not in columns:
        raise QueryError(
            f"Query {query!r} uses rowid, but rows have no number here. Use a column instead.", query=query
        )
    if found.get("export_state"):
        raise _refused(found, "EXPORT_STATE isn't allowed: it shows how the engine keeps a value. Leave it out.")


def _check_table_function(found: Json) -> None:
    name = found["function"].get("function_name", "").lower()
    if name not in functions.TABLES:
        raise _refused(found, _why(name, in_from=True))


def _check_call(found: Json) -> Iterator[Refusal]:
    """Yield a refusal for a function that nobody has judged; raise it for one that was found wanting."""
    name = found["function_name"].lower()
    if name in _BY_NAME:
        name = _aggregate_named(found) or name
    if name in functions.TABLES or functions.may_be_called(name):
        if name == "age" and _argument_count(found) == 1:
            raise _refused(found, "age() of one time reads the clock unseen. Write age(current_date, x).")
        return
    if functions.refusal_of(name) is not None:
        raise _refused(found, _why(name))
    yield _refused(found, f"{name}() isn't known here, so it isn't allowed. Use another function.")


def _aggregate_named(found: Json) -> str | None:
    """Return the aggregate that a list function is told to call by name; as a method it has one argument less."""
    arguments = [argument["expression"] for argument in found["arguments"]][:2]
    if len(found["qualified_name"]["path"]) == 1:
        arguments = arguments[1:]
    texts = [a["literal"]["text"] for a in arguments if a.get("class") == "CONSTANT" and "text" in a["literal"]]
    if arguments and not texts:
        raise _refused(found, "The name of the aggregate must be written out, as in list_aggregate(x, 'sum').")
    return str(texts[0]).lower() if texts else None


def _argument_count(found: Json) -> int:
    """Return how many arguments a call has; ``x.f()`` has one."""
    path = found["qualified_name"]["path"]
    is_method = len(path) > 1 and path[0].lower() not in ("main", "system", "pg_catalog")
    return len(found["arguments"]) + is_method


def _moment(found: Json, name: str) -> list[Place]:
    if name not in functions.MOMENTS:
        return []
    if found["query_location"] == _NO_PLACE:
        raise Refusal(f"{name}() can't stand here. Put it into a WITH, and use it from there.")
    return [Place(found["query_location"], found["query_location_length"], name)]


def _word(found: Json, word: str, columns: set[str]) -> list[Place]:
    """Return the place of a bare word that asks for the time; nothing when it is a column."""
    if word not in functions.WORDS:
        return []
    function = functions.WORDS[word]
    if function is None:
        if word in columns:
            return []
        raise _refused(found, f"{word} isn't allowed: it tells about the session, not your rows. Leave it out.")
    if word in columns:
        raise _refused(
            found, f"{word} may be a column or the time. Write table.{word} for the column, {function}() for the time."
        )
    return _moment(found, function)


def _why(name: str, *, in_from: bool = False) -> str:
    group = functions.refusal_of(name)
    if group is not None:
        return f"{name}() isn't allowed: it {group.why}. {group.instead}"
    where = " in FROM" if in_from else ""
    return f"{name}() isn't allowed{where}. What may stand there like a table: {', '.join(sorted(functions.TABLES))}."


def _refused(found: Json, message: str) -> Refusal:
    offset, length = found.get("query_location", _NO_PLACE), found.get("query_location_length", 1)
    return Refusal(message, offset=None if offset == _NO_PLACE else offset, length=length)


def _aliases(tree: Json) -> Iterator[str]:
    """Yield every name that the query itself gives to something, in lower case."""
    for found in objects(tree):
        for key, value in found.items():
            if key == "alias" and isinstance(value, str):
                yield value.lower()
            elif key not in ("column_names", "path") and isinstance(value, list):
                yield from (one.lower() for one in value if isinstance(one, str))


def _without_end(binder: Binder, sql: str, tree: str) -> str:
    """Return the statement without its semicolon and what follows that: it is going to be put in brackets."""
    place = len(sql)
    for _ in range(_ENDS_MAX):
        place = sql.rfind(";", 0, place)
        if place < 0:
            break
        if binder.syntax(sql[:place]) == tree:
            sql = sql[:place]
    return sql


def objects(value: Any) -> Iterator[Json]:
    """Yield the objects of a tree; without recursion, for a query may nest deeply."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left += one.values()
        elif isinstance(one, list):
            left += one
