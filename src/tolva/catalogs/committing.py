"""What attempts come to: done, failed, lost or handed back. Many are recorded with few statements.

Only the newest attempt of a running task has a say. Whatever else arrives (from a worker that stopped for an hour, or
a second time) changes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, bindparam, func, insert, select, update

from tolva.catalogs import tables
from tolva.catalogs.barriers import advance, fail_by_verdict
from tolva.catalogs.jobs import end
from tolva.catalogs.rows import hints_of
from tolva.catalogs.schema import RUNNING, StageState, attempt, job, part, partial, segment, stage, task
from tolva.catalogs.transactions import AnyRow, Tx, lock_running
from tolva.errors import DeadTaskError
from tolva.model import Done, Failed, Hint, Partial
from tolva.states import JobStatus, TaskState

Key = tuple[int, int]
"""A task's id and an attempt's number."""

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_DONE = update(task).where(task.c.id.in_(_IDS)).values(state=TaskState.DONE, lease_until=None, error=None)
_END_ATTEMPTS = (
    update(attempt)
    .where(attempt.c.task_id.in_(_IDS), attempt.c.outcome == "running")
    .values(outcome=bindparam("how"), ended_at=bindparam("now"))
)
_TOUCH_JOBS = update(job).where(job.c.id.in_(_IDS)).values(last_updated=bindparam("now"))
_COUNT = (
    update(stage)
    .where(stage.c.id == bindparam("stage_id"))
    .values(
        done=stage.c.done + bindparam("tasks"),
        records_read=stage.c.records_read + bindparam("records"),
        bytes_read=stage.c.bytes_read + bindparam("bytes"),
    )
    .returning(stage.c.job_id, stage.c.state, stage.c.done, stage.c.created)
)
_PARTIALS = insert(partial)
_SEGMENTS = insert(segment)
_PARTS = insert(part)


def commit(tx: Tx, outcomes: Sequence[Done | Failed]) -> tuple[set[Key], list[Hint]]:
    """Record what attempts came to; return those that were refused, and hints for what is ready now."""
    first: dict[Key, Done | Failed] = {}
    for outcome in outcomes:
        first.setdefault((outcome.task_id, outcome.attempt), outcome)
    running = lock_running(tx, [task_id for task_id, _ in first])
    current = {key for key in first if key[0] in running and running[key[0]].attempt == key[1]}
    done = [outcome for key, outcome in first.items() if key in current and isinstance(outcome, Done)]
    failed = [outcome for key, outcome in first.items() if key in current and isinstance(outcome, Failed)]
    refused = _unknown(tx, {key: outcome for key, outcome in first.items() if key not in current})
    passed = _record_done(tx, done, running) if done else set()
    hints = []
    for outcome in failed:
        hints += fail_attempt(tx, running[outcome.task_id], outcome.error, "failed", retryable=outcome.retryable)
    for each in done:
        if each.verdict is not None:
            fail_by_verdict(tx, running[each.task_id].job_id, each.verdict, keep_loads=bool(each.loaded))
    for job_id in sorted(passed):
        hints += advance(tx, job_id)
    return refused, hints


def _unknown(tx: Tx, late: Mapping[Key, Done | Failed]) -> set[Key]:
    """Return those that were not recorded before either, as they would be if only the reply was lost."""
    if not late:
        return set()
    recorded = tx.connection.execute(
        select(attempt.c.task_id, attempt.c.attempt, attempt.c.outcome).where(
            attempt.c.task_id.in_([task_id for task_id, _ in late])
        )
    )
    known = {(task_id, number): outcome for task_id, number, outcome in recorded}
    return {
        key for key, outcome in late.items() if known.get(key) != ("done" if isinstance(outcome, Done) else "failed")
    }


def _record_done(tx: Tx, done: list[Done], running: Mapping[int, AnyRow]) -> set[str]:
    """Record finished attempts with what they left; return the jobs in which a stage may move on with them."""
    execute = tx.connection.execute
    ids = [each.task_id for each in done]
    execute(_DONE, {"ids": ids})
    execute(_END_ATTEMPTS, {"ids": ids, "how": "done", "now": tx.now})
    if partials := [_partial_row(each.task_id, each.partial) for each in done if each.partial]:
        execute(_PARTIALS, partials)
    if segments := [row for each in done for row in _segment_rows(each, running[each.task_id].stage_id)]:
        execute(_SEGMENTS, segments)
    if parts := [row for each in done for row in _part_rows(each, running[each.task_id].job_id)]:
        _number(tx, parts)
        execute(_PARTS, parts)
    for each in done:
        for loaded in each.loaded:
            tables.record(tx, running[each.task_id].job_id, loaded)
    execute(_TOUCH_JOBS, {"ids": list({running[task_id].job_id for task_id in ids}), "now": tx.now})
    return _count_done(tx, done, running) | {running[each.task_id].job_id for each in done if _left_runs(each)}


def _count_done(tx: Tx, done: list[Done], running: Mapping[int, AnyRow]) -> set[str]:
    of_stage: dict[int, list[Done]] = {}
    for each in done:
        of_stage.setdefault(running[each.task_id].stage_id, []).append(each)
    passed = set()
    for stage_id, those in sorted(of_stage.items()):
        sums = {
            "tasks": len(those),
            "records": sum(each.records_read for each in those),
            "bytes": sum(each.bytes_read for each in those),
        }
        counted = tx.connection.execute(_COUNT, sums | {"stage_id": stage_id}).one()
        if counted.state == StageState.ENDED and counted.done == counted.created:
            passed.add(counted.job_id)
    return passed


def _left_runs(each: Done) -> bool:
    return each.partial is not None and any(left.run for left in each.partial.segments)


def _partial_row(task_id: int, left: Partial) -> dict[str, Any]:
    return {"task_id": task_id, "key": left.key, "bytes": left.bytes, "sha256": left.sha256}


def _segment_rows(each: Done, stage_id: int) -> list[dict[str, Any]]:
    return [
        {
            "stage_id": stage_id,
            "output": left.output,
            "partition": left.partition,
            "task_id": each.task_id,
            "byte_offset": left.offset,
            "byte_length": left.length,
            "records": left.records,
            "taken_by": 0 if left.run else None,
        }
        for left in (each.partial.segments if each.partial else ())
    ]


def _part_rows(each: Done, job_id: str) -> list[dict[str, Any]]:
    return [
        {
            "job_id": job_id,
            "query": left.query,
            "ordinal": left.ordinal,
            "task_id": each.task_id,
            "name": left.name,
            "format": left.format,
            "key": left.key,
            "records": left.records,
            "bytes": left.bytes,
            "sha256": left.sha256,
        }
        for left in each.parts
    ]


def _number(tx: Tx, parts: list[dict[str, Any]]) -> None:
    """Give the parts numbers that go on from those of their jobs' earlier ones. The jobs' rows are held."""
    jobs = {row["job_id"] for row in parts}
    counted = select(part.c.job_id, func.max(part.c.sequence)).where(part.c.job_id.in_(jobs)).group_by(part.c.job_id)
    last: dict[str, int] = dict.fromkeys(jobs, 0)
    last.update((row[0], row[1]) for row in tx.connection.execute(counted))
    for row in parts:
        last[row["job_id"]] += 1
        row["sequence"] = last[row["job_id"]]


def fail_attempt(tx: Tx, row: AnyRow, error: dict[str, Any], outcome: str, *, retryable: bool) -> list[Hint]:
    """Record that the running attempt of ``row`` failed: the task waits for its next try, or is dead and ends its job.

    Returns a hint if the next try is due at once.
    """
    failures = row.failures + 1
    dead = not retryable or failures >= tx.limits.max_attempts
    not_before = None if dead else _next_try(tx, failures)
    freed = tx.connection.execute(
        update(task)
        .where(task.c.id == row.id, task.c.state == RUNNING, task.c.attempt == row.attempt)
        .values(
            state=TaskState.DEAD if dead else TaskState.READY,
            failures=failures,
            error=error,
            lease_until=None,
            not_before=not_before,
        )
    )
    if not freed.rowcount:  # dropped a moment ago, when another task of its job died
        return []
    tx.connection.execute(
        update(attempt)
        .where(attempt.c.task_id == row.id, attempt.c.attempt == row.attempt)
        .values(outcome=outcome, ended_at=tx.now, error=error)
    )
    if dead:
        end(tx, row.job_id, JobStatus.FAILED, _dead(tx, row, error) if retryable else error)
    return hints_of([row]) if not dead and not_before is None else []


def _next_try(tx: Tx, failures: int) -> float | None:
    """Return when to try again: the pause doubles, and is scattered, so that not all come at once."""
    limits = tx.limits
    pause_seconds = min(limits.retry_base_seconds * 2.0 ** (failures - 1), limits.retry_max_seconds)
    pause_seconds *= random.uniform(0.5, 1.0)  # noqa: S311 - nobody gains by guessing it
    return tx.now + pause_seconds if pause_seconds else None


def _dead(tx: Tx, row: AnyRow, error: dict[str, Any]) -> dict[str, Any]:
    stage_name = tx.connection.execute(select(stage.c.name).where(stage.c.id == row.stage_id)).scalar_one()
    tries = tx.connection.execute(
        select(attempt.c.attempt, attempt.c.worker, attempt.c.outcome, attempt.c.error)
        .where(attempt.c.task_id == row.id)
        .order_by(attempt.c.attempt)
    )
    return DeadTaskError(
        f"Task {row.ordinal} of stage {stage_name} failed {row.failures + 1} times; the last error was: "
        f"{error['message'].rstrip('.')}. Remove the cause, then retry the job: what is done is kept.",
        stage=stage_name,
        task=row.ordinal,
        attempts=[each._asdict() for each in tries],
    ).to_dict()


def release(tx: Tx, attempts: Collection[Key]) -> list[Hint]:
    """Hand running attempts back: their tasks are ready at once and no attempt is spent."""
    running = lock_running(tx, [task_id for task_id, _ in attempts])
    mine = [row for row in running.values() if (row.id, row.attempt) in attempts]
    ids = [row.id for row in mine]
    tx.connection.execute(update(task).where(task.c.id.in_(ids)).values(state=TaskState.READY, lease_until=None))
    tx.connection.execute(_END_ATTEMPTS, {"ids": ids, "how": "released", "now": tx.now})
    return hints_of(mine)
