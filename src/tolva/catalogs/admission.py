"""Which pending jobs may start: first in, first out for each client, and clients with the least running first."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Select, and_, bindparam, exists, func, not_, or_, select, update

from tolva.catalogs.barriers import advance
from tolva.catalogs.rows import hints_of
from tolva.catalogs.schema import READY, StageState, job, stage, task
from tolva.catalogs.transactions import Tx
from tolva.model import Hint
from tolva.states import JobStatus


def _startable() -> Select[Any]:
    """Jobs with a ready task, or with nothing at all to do: as many of each client's oldest as it could ever run."""
    has_ready = exists().where(task.c.job_id == job.c.id, task.c.state == READY)
    has_unfinished = exists().where(stage.c.job_id == job.c.id, stage.c.state != StageState.OVER)
    can_start = or_(has_ready, and_(job.c.input_ended, not_(has_unfinished)))
    place = func.row_number().over(partition_by=job.c.client, order_by=(job.c.created_at, job.c.id))
    candidates = (
        select(job.c.client, job.c.id, job.c.created_at, place.label("place"))
        .where(job.c.status == JobStatus.PENDING, job.c.plan.is_not(None), can_start)
        .subquery()
    )
    return (
        select(candidates.c.client, candidates.c.id)
        .where(candidates.c.place <= bindparam("of_each_client"))
        .order_by(candidates.c.created_at, candidates.c.id)
    )


# Statements of the hot path are built once; building one costs more than running it.
_STARTABLE = _startable()
_WAITING = select(job.c.id).where(job.c.status == JobStatus.PENDING, job.c.plan.is_not(None)).limit(1)
_RUNNING = select(job.c.client).where(job.c.status == JobStatus.WIP)
_START = (
    update(job)
    .where(job.c.id == bindparam("job_id"), job.c.status == JobStatus.PENDING)
    .values(
        status=JobStatus.WIP,
        started_at=func.coalesce(job.c.started_at, bindparam("now")),
        last_updated=bindparam("now"),
    )
)
_READY_TASKS = (
    select(task.c.id, task.c.role, task.c.bytes, task.c.job_id, job.c.client)
    .join(job, job.c.id == task.c.job_id)
    .where(task.c.job_id == bindparam("of_job"), task.c.state == READY)
    .order_by(task.c.id)
)


def waiting(tx: Tx) -> bool:
    """Tell whether any job is pending and has a plan."""
    return tx.connection.execute(_WAITING).first() is not None


def admit(tx: Tx) -> list[Hint]:
    """Turn pending jobs that can start into wip, within the limits; return hints for their ready tasks."""
    running = Counter(tx.connection.execute(_RUNNING).scalars())
    free = tx.limits.running_jobs - running.total()
    if free <= 0:
        return []
    queues: dict[str, list[str]] = {}
    for client, job_id in tx.connection.execute(_STARTABLE, {"of_each_client": tx.limits.running_jobs_per_client}):
        queues.setdefault(client, []).append(job_id)
    hints: list[Hint] = []
    for _ in range(free):
        open_to = [c for c in queues if queues[c] and running[c] < tx.limits.running_jobs_per_client]
        if not open_to:
            break
        # Clients are in the order of their oldest jobs, and min() takes the first of equals.
        client = min(open_to, key=lambda c: running[c])
        running[client] += 1
        hints += _start(tx, queues[client].pop(0))
    return hints


def _start(tx: Tx, job_id: str) -> list[Hint]:
    started = tx.connection.execute(_START, {"job_id": job_id, "now": tx.now})
    if not started.rowcount:
        return []
    hints = hints_of(tx.connection.execute(_READY_TASKS, {"of_job": job_id}))
    if not hints:  # there is nothing to do in it: now it may be completed
        advance(tx, job_id)
    return hints
