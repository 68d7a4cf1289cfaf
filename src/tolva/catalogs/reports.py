"""What people and tests ask about a job: progress, parts, tasks, attempts, keys."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import case, func, select, union

from tolva.catalogs.rows import part_of
from tolva.catalogs.schema import StageState, attempt, chunk, file, job, part, partial, segment, stage, task
from tolva.catalogs.transactions import Tx, not_found
from tolva.model import Attempt, Part, Progress, StageMeasures, StageProgress, Task
from tolva.plan import Role
from tolva.states import TaskState


def progress(tx: Tx, job_id: str) -> Progress:
    """Count how far the job is."""
    rows = tx.connection.execute(select(stage).where(stage.c.job_id == job_id).order_by(stage.c.ordinal)).all()
    if not rows:
        _check_exists(tx, job_id)
    scans = [row for row in rows if row.role == Role.SCAN]
    table_bytes = _table_bytes(tx, job_id)
    readers = Counter(row.table_name for row in scans) if rows else Counter(table_bytes.keys())
    return Progress(
        bytes_total=sum(known * readers[table] for table, known in table_bytes.items()),
        bytes_done=sum(row.bytes_read for row in scans),
        records_done=sum(row.records_read for row in scans),
        stages=tuple(
            StageProgress(
                name=row.name,
                role=Role(row.role),
                created=row.created,
                done=row.done,
                ended=row.state in (StageState.ENDED, StageState.OVER),
                records=row.records_read,
                over_at=row.over_at,
            )
            for row in rows
        ),
    )


def _table_bytes(tx: Tx, job_id: str) -> dict[str, int]:
    """Return the bytes of records known of each table; a file that is still uploaded has at least what was cut."""
    known = case((file.c.cut_bytes > file.c.bytes, file.c.cut_bytes), else_=file.c.bytes) - file.c.first_byte
    sums = select(file.c.table_name, func.sum(known)).where(file.c.job_id == job_id).group_by(file.c.table_name)
    return {table: int(total) for table, total in tx.connection.execute(sums)}


def parts(tx: Tx, job_id: str) -> list[Part]:
    """Return the parts committed so far, by query (in the plan's order) and ordinal."""
    plan = tx.connection.execute(select(job.c.plan).where(job.c.id == job_id)).one_or_none()
    if plan is None:
        raise not_found(job_id)
    order = {query: place for place, query in enumerate(plan[0]["queries"] if plan[0] else ())}
    rows = tx.connection.execute(select(part).where(part.c.job_id == job_id).order_by(part.c.query, part.c.ordinal))
    return sorted((part_of(row) for row in rows), key=lambda each: order.get(each.query, len(order)))


def parts_after(tx: Tx, job_id: str, sequence: int) -> list[tuple[int, Part]]:
    """Return the parts that were committed after the one of that number, in that order, with their numbers."""
    query = select(part).where(part.c.job_id == job_id, part.c.sequence > sequence).order_by(part.c.sequence)
    return [(row.sequence, part_of(row)) for row in tx.connection.execute(query)]


def tasks(tx: Tx, job_id: str) -> list[Task]:
    """Return the job's tasks by stage (in the plan's order) and ordinal."""
    _check_exists(tx, job_id)
    rows = tx.connection.execute(
        select(
            task,
            stage.c.name.label("stage_name"),
            file.c.name.label("file_name"),
            chunk.c.byte_offset,
            chunk.c.byte_length,
            chunk.c.traits,
        )
        .join(stage, stage.c.id == task.c.stage_id)
        .outerjoin(file, file.c.id == task.c.file_id)
        .outerjoin(chunk, chunk.c.id == task.c.chunk_id)
        .where(stage.c.job_id == job_id)
        .order_by(stage.c.ordinal, task.c.ordinal)
    )
    return [
        Task(
            id=row.id,
            job_id=row.job_id,
            stage=row.stage_name,
            role=Role(row.role),
            ordinal=row.ordinal,
            state=TaskState(row.state),
            attempt=row.attempt,
            failures=row.failures,
            lease_until=row.lease_until,
            error=row.error,
            file=row.file_name,
            offset=row.byte_offset,
            length=row.byte_length,
            lines=_lines(row.traits or {}),
        )
        for row in rows
    ]


def _lines(traits: Mapping[str, Any]) -> tuple[int, int] | None:
    before, lines = traits.get("lines_before"), traits.get("lines")
    return None if before is None or lines is None else (before + 1, before + lines)


def attempts(tx: Tx, job_id: str) -> list[Attempt]:
    """Return every attempt of the job's tasks in the order they started."""
    _check_exists(tx, job_id)
    rows = tx.connection.execute(
        select(attempt)
        .join(task, task.c.id == attempt.c.task_id)
        .join(stage, stage.c.id == task.c.stage_id)
        .where(stage.c.job_id == job_id)
        .order_by(attempt.c.started_at, attempt.c.task_id, attempt.c.attempt)
    )
    return [Attempt(**row._asdict()) for row in rows]


def measures(tx: Tx, job_id: str) -> list[StageMeasures]:
    """Return what each stage's committed tasks read, left and took, in the plan's order."""
    _check_exists(tx, job_id)
    of_job = tx.connection.execute(select(stage).where(stage.c.job_id == job_id).order_by(stage.c.ordinal)).all()
    sums = select(segment.c.stage_id, func.sum(segment.c.records), func.sum(segment.c.byte_length))
    wanted = segment.c.stage_id.in_([row.id for row in of_job])
    left = {row[0]: row[1:] for row in tx.connection.execute(sums.where(wanted).group_by(segment.c.stage_id))}
    seconds = _task_seconds(tx, job_id)
    return [
        StageMeasures(
            name=row.name,
            records_read=row.records_read,
            bytes_read=row.bytes_read,
            records_left=int(left.get(row.id, (0, 0))[0]),
            bytes_left=int(left.get(row.id, (0, 0))[1]),
            task_seconds=tuple(seconds.get(row.id, ())),
        )
        for row in of_job
    ]


def _task_seconds(tx: Tx, job_id: str) -> dict[int, list[float]]:
    """Return by stage how long its tasks ran; those that were claimed together share their time."""
    done = tx.connection.execute(
        select(task.c.stage_id, attempt.c.worker, attempt.c.started_at, attempt.c.ended_at)
        .join(task, task.c.id == attempt.c.task_id)
        .where(task.c.job_id == job_id, attempt.c.outcome == "done")
    ).all()
    together = Counter((row.worker, row.started_at, row.ended_at) for row in done)
    seconds: dict[int, list[float]] = defaultdict(list)
    for row in done:
        batch = together[row.worker, row.started_at, row.ended_at]
        seconds[row.stage_id].append((row.ended_at - row.started_at) / batch)
    return seconds


def keys(tx: Tx, job_id: str) -> set[str]:
    """Return the storage keys of committed partials and parts."""
    _check_exists(tx, job_id)
    of_partials = (
        select(partial.c.key)
        .join(task, task.c.id == partial.c.task_id)
        .join(stage, stage.c.id == task.c.stage_id)
        .where(stage.c.job_id == job_id)
    )
    of_parts = select(part.c.key).where(part.c.job_id == job_id)
    return set(tx.connection.execute(union(of_partials, of_parts)).scalars())


def _check_exists(tx: Tx, job_id: str) -> None:
    if tx.connection.execute(select(job.c.id).where(job.c.id == job_id)).first() is None:
        raise not_found(job_id)
