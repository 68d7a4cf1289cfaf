"""One parse of a chunk serves every query of the job, also those that join small tables to it.

A scan that reads broadcast rows is planned as a stage of its own, since it has to wait for them. If it waits for
nothing but scans of small tables, waiting is cheaper than parsing a big table twice: the scans of that table become
one. Only big tables are merged so, and only on small ones can a merged scan depend, so no stage comes to wait for
itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tolva.plan import Plan, Stage
from tolva.planner import TableInfo


def one_parse(plan: Plan, tables: Mapping[str, TableInfo], small_bytes: int) -> Plan:
    """Return the plan with the scans of each table larger than ``small_bytes`` merged where that costs no long wait."""
    small = frozenset(name for name, table in tables.items() if table.bytes <= small_bytes)
    for name, table in tables.items():
        if name not in small:
            scans = [s for s in plan.stages if s.table == name and _tables_before(plan, s) <= small]
            plan = _merged(plan, scans, [column.name for column in table.columns])
    return plan


def _tables_before(plan: Plan, stage: Stage) -> frozenset[str | None]:
    """Return the tables whose scans must be over before the stage starts; None stands for stages that scan nothing."""
    before = [plan.stage(name) for name in plan.needs(stage)]
    return frozenset(s.table for s in before).union(*(_tables_before(plan, s) for s in before))


def _merged(plan: Plan, scans: list[Stage], columns: list[str]) -> Plan:
    if not scans:
        return plan
    needed = {column for scan in scans for column in scan.columns}
    whole = replace(
        scans[0],
        columns=tuple(column for column in columns if column in needed),
        inputs=tuple(dict.fromkeys(given for scan in scans for given in scan.inputs)),
        outputs=tuple(output for scan in scans for output in scan.outputs),
    )
    others = [stage for stage in plan.stages if stage not in scans]
    return _in_order(plan, [whole, *others])


def _in_order(plan: Plan, stages: list[Stage]) -> Plan:
    """Return the plan with these stages, each after those it reads from."""
    unordered = replace(plan, stages=tuple(stages))
    done: dict[str, Stage] = {}

    def add(stage: Stage) -> None:
        for name in sorted(unordered.needs(stage) - done.keys()):
            add(unordered.stage(name))
        done.setdefault(stage.name, stage)

    for stage in stages:
        add(stage)
    return replace(plan, stages=tuple(done.values()))
