"""Figures over all jobs, for operators."""

from __future__ import annotations

from sqlalchemy import func, select

from tolva.catalog import Counts
from tolva.catalogs.schema import attempt, job, stage, task
from tolva.catalogs.transactions import LIVE, Tx


def counts(tx: Tx) -> Counts:
    """Count jobs, tasks of unfinished jobs, attempts, and what was read."""
    execute = tx.connection.execute
    jobs = execute(select(job.c.status, func.count()).group_by(job.c.status))
    live = select(job.c.id).where(job.c.status.in_(LIVE))
    tasks = select(task.c.role, task.c.state, func.count()).where(task.c.job_id.in_(live))
    attempts = execute(select(attempt.c.outcome, func.count()).group_by(attempt.c.outcome))
    read = execute(select(func.sum(stage.c.bytes_read), func.sum(stage.c.records_read))).one()
    return Counts(
        jobs={row[0]: row[1] for row in jobs},
        tasks={(row[0], row[1]): row[2] for row in execute(tasks.group_by(task.c.role, task.c.state))},
        attempts={row[0]: row[1] for row in attempts},
        bytes_read=int(read[0] or 0),
        records_read=int(read[1] or 0),
    )
