"""How much each stage of a plan will read, as far as that can be told before: for people, who see it in the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tolva.plan import Plan, Stage
from tolva.planner import UNKNOWN_BYTES, TableInfo


def with_sizes(plan: Plan, tables: Mapping[str, TableInfo], left: Mapping[str, int]) -> Plan:
    """Return the plan whose stages say how many bytes all their tasks read together, about.

    Args:
        plan: the plan.
        tables: what is known of the tables.
        left: the sizes of outputs, as far as they were estimated.
    """
    return replace(plan, stages=tuple(replace(s, estimated_bytes=_read(s, tables, left)) for s in plan.stages))


def _read(stage: Stage, tables: Mapping[str, TableInfo], left: Mapping[str, int]) -> int | None:
    if stage.table is None:
        sizes = [left.get(given.output) for given in stage.inputs]
        return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None
    table = tables[stage.table]
    if table.column_bytes is not None:
        return sum(table.column_bytes.get(name, 0) for name in stage.columns)
    # Of text all is read: fields are found by reading on.
    return table.bytes if table.bytes < UNKNOWN_BYTES else None
