"""Jobs: make them, find them, end them, forget them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, or_, select, tuple_, update

from tolva.catalog import Kept
from tolva.catalogs.rows import job_of
from tolva.catalogs.schema import attempt, job, stage, task, upload
from tolva.catalogs.transactions import FINAL, LIVE, Tx, lock_job, not_found
from tolva.errors import ExpiredError, LimitError, NotFoundError, ReusedKeyError, StateError
from tolva.model import Job, NewJob, Origin
from tolva.plan import Plan
from tolva.states import JobStatus, TaskState

_ONE = select(job).where(job.c.id == bindparam("job_id"))
_UNFINISHED = (
    select(task.c.id)
    .where(task.c.job_id == bindparam("job_id"), task.c.state.in_([TaskState.DEAD, TaskState.DROPPED]))
    .limit(1)
)


def create(tx: Tx, new: NewJob, plan: Plan | None = None) -> tuple[Job, bool]:
    """Record the job as pending, unless its id or its client's request key is there already; tell whether it is new.

    With ``plan`` its plan is known, and so is that no file will come.
    """
    if (earlier := _repeated(tx, new)) is not None:
        return earlier, False
    _check_room(tx, new)
    made = tx.connection.execute(
        tx.insert(job).on_conflict_do_nothing().returning(job),
        {
            "id": new.id,
            "client": new.client,
            "kind": new.kind,
            "status": JobStatus.PENDING,
            "document": new.document,
            "digest": new.digest,
            "labels": new.labels,
            "plan": plan.to_json() if plan else None,
            "input_ended": plan is not None,
            "created_at": tx.now,
            "last_updated": tx.now,
            "origin": new.origin,
            "request_key": new.request_key,
            "traceparent": new.traceparent,
            "uploads_ended": False,
        },
    ).one_or_none()
    if made is None:
        return _repeated(tx, new) or one(tx, new.id), False
    return job_of(made), True


def _repeated(tx: Tx, new: NewJob) -> Job | None:
    """Return the job that the client's request key has made already; UsageError if it was for something else."""
    if new.request_key is None:
        return None
    same = job.c.client == new.client, job.c.request_key == new.request_key
    found = tx.connection.execute(select(job).where(*same)).one_or_none()
    if found is not None and found.digest != new.digest:
        raise ReusedKeyError(
            f"The Idempotency-Key was used for another submission, which made job {found.id}. Use a new key.",
            job=found.id,
        )
    return None if found is None else job_of(found)


def _check_room(tx: Tx, new: NewJob) -> None:
    if new.origin is not Origin.SERVICE:
        return
    live = select(func.count()).select_from(job).where(job.c.client == new.client, job.c.status.in_(LIVE))
    limit = tx.limits.live_jobs_per_client
    if tx.connection.execute(live).scalar_one() >= limit:
        raise LimitError(f"There are {limit} unfinished jobs already. Wait for one, or cancel one.", limit=limit)


def one(tx: Tx, job_id: str, client: str | None = None) -> Job:
    """Return the job, if it is this client's."""
    found = tx.connection.execute(_ONE, {"job_id": job_id}).one_or_none()
    if found is None or client not in (None, found.client):
        raise not_found(job_id)
    return job_of(found)


def many(
    tx: Tx,
    *,
    client: str | None,
    statuses: Collection[JobStatus],
    digest: str | None,
    kind: str | None,
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
    if kind is not None:
        query = query.where(job.c.kind == kind)
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
        tx.over.add(job_id)
        _drop_tasks(tx, job_id)


def _drop_tasks(tx: Tx, job_id: str) -> None:
    stages = select(stage.c.id).where(stage.c.job_id == job_id)
    # Tasks first: this waits for claims that are under way, whose attempts the second statement must see.
    tx.connection.execute(
        update(task)
        .where(task.c.stage_id.in_(stages), task.c.state.in_([TaskState.READY, TaskState.RUNNING]))
        .values(state=TaskState.DROPPED, lease_until=None, not_before=None)
    )
    dropped = select(task.c.id).where(task.c.stage_id.in_(stages), task.c.state == TaskState.DROPPED)
    tx.connection.execute(
        update(attempt)
        .where(attempt.c.task_id.in_(dropped), attempt.c.outcome == "running")
        .values(outcome="fenced", ended_at=tx.now)
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


def retry_dead(tx: Tx, job_id: str, task_id: int | None) -> None:
    """Make dead tasks of a failed job ready, with all their attempts before them; with the last, the job is pending.

    Dropped tasks come back with it. With ``task_id`` only that one is no longer dead.
    """
    found = lock_job(tx, job_id)
    if found.status != JobStatus.FAILED:
        raise StateError(f"Job {job_id} is {found.status}; only a failed job can be retried.", job=job_id)
    if found.files_deleted_at is not None:
        raise ExpiredError(f"The files of job {job_id} were deleted when its time was over. Submit it again.")
    if found.input_ended and not tx.connection.execute(_UNFINISHED, {"job_id": job_id}).first():
        raise StateError(f"Job {job_id} failed with all its tasks done; there is none to retry. Submit it again.")
    of_job = task.c.stage_id.in_(select(stage.c.id).where(stage.c.job_id == job_id))
    dead = and_(of_job, task.c.state == TaskState.DEAD)
    chosen = dead if task_id is None else and_(dead, task.c.id == task_id)
    fresh = update(task).values(state=TaskState.READY, failures=0, error=None)
    if not tx.connection.execute(fresh.where(chosen)).rowcount and task_id is not None:
        raise NotFoundError(f"Job {job_id} has no dead task {task_id}.", job=job_id, task=task_id)
    if tx.connection.execute(select(task.c.id).where(dead).limit(1)).first() is None:
        tx.connection.execute(fresh.where(of_job, task.c.state == TaskState.DROPPED))
        tx.connection.execute(
            update(job)
            .where(job.c.id == job_id)
            .values(status=JobStatus.PENDING, error=None, completed_on=None, last_updated=tx.now)
        )


def files_to_delete(tx: Tx, kept: Kept) -> list[Job]:
    """Return the jobs whose stored files nobody may want any more."""
    over = or_(
        job.c.status == JobStatus.CANCELLED,
        and_(job.c.status == JobStatus.COMPLETED, job.c.retrieved_at <= tx.now - kept.retrieved_seconds),
        and_(job.c.status.in_(FINAL), job.c.completed_on <= tx.now - kept.final_seconds),
        and_(
            job.c.status.in_(LIVE),
            job.c.origin == Origin.RUN,
            job.c.last_updated <= tx.now - kept.abandoned_seconds,
        ),
        and_(
            job.c.status.in_(LIVE),
            job.c.origin == Origin.SERVICE,
            job.c.uploads_ended.is_(False),
            job.c.last_updated <= tx.now - kept.abandoned_seconds,
        ),
    )
    query = select(job).where(job.c.files_deleted_at.is_(None), over).order_by(job.c.created_at)
    return [job_of(row) for row in tx.connection.execute(query)]


def mark_files_deleted(tx: Tx, job_id: str) -> None:
    """Note that the job's stored files are gone for good."""
    tx.connection.execute(
        update(job).where(job.c.id == job_id, job.c.files_deleted_at.is_(None)).values(files_deleted_at=tx.now)
    )


def end_uploads(tx: Tx, job_id: str) -> None:
    """Note that the client sends no more files. StateError while one is unfinished, or when the job is over."""
    found = lock_job(tx, job_id)
    if JobStatus(found.status).final and not found.uploads_ended:
        raise StateError(f"Job {job_id} is {found.status} and can't be started.", job=job_id)
    unfinished = select(upload.c.table_name, upload.c.name).where(upload.c.job_id == job_id, upload.c.ended.is_(False))
    if missing := [f"{row.table_name}/{row.name}" for row in tx.connection.execute(unfinished.limit(10))]:
        raise StateError(
            f"Job {job_id} can't be started: {', '.join(missing)} did not arrive whole. Send the rest, or delete "
            "the unfinished upload.",
            job=job_id,
            unfinished=missing,
        )
    tx.connection.execute(
        update(job)
        .where(job.c.id == job_id, job.c.uploads_ended.is_(False))
        .values(uploads_ended=True, last_updated=tx.now)
    )


def unfed(tx: Tx) -> list[str]:
    """Return the ids of the service's jobs whose input has not ended."""
    query = select(job.c.id).where(job.c.origin == Origin.SERVICE, job.c.status.in_(LIVE), job.c.input_ended.is_(False))
    return list(tx.connection.execute(query.order_by(job.c.created_at)).scalars())
