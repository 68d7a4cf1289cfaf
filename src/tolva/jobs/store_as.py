"""Queries whose answers become stored tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tolva.errors import DocumentError
from tolva.formats.types import canonical
from tolva.model import NewLoad
from tolva.plan import Plan, Result, Stage


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
            made.append(replace(load, columns=_columns(stage.result)))
            stages.append(_storing(stage, load.table))
    return replace(plan, stages=tuple(stages)), tuple(made)


def _storing(stage: Stage, table: str) -> Stage:
    return replace(stage, settings=stage.settings | {"store_as": table}, notes=(*stage.notes, f"stored as {table}"))


def _columns(result: Result) -> tuple[tuple[str, str], ...]:
    for column in result.columns:
        try:
            known = canonical(column.type) == column.type
        except DocumentError:
            known = False
        if not known:
            raise DocumentError(
                f"Query {result.query!r}: its column {column.name} is {column.type}, which a stored table can't have; "
                "cast it in the query, to DECIMAL(38,0), DOUBLE or VARCHAR, say.",
                query=result.query,
                column=column.name,
            )
    return tuple((column.name, column.type) for column in result.columns)
