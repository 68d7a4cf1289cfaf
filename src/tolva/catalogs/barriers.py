"""Stages and their barriers.

A stage waits until all stages it reads from are over; then it gets its tasks. A scan that reads nothing but its table
is open from the start and gets tasks as chunks arrive; a stage that reads runs gets tasks while it waits (``rolling``).
A stage has ended when no more tasks will come, and is over when as many are done as were created. A job is completed
when END was said and all its stages are over.

Where a stage is follows from rows alone, and whoever moves one holds the job's row: ``advance`` may be run at any
time, and of several at once exactly one takes each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, literal, or_, select, update

from tolva.catalog import NO_TABLES
from tolva.catalogs import rolling
from tolva.catalogs.jobs import end
from tolva.catalogs.rows import hints_of
from tolva.catalogs.schema import StageState, chunk, file, job, segment, stage, task
from tolva.catalogs.tables import finish_loads, loads_of, use
from tolva.catalogs.transactions import AnyRow, Tx, lock_job
from tolva.errors import StateError
from tolva.model import Hint
from tolva.plan import Input, Plan, Reads, Role, Stage, coalesce
from tolva.states import JobStatus, TaskState

# Statements of the hot path are built once; building one costs more than running it.
_ADD_STAGE = insert(stage).returning(stage.c.id)
_STAGES = select(stage).where(stage.c.job_id == bindparam("of_job")).order_by(stage.c.ordinal)
_MOVE = (
    update(stage)
    .where(stage.c.id == bindparam("stage_id"))
    .values(state=bindparam("to"), created=bindparam("count"), over_at=bindparam("over_since"))
)
_MADE = (
    select(task.c.id, task.c.role, task.c.bytes, task.c.job_id, job.c.client)
    .join(job, job.c.id == task.c.job_id)
    .where(task.c.stage_id == bindparam("of_stage"), task.c.ordinal >= bindparam("from_ordinal"))
    .order_by(task.c.ordinal)
)
_COMPLETE = (
    update(job)
    .where(job.c.id == bindparam("job_id"), job.c.status == JobStatus.WIP)
    .values(status=JobStatus.COMPLETED, completed_on=bindparam("now"), last_updated=bindparam("now"))
)


def set_plan(tx: Tx, job_id: str, plan: Plan, uses: Mapping[int, int] = NO_TABLES) -> list[Hint]:
    """Give a job that has no plan yet its plan, the stored tables it uses, and its first tasks."""
    lock_job(tx, job_id)
    taken = tx.connection.execute(
        update(job).where(job.c.id == job_id, job.c.plan.is_(None)).values(plan=plan.to_json(), last_updated=tx.now)
    )
    if taken.rowcount:
        use(tx, job_id, uses)
        _add_stages(tx, job_id, plan)
    return advance(tx, job_id)


def begin(tx: Tx, job_id: str, plan: Plan) -> None:
    """Give a job that was recorded with its plan its stages, and their first tasks."""
    _add_stages(tx, job_id, plan)
    advance(tx, job_id)


def _add_stages(tx: Tx, job_id: str, plan: Plan) -> None:
    writers: dict[str, int] = {}
    for ordinal, planned in enumerate(plan.stages):
        row = _stage_row(plan, planned, writers) | {"job_id": job_id, "ordinal": ordinal}
        stage_id = tx.connection.execute(_ADD_STAGE, row).scalar_one()
        writers |= {output.name: stage_id for output in planned.outputs}


def _stage_row(plan: Plan, planned: Stage, writers: dict[str, int]) -> dict[str, Any]:
    return {
        "name": planned.name,
        "role": planned.role,
        "table_name": planned.table,
        "inputs": [_input(plan, needed, writers[needed.output]) for needed in planned.inputs],
        "partitions": plan.partitions if planned.role is Role.REDUCE else 0,
        "state": StageState.WAITING,
        "created": 0,
        "done": 0,
        "last_chunk_id": 0,
        "records_read": 0,
        "bytes_read": 0,
    }


def _input(plan: Plan, needed: Input, writer: int) -> dict[str, Any]:
    resolved: dict[str, Any] = {"stage_id": writer, "output": needed.output, "reads": needed.reads}
    if needed.reads is Reads.RUNS:
        resolved |= {"max_bytes": plan.max_part_bytes, "multiplier": plan.multiplier}
    return resolved


def advance(tx: Tx, job_id: str, *, grown: str | None = None) -> list[Hint]:
    """Take each stage as far as its input and its tasks allow, and the job with its last stage. Hints if it is wip.

    Stages come after those they read from, so one pass reaches everything. ``grown`` is the table that has new chunks.
    """
    found = lock_job(tx, job_id)
    if JobStatus(found.status).final:
        return []
    stages = tx.connection.execute(_STAGES, {"of_job": job_id}).all()
    over: set[int] = set()
    hints: list[Hint] = []
    for each in stages:
        state, made = _advance_stage(tx, found, each, over, grown)
        hints += made
        if state is StageState.OVER:
            over.add(each.id)
    if found.input_ended and len(over) == len(stages):
        _complete(tx, job_id)
    return hints if found.status == JobStatus.WIP else []


def _advance_stage(
    tx: Tx, of_job: AnyRow, each: AnyRow, over: set[int], grown: str | None
) -> tuple[StageState, list[Hint]]:
    state = StageState(each.state)
    # Chunks get their tasks in the transaction that records them, or when the stage opens: else there are none to make.
    settled = state is StageState.OPEN and each.role == Role.SCAN and each.table_name != grown
    made: list[Hint] = []
    if state is StageState.WAITING and over.issuperset(read["stage_id"] for read in each.inputs):
        state = StageState.OPEN
    if (state is StageState.OPEN and not settled) or (state is StageState.WAITING and rolling.is_rolling(each)):
        made = _make_tasks(tx, each, state)
    if state is StageState.OPEN and (each.role != Role.SCAN or (of_job.input_ended and _all_cut(tx, each))):
        state = StageState.ENDED
    if state is StageState.ENDED and each.done == each.created + len(made):
        state = StageState.OVER
    if made or state != each.state:
        over_at = tx.now if state is StageState.OVER else None
        moved = {"stage_id": each.id, "to": state, "count": each.created + len(made), "over_since": over_at}
        tx.connection.execute(_MOVE, moved)
    return state, made


def _all_cut(tx: Tx, each: AnyRow) -> bool:
    uncut = select(file.c.id).where(
        file.c.job_id == each.job_id, file.c.table_name == each.table_name, file.c.ended.is_(False)
    )
    return tx.connection.execute(uncut.limit(1)).first() is None


def fail_by_verdict(tx: Tx, job_id: str, verdict: dict[str, Any], *, keep_loads: bool) -> None:
    """Let the job have failed as its own task found; with ``keep_loads`` its loads are true all the same."""
    refused = _finish_loads(tx, job_id) if keep_loads else None
    end(tx, job_id, JobStatus.FAILED, refused or verdict)


def _finish_loads(tx: Tx, job_id: str) -> dict[str, Any] | None:
    """Make the job's loads true; if one of them can't be, none is, and the error says why."""
    if not (loads := loads_of(tx, job_id)):
        return None
    try:
        with tx.connection.begin_nested():
            finish_loads(tx, loads)
    except StateError as error:
        return error.to_dict()
    return None


def _complete(tx: Tx, job_id: str) -> None:
    """Complete the job, and with it its loads; if one of those can't be, the job has failed instead."""
    refused = _finish_loads(tx, job_id)
    if refused is not None:
        end(tx, job_id, JobStatus.FAILED, refused)
        return
    if tx.connection.execute(_COMPLETE, {"job_id": job_id, "now": tx.now}).rowcount:
        tx.over.add(job_id)


def _make_tasks(tx: Tx, each: AnyRow, state: StageState) -> list[Hint]:
    if each.role == Role.SCAN:
        _make_scan_tasks(tx, each)
    elif rolling.is_rolling(each):
        rolling.make_tasks(tx, each, ended=state is StageState.OPEN)
    else:
        rows = _task_rows(tx, each)
        if rows:
            tx.connection.execute(insert(task), rows)
    return hints_of(tx.connection.execute(_MADE, {"of_stage": each.id, "from_ordinal": each.created}))


def _make_scan_tasks(tx: Tx, each: AnyRow) -> None:
    """Make a task for every chunk of the stage's table that came after the last chunk it has a task for."""
    ordinal = literal(each.created) + func.row_number().over(order_by=(chunk.c.file_id, chunk.c.id)) - 1
    values = {
        task.c.job_id: chunk.c.job_id,
        task.c.stage_id: literal(each.id),
        task.c.ordinal: ordinal,
        task.c.role: literal(Role.SCAN.value),
        task.c.state: literal(TaskState.READY.value),
        task.c.attempt: literal(0),
        task.c.failures: literal(0),
        task.c.bytes: chunk.c.byte_length,
        task.c.file_id: chunk.c.file_id,
        task.c.chunk_id: chunk.c.id,
    }
    new_chunks = (
        select(*values.values())
        .join(file, file.c.id == chunk.c.file_id)
        .where(chunk.c.job_id == each.job_id, chunk.c.id > each.last_chunk_id, file.c.table_name == each.table_name)
    )
    last = select(func.max(chunk.c.id)).where(chunk.c.job_id == each.job_id).scalar_subquery()
    # SQLAlchemy keeps an INSERT's count only on request.
    statement = insert(task).from_select(list(values), new_chunks).execution_options(preserve_rowcount=True)
    if tx.connection.execute(statement).rowcount:
        tx.connection.execute(update(stage).where(stage.c.id == each.id).values(last_chunk_id=last))


def _task_rows(tx: Tx, each: AnyRow) -> list[dict[str, Any]]:
    """Return the rows of a reduce stage's tasks, by the sizes of its partitions, or of a finish stage's one task."""
    shared_bytes = sum(_partition_bytes(tx, each, Reads.ALL).values())
    row = {
        "job_id": each.job_id,
        "stage_id": each.id,
        "role": each.role,
        "state": TaskState.READY,
        "attempt": 0,
        "failures": 0,
    }
    if each.role == Role.FINISH:
        return [row | {"ordinal": 0, "bytes": shared_bytes, "partitions": None}]
    if any(given["reads"] == Reads.EACH for given in each.inputs):
        sizes = _partition_bytes(tx, each, Reads.EACH)
        groups = [[partition] for partition in sorted(sizes)]
    else:
        found = _partition_bytes(tx, each, Reads.PARTITION)
        sizes = {partition: found.get(partition, 0) for partition in range(each.partitions)}
        groups = coalesce(list(sizes.values()), tx.limits.reduce_task_bytes)
    return [
        row | {"ordinal": n, "bytes": shared_bytes + sum(sizes[p] for p in group), "partitions": group}
        for n, group in enumerate(groups)
    ]


def _partition_bytes(tx: Tx, each: AnyRow, reads: Reads) -> dict[int, int]:
    """Return the bytes in each hash partition of the inputs that are read so."""
    wanted = [written_by(needed) for needed in each.inputs if needed["reads"] == reads]
    if not wanted:
        return {}
    sums = select(segment.c.partition, func.sum(segment.c.byte_length)).where(or_(*wanted))
    rows = tx.connection.execute(sums.group_by(segment.c.partition))
    return {partition: int(total) for partition, total in rows}


def written_by(needed: dict[str, Any]) -> ColumnElement[bool]:
    """Return the condition on segments that they are of this input of a stage."""
    return and_(segment.c.stage_id == needed["stage_id"], segment.c.output == needed["output"])
