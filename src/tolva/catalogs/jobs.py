"""Jobs: make them, find them, end them, forget them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import delete, select, tuple_, update

from tolva.catalogs.rows import job_of
from tolva.catalogs.schema import RUNNING, attempt, job, stage, task
from tolva.catalogs.transactions import LIVE, Tx, lock_job, not_found
from tolva.errors import StateError
from tolva.model import Job, NewJob
from tolva.states import JobStatus, TaskState


def create(tx: Tx, new: NewJob) -> Job:
    """Record the job as pending, unless its id is there already."""
    tx.connection.execute(
        tx.insert(job).on_conflict_do_nothing(),
        {
            "id": new.id,
            "client": new.client,
            "kind": new.kind,
            "status": JobStatus.PENDING,
            "document": new.document,
            "digest": new.digest,
            "labels": new.labels,
            "input_ended": False,
            "created_at": tx.now,
            "last_updated": tx.now,
        },
    )
    return one(tx, new.id)


def one(tx: Tx, job_id: str, client: str | None = None) -> Job:
    """Return the job, if it is this client's."""
    found = tx.connection.execute(select(job).where(job.c.id == job_id)).one_or_none()
    if found is None or client not in (None, found.client):
        raise not_found(job_id)
    return job_of(found)


def many(
    tx: Tx,
    *,
    client: str | None,
    statuses: Collection[JobStatus],
    digest: str | None,
    limit: int,
    before: tuple[float, str] | None,
) -> list[Job]:
    """Return jobs that pass every filter, newest first."""
    query = select(job).order_by(job.c.created_at.desc(), job.c.id.desc()).limit(limit)
    if client is not None:
        query = query.where(job.c.client == client)
    if statuses:
        query = query.where(job.c.status.in_(statuses))
    if digest is not None:
        query = query.where(job.c.digest == digest)
    if before is not None:
        query = query.where(tuple_(job.c.created_at, job.c.id) < tuple_(*before))
    return [job_of(row) for row in tx.connection.execute(query)]


def end(tx: Tx, job_id: str, status: JobStatus, error: dict[str, Any] | None = None) -> None:
    """Give the job this final status and drop its tasks; nothing happens if it has a final status already."""
    ended = tx.connection.execute(
        update(job)
        .where(job.c.id == job_id, job.c.status.in_(LIVE))
        .values(status=status, error=error, completed_on=tx.now, last_updated=tx.now)
    )
    if ended.rowcount:
        _drop_tasks(tx, job_id)


def _drop_tasks(tx: Tx, job_id: str) -> None:
    stages = select(stage.c.id).where(stage.c.job_id == job_id)
    running = select(task.c.id).where(task.c.stage_id.in_(stages), task.c.state == RUNNING)
    tx.connection.execute(
        update(attempt)
        .where(attempt.c.task_id.in_(running), attempt.c.outcome == "running")
        .values(outcome="fenced", ended_at=tx.now)
    )
    tx.connection.execute(
        update(task)
        .where(task.c.stage_id.in_(stages), task.c.state.in_([TaskState.READY, TaskState.RUNNING]))
        .values(state=TaskState.DROPPED, lease_until=None, not_before=None)
    )


def delete_final(tx: Tx, job_id: str) -> None:
    """Forget a job that is over, with all that hangs on it."""
    found = lock_job(tx, job_id)
    if not JobStatus(found.status).final:
        raise StateError(f"Job {job_id} is {found.status} and can't be deleted. Cancel it first.", job=job_id)
    tx.connection.execute(delete(job).where(job.c.id == job_id))


def mark_retrieved(tx: Tx, job_id: str) -> None:
    """Note when results were first fetched."""
    tx.connection.execute(
        update(job).where(job.c.id == job_id, job.c.retrieved_at.is_(None)).values(retrieved_at=tx.now)
    )


def retry_dead(tx: Tx, job_id: str) -> None:
    """Make a failed job pending again: its dead and dropped tasks are ready, with all their attempts before them."""
    found = lock_job(tx, job_id)
    if found.status != JobStatus.FAILED:
        raise StateError(f"Job {job_id} is {found.status}; only a failed job can be retried.", job=job_id)
    tx.connection.execute(
        update(job)
        .where(job.c.id == job_id)
        .values(status=JobStatus.PENDING, error=None, completed_on=None, last_updated=tx.now)
    )
    tx.connection.execute(
        update(task)
        .where(
            task.c.stage_id.in_(select(stage.c.id).where(stage.c.job_id == job_id)),
            task.c.state.in_([TaskState.DEAD, TaskState.DROPPED]),
        )
        .values(state=TaskState.READY, failures=0, error=None)
    )
