"""Claim ready tasks, with all that their workers need to know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, insert, or_, select, text, update

from tolva.catalogs.barriers import written_by
from tolva.catalogs.rows import file_of
from tolva.catalogs.schema import READY, RUNNING, attempt, chunk, file, job, partial, segment, stage, task
from tolva.catalogs.transactions import AnyRow, Tx
from tolva.model import Chunk, Claim, File, Partial, Segment
from tolva.plan import Reads, Role
from tolva.states import JobStatus

_Written = tuple[AnyRow, Segment]
"""A segment, and the partial it is in."""

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_READY = (
    select(task, stage.c.name.label("stage_name"), stage.c.inputs)
    .join(stage, stage.c.id == task.c.stage_id)
    .join(job, job.c.id == task.c.job_id)
    .where(
        task.c.id.in_(_IDS),
        task.c.state == READY,
        or_(task.c.not_before.is_(None), task.c.not_before <= bindparam("now")),
        job.c.status == JobStatus.WIP,
    )
    .with_for_update(of=task, skip_locked=True)
)
_TAKE = (
    update(task)
    .where(task.c.id.in_(_IDS))
    .values(state=RUNNING, attempt=task.c.attempt + 1, lease_until=bindparam("until"), not_before=None)
)
_REMEMBER = insert(attempt)
_CHUNKS = select(chunk).where(chunk.c.id.in_(_IDS))
_FILES = select(file).where(file.c.id.in_(_IDS))
_SPLIT = (Reads.PARTITION, Reads.EACH)
_SEGMENTS = (
    select(segment, partial.c.key, partial.c.bytes, partial.c.sha256, stage.c.ordinal.label("stage_ordinal"))
    .add_columns(task.c.file_id, task.c.ordinal.label("task_ordinal"))
    .join(partial, partial.c.task_id == segment.c.task_id)
    .join(task, task.c.id == segment.c.task_id)
    .join(stage, stage.c.id == segment.c.stage_id)
)


def claim(tx: Tx, task_ids: Sequence[int], worker: str, lease_seconds: float) -> list[Claim]:
    """Take those of the tasks that are ready and due and whose job is wip, in the order asked for."""
    rows = tx.connection.execute(_READY, {"ids": task_ids, "now": tx.now}).all()
    if not rows:
        return []
    ids = [row.id for row in rows]
    asked = {task_id: place for place, task_id in enumerate(task_ids)}
    lease_until = tx.now + lease_seconds
    tx.connection.execute(_TAKE, {"ids": ids, "until": lease_until})
    started = {"worker": worker, "started_at": tx.now, "outcome": "running"}
    tx.connection.execute(_REMEMBER, [started | {"task_id": row.id, "attempt": row.attempt + 1} for row in rows])
    chunks = _chunks(tx, [row.chunk_id for row in rows if row.chunk_id is not None])
    files = _files(tx, {row.file_id for row in rows if row.file_id is not None})
    partials = _partials(tx, rows)
    return [
        Claim(
            task_id=row.id,
            attempt=row.attempt + 1,
            job_id=row.job_id,
            stage=row.stage_name,
            role=Role(row.role),
            ordinal=row.ordinal,
            lease_until=lease_until,
            file=files.get(row.file_id),
            chunk=chunks.get(row.chunk_id),
            partitions=tuple(row.partitions or ()),
            partials=partials[row.id],
        )
        for row in sorted(rows, key=lambda row: asked[row.id])
    ]


def _chunks(tx: Tx, ids: list[int]) -> dict[int | None, Chunk]:
    rows = tx.connection.execute(_CHUNKS, {"ids": ids}) if ids else ()
    return {row.id: Chunk(row.byte_offset, row.byte_length, row.traits, row.key) for row in rows}


def _files(tx: Tx, ids: set[int]) -> dict[int | None, File]:
    rows = tx.connection.execute(_FILES, {"ids": list(ids)}) if ids else ()
    return {row.id: file_of(row) for row in rows}


def _partials(tx: Tx, rows: Sequence[AnyRow]) -> dict[int, tuple[Partial, ...]]:
    """Return what each task reads of earlier stages; tasks of one stage ask together."""
    found: dict[int, tuple[Partial, ...]] = {}
    for stage_id in {row.stage_id for row in rows}:
        of_stage = [row for row in rows if row.stage_id == stage_id]
        inputs = of_stage[0].inputs
        wanted = sorted({partition for row in of_stage for partition in row.partitions or ()})
        shared = _segments(tx, [each for each in inputs if each["reads"] == Reads.ALL])
        split: dict[int, list[_Written]] = {partition: [] for partition in wanted}
        for written in _segments(tx, [each for each in inputs if each["reads"] in _SPLIT], wanted):
            split[written[1].partition].append(written)
        whole = _grouped(_in_order(shared))
        runs = _runs(tx, inputs, [row.id for row in of_stage])
        for row in of_stage:
            own = [written for partition in row.partitions or () for written in split[partition]] + runs.get(row.id, [])
            found[row.id] = _grouped(_in_order([*shared, *own])) if own else whole
    return found


def _runs(tx: Tx, inputs: list[dict[str, Any]], task_ids: list[int]) -> dict[int, list[_Written]]:
    """Return the runs that each of the tasks has taken."""
    found: dict[int, list[_Written]] = {}
    if any(each["reads"] == Reads.RUNS for each in inputs):
        for written in _written(tx, _SEGMENTS.where(segment.c.taken_by.in_(task_ids), segment.c.taken_by > text("0"))):
            found.setdefault(written[0].taken_by, []).append(written)
    return found


def _segments(tx: Tx, inputs: list[dict[str, Any]], partitions: list[int] | None = None) -> list[_Written]:
    if not inputs:
        return []
    query = _SEGMENTS.where(or_(*(written_by(each) for each in inputs)))
    if partitions is not None:
        query = query.where(segment.c.partition.in_(partitions))
    return _written(tx, query)


def _written(tx: Tx, query: Select[Any]) -> list[_Written]:
    rows = tx.connection.execute(query).all()
    return [(row, Segment(row.output, row.partition, row.byte_offset, row.byte_length, row.records)) for row in rows]


def _in_order(written: list[_Written]) -> list[_Written]:
    """Sort by the tasks that wrote them, as the records came in."""
    # Chunks are cut in the order of a file, but files may be cut side by side.
    return sorted(
        written,
        key=lambda each: (each[0].stage_ordinal, each[0].file_id or 0, each[0].task_ordinal, each[1].offset),
    )


def _grouped(written: Iterable[_Written]) -> tuple[Partial, ...]:
    """Put the segments of each partial together, keeping the order."""
    found: dict[int, tuple[AnyRow, list[Segment]]] = {}
    for row, each in written:
        found.setdefault(row.task_id, (row, []))[1].append(each)
    return tuple(Partial(row.key, row.bytes, row.sha256, tuple(segments)) for row, segments in found.values())
