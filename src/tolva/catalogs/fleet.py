"""Which workers there are, what they hold, and which roles are paused."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import and_, delete, select, update

from tolva.catalogs.schema import RUNNING, attempt, paused_role, stage, task, worker
from tolva.catalogs.transactions import Tx
from tolva.model import FleetWorker, WorkerReport, WorkerTask
from tolva.plan import Role

_REMEMBERED_SECONDS = 86_400.0


def report(tx: Tx, said: WorkerReport) -> set[Role]:
    """Record that the worker lives; return the paused roles."""
    now_so = {
        "machine": said.machine,
        "roles": list(said.roles),
        "slots": said.slots,
        "memory_bytes": said.memory_bytes,
        "seen_at": tx.now,
    }
    if not tx.connection.execute(update(worker).where(worker.c.name == said.name).values(now_so)).rowcount:
        tx.connection.execute(
            tx.insert(worker).on_conflict_do_nothing(), now_so | {"name": said.name, "started_at": tx.now}
        )
        tx.connection.execute(delete(worker).where(worker.c.seen_at < tx.now - _REMEMBERED_SECONDS))
    return paused(tx)


def forget(tx: Tx, name: str) -> None:
    """Remove the worker."""
    tx.connection.execute(delete(worker).where(worker.c.name == name))


def workers(tx: Tx) -> list[FleetWorker]:
    """Return the workers, with what they hold."""
    held = _held(tx)
    rows = tx.connection.execute(
        select(worker).where(worker.c.seen_at >= tx.now - _REMEMBERED_SECONDS).order_by(worker.c.name)
    )
    return [
        FleetWorker(
            WorkerReport(row.name, row.machine, tuple(Role(name) for name in row.roles), row.slots, row.memory_bytes),
            row.started_at,
            tx.now - row.seen_at,
            tuple(held[row.name]),
        )
        for row in rows
    ]


def _held(tx: Tx) -> dict[str, list[WorkerTask]]:
    rows = tx.connection.execute(
        select(task.c.id, task.c.job_id, task.c.attempt, task.c.lease_until, stage.c.name.label("stage_name"))
        .add_columns(attempt.c.worker, attempt.c.started_at)
        .join(stage, stage.c.id == task.c.stage_id)
        .join(attempt, and_(attempt.c.task_id == task.c.id, attempt.c.attempt == task.c.attempt))
        .where(task.c.state == RUNNING)
        .order_by(attempt.c.started_at)
    )
    held: dict[str, list[WorkerTask]] = defaultdict(list)
    for row in rows:
        running, lease = tx.now - row.started_at, row.lease_until - tx.now
        held[row.worker].append(WorkerTask(row.id, row.job_id, row.stage_name, row.attempt, running, lease))
    return held


def paused(tx: Tx) -> set[Role]:
    """Return the paused roles."""
    return {Role(name) for name in tx.connection.execute(select(paused_role.c.role)).scalars()}


def pause(tx: Tx, role: Role) -> None:
    """Note that the role is paused."""
    tx.connection.execute(tx.insert(paused_role).on_conflict_do_nothing(), {"role": role})


def resume(tx: Tx, role: Role) -> None:
    """Note that the role is paused no more."""
    tx.connection.execute(delete(paused_role).where(paused_role.c.role == role))
