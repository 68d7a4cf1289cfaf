"""What every step of the catalog works in: one open transaction, and the rows it locks first.

Locks are always taken in the order job, task, stage, so that transactions wait for each other but never in a circle.
(SQLite has one writer at a time and leaves ``FOR UPDATE`` out.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from tolva.catalog import Limits
from tolva.catalogs.schema import RUNNING, job, task
from tolva.errors import NotFoundError
from tolva.states import JOB_CHANGES, JobStatus

AnyRow = Row[*tuple[Any, ...]]

Inserts = Callable[[Table], Any]
"""The dialect's ``insert``, the one that knows ``on_conflict_do_nothing``."""


@dataclass(frozen=True, slots=True)
class Tx:
    """An open transaction. ``now`` is the catalog's time, the same for all that happens in it."""

    connection: Connection
    now: float
    limits: Limits
    insert: Inserts


LIVE = tuple(status for status, changes in JOB_CHANGES.items() if changes)
"""The statuses of jobs that aren't over."""


def not_found(job_id: str) -> NotFoundError:
    """Return the error for a job that isn't there."""
    return NotFoundError(f"There is no job {job_id}. `tolva jobs` lists those that are there.", job=job_id)


def lock_job(tx: Tx, job_id: str) -> AnyRow:
    """Return the job's id, client, status and whether its input ended, held against changes. NotFoundError if none."""
    found = tx.connection.execute(
        select(job.c.id, job.c.client, job.c.status, job.c.input_ended).where(job.c.id == job_id).with_for_update()
    ).one_or_none()
    if found is None:
        raise not_found(job_id)
    return found


def lock_running(tx: Tx, task_ids: Collection[int]) -> dict[int, AnyRow]:
    """Return those of the tasks that are running in a job that is wip, by id, held against changes."""
    ids = sorted(set(task_ids))
    tx.connection.execute(
        select(job.c.id)
        .where(job.c.id.in_(select(task.c.job_id).where(task.c.id.in_(ids))))
        .order_by(job.c.id)
        .with_for_update()
    )
    rows = tx.connection.execute(
        select(task.c.id, task.c.job_id, task.c.stage_id, task.c.ordinal, task.c.role, task.c.bytes)
        .add_columns(task.c.attempt, task.c.failures, task.c.lease_until)
        .join(job, job.c.id == task.c.job_id)
        .where(task.c.id.in_(ids), task.c.state == RUNNING, job.c.status == JobStatus.WIP)
        .order_by(task.c.id)
        .with_for_update(of=task)
    )
    return {row.id: row for row in rows}
