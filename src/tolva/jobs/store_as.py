"""Queries whose answers become stored tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tolva.errors import DocumentError
from tolva.formats.types import canonical
from tolva.model import NewLoad
from tolva.plan import Plan, Result, Stage
from tolva.planner.quoting import quoted

_LARGEST = "DECIMAL(38,0)"
"""The type of the largest whole numbers that have a columnar form."""


def storing(plan: Plan, loads: Mapping[str, NewLoad]) -> tuple[Plan, tuple[NewLoad, ...]]:
    """Return the plan whose queries named in ``loads`` store their answers, and the loads with their columns.

    DocumentError if an answer has a column that a stored table can't have.
    """
    made = []
    stages = []
    for stage in plan.stages:
        load = loads.get(stage.result.query) if stage.result else None
        if load is None or stage.result is None:
            stages.append(stage)
        else:
            result = _without_hugeints(stage, stage.result)
            made.append(replace(load, columns=_columns(result)))
            stages.append(_storing(replace(stage, result=result), load.table))
    return replace(plan, stages=tuple(stages)), tuple(made)


def _storing(stage: Stage, table: str) -> Stage:
    return replace(stage, settings=stage.settings | {"store_as": table}, notes=(*stage.notes, f"stored as {table}"))


def _without_hugeints(stage: Stage, result: Result) -> Result:
    """Return the result with ``_LARGEST`` for each column of HUGEINT, as sums of whole numbers are.

    A sum of more digits, which would take 10**19 of the largest BIGINT, fails.
    """
    huge = [column.name for column in result.columns if column.type == "HUGEINT"]
    if not huge:
        return result
    rows = result.sql or " UNION ALL ".join(f"SELECT * FROM {quoted(given.relation)}" for given in stage.inputs)
    casts = ", ".join(f"CAST({quoted(name)} AS {_LARGEST}) AS {quoted(name)}" for name in huge)
    columns = tuple(replace(column, type=_LARGEST) if column.name in huge else column for column in result.columns)
    return replace(result, columns=columns, sql=f"SELECT * REPLACE ({casts}) FROM (\n{rows}\n)")


def _columns(result: Result) -> tuple[tuple[str, str], ...]:
    for column in result.columns:
        try:
            known = canonical(column.type) == column.type
        except DocumentError:
            known = False
        if not known:
            raise DocumentError(
                f"Query {result.query!r}: its column {column.name} is {column.type}, which a stored table can't have; "
                f"cast it in the query, to {_LARGEST}, DOUBLE or VARCHAR, say.",
                query=result.query,
                column=column.name,
            )
    return tuple((column.name, column.type) for column in result.columns)
