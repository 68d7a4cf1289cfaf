"""Find what nobody looks after: ended leases, due retries, hints that were lost, barriers that were missed."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam, func, select, update

from tolva.catalogs.barriers import advance
from tolva.catalogs.committing import Key, fail_attempt, release
from tolva.catalogs.rows import hints_of
from tolva.catalogs.schema import READY, RUNNING, job, task
from tolva.catalogs.transactions import Tx, lock_running
from tolva.errors import WorkerLostError
from tolva.model import Hint
from tolva.states import JobStatus

_READY = (
    select(task.c.id, task.c.role, task.c.bytes, task.c.job_id, job.c.client)
    .join(job, job.c.id == task.c.job_id)
    .where(
        task.c.job_id == bindparam("job_id"),
        task.c.state == READY,
        task.c.not_before.is_(None),
        job.c.status == JobStatus.WIP,
    )
    .order_by(task.c.id)
    .limit(bindparam("limit"))
)


def renew(tx: Tx, attempts: Collection[Key], lease_seconds: float) -> set[Key]:
    """Prolong the leases of these attempts; return those that are no longer the ones that run."""
    wanted = set(attempts)
    ids = [task_id for task_id, _ in wanted]
    running = select(task.c.id, task.c.attempt).where(task.c.id.in_(ids), task.c.state == RUNNING)
    kept = {(row.id, row.attempt) for row in tx.connection.execute(running)} & wanted
    # Every worker comes by every second, so it waits for nobody: whoever holds a row is about to change its state.
    free = (
        select(task.c.id)
        .where(task.c.id.in_([task_id for task_id, _ in kept]), task.c.state == RUNNING)
        .order_by(task.c.id)
        .with_for_update(skip_locked=True)
    )
    tx.connection.execute(update(task).where(task.c.id.in_(free)).values(lease_until=tx.now + lease_seconds))
    return wanted - kept


def release_job(tx: Tx, job_id: str) -> list[Hint]:
    """Hand back every running attempt of the job."""
    running = select(task.c.id, task.c.attempt).where(task.c.job_id == job_id, task.c.state == RUNNING)
    return release(tx, {(row.id, row.attempt) for row in tx.connection.execute(running)})


def expired(tx: Tx) -> list[int]:
    """Return the ids of running tasks whose lease is over."""
    found = select(task.c.id).where(task.c.state == RUNNING, task.c.lease_until <= tx.now)
    return list(tx.connection.execute(found.order_by(task.c.lease_until)).scalars())


def expire_leases(tx: Tx) -> list[Hint]:
    """Free running tasks whose lease is over; each costs an attempt."""
    hints = []
    for row in lock_running(tx, expired(tx)).values():
        # Between finding and locking it, its worker may have renewed.
        if row.lease_until <= tx.now:
            error = WorkerLostError(
                "The worker stopped answering: it was killed, ran out of memory, or was held up longer than its lease. "
                "See its log.",
                lease_until=row.lease_until,
            )
            hints += fail_attempt(tx, row, error.to_dict(), "lost", retryable=True)
    return hints


def running_jobs(tx: Tx) -> list[str]:
    """Return the ids of the jobs that are wip."""
    return list(
        tx.connection.execute(select(job.c.id).where(job.c.status == JobStatus.WIP).order_by(job.c.id)).scalars()
    )


def recheck_barriers(tx: Tx) -> list[Hint]:
    """Bring every wip job to where its rows say it is."""
    return [hint for job_id in running_jobs(tx) for hint in advance(tx, job_id)]


def retries_due(tx: Tx) -> bool:
    """Tell whether the pause of any failed task is over."""
    due = select(task.c.id).where(task.c.not_before.is_not(None), task.c.not_before <= tx.now)
    return tx.connection.execute(due.limit(1)).first() is not None


def end_pauses(tx: Tx) -> None:
    """Make failed tasks whose pause is over ready like any other, so that nobody is woken for them twice."""
    tx.connection.execute(
        update(task).where(task.c.not_before.is_not(None), task.c.not_before <= tx.now).values(not_before=None)
    )


def ready(tx: Tx, job_id: str | None, limit: int) -> list[Hint]:
    """Return hints for the due ready tasks of wip jobs, up to ``limit`` of each job, oldest first."""
    jobs = running_jobs(tx) if job_id is None else [job_id]
    return [hint for each in jobs for hint in hints_of(tx.connection.execute(_READY, {"job_id": each, "limit": limit}))]


def next_due_seconds(tx: Tx) -> float | None:
    """Return the seconds until a pause or a lease ends; None when there is neither."""
    lease = select(func.min(task.c.lease_until)).where(task.c.state == RUNNING)
    pause = select(func.min(task.c.not_before)).where(task.c.not_before.is_not(None))
    ends = [tx.connection.execute(query).scalar_one() for query in (lease, pause)]
    return min((max(0.0, end - tx.now) for end in ends if end is not None), default=None)
