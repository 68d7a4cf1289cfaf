"""What every step of the catalog works in: one open transaction, and the rows it locks first.

Locks are always taken in the order job, task, stage, so that transactions wait for each other but never in a circle.
(SQLite has one writer at a time and leaves ``FOR UPDATE`` out.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Table, bindparam, select

from tolva.catalog import Limits
from tolva.catalogs.schema import RUNNING, job, task
from tolva.errors import NotFoundError
from tolva.states import JOB_CHANGES, JobStatus

AnyRow = Row[*tuple[Any, ...]]

Inserts = Callable[[Table], Any]
"""The dialect's ``insert``, the one that knows ``on_conflict_do_nothing``."""


@dataclass(frozen=True)
class Tx:
    """An open transaction. ``over`` is where its steps note the jobs that they gave a final status."""

    connection: Connection
    clock: Callable[[Connection], float]
    limits: Limits
    insert: Inserts
    over: set[str] = field(default_factory=set)

    @cached_property
    def now(self) -> float:
        """The catalog's time, the same for all that happens in the transaction; not asked for where nobody needs it."""
        return self.clock(self.connection)


LIVE = tuple(status for status, changes in JOB_CHANGES.items() if changes)
"""The statuses of jobs that aren't over."""

FINAL = tuple(status for status in JobStatus if status.final)
"""Those of jobs that are."""

# Statements of the hot path are built once; building one costs more than running it.
_LOCK_JOB = (
    select(job.c.id, job.c.client, job.c.status, job.c.input_ended, job.c.uploads_ended, job.c.files_deleted_at)
    .where(job.c.id == bindparam("job_id"))
    .with_for_update()
)
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_LOCK_JOBS_OF = (
    select(job.c.id)
    .where(job.c.id.in_(select(task.c.job_id).where(task.c.id.in_(_IDS))))
    .order_by(job.c.id)
    .with_for_update()
)
_LOCK_RUNNING = (
    select(task.c.id, task.c.job_id, task.c.stage_id, task.c.ordinal, task.c.role, task.c.bytes)
    .add_columns(task.c.attempt, task.c.failures, task.c.lease_until, job.c.client)
    .join(job, job.c.id == task.c.job_id)
    .where(task.c.id.in_(_IDS), task.c.state == RUNNING, job.c.status == JobStatus.WIP)
    .order_by(task.c.id)
    .with_for_update(of=task)
)


def not_found(job_id: str) -> NotFoundError:
    """Return the error for a job that isn't there."""
    return NotFoundError(f"There is no job {job_id}. `tolva jobs` lists those that are there.", job=job_id)


def lock_job(tx: Tx, job_id: str) -> AnyRow:
    """Return the job's id, client, status and whether its input ended, held against changes. NotFoundError if none."""
    found = tx.connection.execute(_LOCK_JOB, {"job_id": job_id}).one_or_none()
    if found is None:
        raise not_found(job_id)
    return found


def lock_running(tx: Tx, task_ids: Collection[int]) -> dict[int, AnyRow]:
    """Return those of the tasks that are running in a job that is wip, by id, held against changes."""
    ids = {"ids": sorted(set(task_ids))}
    tx.connection.execute(_LOCK_JOBS_OF, ids)
    return {row.id: row for row in tx.connection.execute(_LOCK_RUNNING, ids)}
