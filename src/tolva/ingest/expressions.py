"""Users' expressions: judged and bound before they run, and nothing but a value for each record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb

from tolva.errors import DocumentError, QueryError
from tolva.ingest.rules import ColumnRule, Rules
from tolva.ingest.statements import value_sql
from tolva.plan import Column, Format
from tolva.planner import Query
from tolva.planner.binder import Binder
from tolva.planner.question import Asker
from tolva.planner.steady import volatile_calls

_SCOPE = "record"
_BEFORE = "SELECT ("
_AFTER = f"\n) AS value FROM {_SCOPE}"
_PLAIN = ("LOGICAL_PROJECTION", "LOGICAL_GET")


def checked(rules: Rules, fields: Sequence[str]) -> dict[str, str]:
    """Return each expression of the rules as it is to run, by its text; the time is one for the whole job.

    DocumentError if one can't be bound, or is more than a value computed from one record, and of that record alone: a
    chunk may be computed twice. So it is if a bound, default or allowed value isn't of its column's type.
    """
    own = {column.name.casefold() for column in rules.columns}
    seen = [Column(column.name, column.type) for column in rules.columns if column.source is not None]
    seen += [Column(field, "VARCHAR") for field in fields if field.casefold() not in own]
    binder = Binder()
    try:
        binder.create(_SCOPE, seen)
        asker = Asker(binder, {_SCOPE: seen})
        for column in rules.columns:
            _check_constants(binder, column)
        named = [(f"columns.{column.name}.sql", column.sql) for column in rules.columns if column.sql is not None]
        named += [(f"checks.{check.code}.sql", check.sql) for check in rules.checks]
        found = {sql: _one(asker, where, sql) for where, sql in named}
        for check in rules.checks:
            _check_truth(binder, check.code, found[check.sql])
        return found
    finally:
        binder.close()


def _one(asker: Asker, where: str, sql: str) -> str:
    try:
        question = asker.understand(where, Query(f"{_BEFORE}{sql}{_AFTER}", Format.PARQUET))
    except QueryError as error:
        raise DocumentError(error.message, **error.data) from None
    names = [column.name for column in question.result.columns]
    if names != ["value"] or question.bound is None or not _is_plain(question.bound):
        raise DocumentError(
            f"{where} must be an expression over the columns and fields of one record: no subquery, aggregate, window "
            "or unnest.",
            where=where,
        )
    for name in volatile_calls(question.bound):
        raise DocumentError(
            f"{where} calls {name}(), whose value its arguments don't fix: a record that is worked on again must come "
            "to the same. Use values of the record; to refuse it, write a check.",
            where=where,
        )
    return question.sql.removeprefix(_BEFORE).removesuffix(_AFTER)


def _is_plain(plan: Mapping[str, Any]) -> bool:
    return plan["type"] in _PLAIN and all(_is_plain(child) for child in plan["children"])


def _check_truth(binder: Binder, code: str, sql: str) -> None:
    (column,) = binder.describe(f"{_BEFORE}{sql}{_AFTER}")
    if column.type != "BOOLEAN":
        raise DocumentError(f"checks.{code}.sql is {column.type}; write a condition, which is true or false.")


def _check_constants(binder: Binder, column: ColumnRule) -> None:
    for word, text in _constants(column):
        try:
            binder.values([value_sql(column, text)])
        except duckdb.Error:
            raise DocumentError(
                f"columns.{column.name}.{word}: {text!r} is not {column.type}", column=column.name
            ) from None
    if column.pattern is not None:
        quoted = column.pattern.replace("'", "''")
        try:
            binder.values([f"regexp_full_match('', '{quoted}')"])
        except duckdb.Error as error:
            raise DocumentError(f"columns.{column.name}.pattern: {error}", column=column.name) from None


def _constants(column: ColumnRule) -> Iterable[tuple[str, str]]:
    given = [("default", column.default), ("min", column.minimum), ("max", column.maximum)]
    yield from ((word, text) for word, text in given if text is not None)
    yield from (("values", text) for text in column.allowed)
