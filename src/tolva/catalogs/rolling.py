"""Stages that read runs: a task for each part, made while more runs come.

A run is a segment that can be a piece of a part. It is committed with the task that left it, waits, and is taken by
one task of the reading stage, in the transaction that makes this task. So every run is in one part, whatever dies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from tolva.catalogs.schema import WAITING_RUN, segment, task
from tolva.catalogs.transactions import AnyRow, Tx
from tolva.fit import best_fit
from tolva.plan import Reads
from tolva.states import TaskState

_TAKE = (
    update(segment)
    .where(
        segment.c.stage_id == bindparam("of_stage"),
        segment.c.output == bindparam("of_output"),
        segment.c.partition == bindparam("of_partition"),
        segment.c.task_id == bindparam("of_task"),
    )
    .values(taken_by=bindparam("by_task"))
)


@dataclass(frozen=True, slots=True)
class _Run:
    task_id: int
    partition: int
    room_bytes: int

    @property
    def name(self) -> str:
        return f"{self.task_id:020}/{self.partition:010}"


def is_rolling(each: AnyRow) -> bool:
    """Tell whether the stage reads runs."""
    return any(given["reads"] == Reads.RUNS for given in each.inputs)


def make_tasks(tx: Tx, each: AnyRow, *, ended: bool) -> None:
    """Make tasks of the stage's waiting runs; each takes runs that fit into one part together.

    Once no more runs will come (``ended``), all of them are taken; before, only while strictly more than multiplier x
    cap bytes wait, so that there is a choice to fill a part with. The caller holds the job's row.
    """
    (given,) = each.inputs
    runs = _waiting(tx, given)
    ordinal: int = each.created
    while runs and (ended or sum(run.room_bytes for run in runs) > given["multiplier"] * given["max_bytes"]):
        chosen = best_fit(runs, given["max_bytes"])
        _make_task(tx, each, given, ordinal, chosen)
        ordinal += 1
        taken = set(chosen)
        runs = [run for run in runs if run not in taken]


def _waiting(tx: Tx, given: dict[str, Any]) -> list[_Run]:
    rows = tx.connection.execute(
        select(segment.c.task_id, segment.c.partition, segment.c.byte_length).where(
            segment.c.stage_id == given["stage_id"], segment.c.output == given["output"], WAITING_RUN
        )
    )
    return [_Run(*row) for row in rows]


def _make_task(tx: Tx, each: AnyRow, given: dict[str, Any], ordinal: int, runs: list[_Run]) -> None:
    row = {
        "job_id": each.job_id,
        "stage_id": each.id,
        "role": each.role,
        "state": TaskState.READY,
        "attempt": 0,
        "failures": 0,
        "ordinal": ordinal,
        "bytes": sum(run.room_bytes for run in runs),
        "partitions": None,
    }
    task_id = tx.connection.execute(insert(task).values(row).returning(task.c.id)).scalar_one()
    place = {"of_stage": given["stage_id"], "of_output": given["output"], "by_task": task_id}
    tx.connection.execute(_TAKE, [place | {"of_partition": run.partition, "of_task": run.task_id} for run in runs])
