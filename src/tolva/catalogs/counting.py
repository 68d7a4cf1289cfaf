"""Figures over all jobs, for operators."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, or_, select, tuple_

from tolva.catalog import Counts
from tolva.catalogs.schema import attempt, job, part, stage, task
from tolva.catalogs.transactions import LIVE, Tx


def counts(tx: Tx, rejects: Collection[tuple[str, str]]) -> Counts:
    """Count jobs, tasks of unfinished jobs, attempts, what was read, and what could not be used.

    That is the records in the parts of ``rejects``: kinds of jobs, each with the name of a result, or of a stage.
    """
    execute = tx.connection.execute
    job_seconds = func.sum(job.c.completed_on - job.c.created_at)
    jobs = execute(select(job.c.status, func.count(), job_seconds).group_by(job.c.status)).all()
    live = select(job.c.id).where(job.c.status.in_(LIVE))
    tasks = select(task.c.role, task.c.state, func.count()).where(task.c.job_id.in_(live))
    attempt_seconds = func.sum(attempt.c.ended_at - attempt.c.started_at)
    attempts = execute(select(attempt.c.outcome, func.count(), attempt_seconds).group_by(attempt.c.outcome)).all()
    read = execute(select(func.sum(stage.c.bytes_read), func.sum(stage.c.records_read))).one()
    named = [tuple_(job.c.kind, name).in_(list(rejects)) for name in (part.c.query, stage.c.name)]
    refused = (
        select(func.sum(part.c.records))
        .join(job, job.c.id == part.c.job_id)
        .join(task, task.c.id == part.c.task_id)
        .join(stage, stage.c.id == task.c.stage_id)
        .where(or_(*named))
    )
    return Counts(
        jobs={row[0]: row[1] for row in jobs},
        job_seconds={row[0]: float(row[2]) for row in jobs if row[2] is not None},
        tasks={(row[0], row[1]): row[2] for row in execute(tasks.group_by(task.c.role, task.c.state))},
        attempts={row[0]: row[1] for row in attempts},
        attempt_seconds={row[0]: float(row[2]) for row in attempts if row[2] is not None},
        bytes_read=int(read[0] or 0),
        records_read=int(read[1] or 0),
        rejects=int(execute(refused).scalar_one() or 0),
    )
