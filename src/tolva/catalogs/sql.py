"""The catalog over any SQL database that SQLAlchemy speaks to: every method is one transaction around one function.

Transactions, time, errors and crash points are handled here, once; the modules beside this one hold nothing but
statements. An adapter says how to connect, tell the time, insert and explain its database's errors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from tolva import crash
from tolva.catalog import NO_TABLES, Heard, Limits
from tolva.catalogs import admission, barriers, claims, committing, inputs, jobs, reconciling, reports
from tolva.catalogs.sql_fleet import SqlFleet
from tolva.catalogs.sql_service import SqlService
from tolva.catalogs.sql_tables import SqlTables
from tolva.catalogs.transactions import Inserts, Tx
from tolva.errors import CatalogError
from tolva.model import (
    Attempt,
    Chunk,
    Claim,
    Done,
    Failed,
    File,
    Hint,
    Job,
    NewFile,
    NewJob,
    Part,
    Progress,
    StageMeasures,
    Task,
)
from tolva.plan import Plan
from tolva.states import JobStatus

WRITES = "tolva_writes"
"""The execution option that says of a transaction that it will write, for databases that lock before they read."""


class SqlCatalog(SqlService, SqlTables, SqlFleet, ABC):
    """All of a catalog but what differs between databases."""

    def __init__(self, engine: Engine, inserts: Inserts, limits: Limits) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{WRITES: True})
        self._inserts = inserts
        self._limits = limits

    @abstractmethod
    def _now(self, connection: Connection) -> float:
        """Return the time by the catalog's clock."""

    @abstractmethod
    def _explain(self, error: DBAPIError) -> CatalogError:
        """Return what happened in the database, and what to do about it."""

    @contextmanager
    def _write(self, name: str) -> Iterator[Tx]:
        try:
            with self._writing.connect() as connection:
                with connection.begin():
                    yield self._tx(connection)
                    crash.point(f"catalog.{name}.before")
                crash.point(f"catalog.{name}.after")
        except DBAPIError as error:
            raise self._explain(error) from error

    @contextmanager
    def _read(self) -> Iterator[Tx]:
        try:
            with self._engine.connect() as connection, connection.begin():
                yield self._tx(connection)
        except DBAPIError as error:
            raise self._explain(error) from error

    def _tx(self, connection: Connection) -> Tx:
        return Tx(connection, self._now, self._limits, self._inserts)

    # -- jobs -------------------------------------------------------------------------------------------------------

    def create_job(self, job: NewJob) -> Job:
        """Record the job as pending, unless its id is there already."""
        with self._write("create_job") as tx:
            return jobs.create(tx, job)[0]

    def create_planned(self, job: NewJob, plan: Plan) -> tuple[Job, list[Hint]]:
        """Record a job that reads no table, with its plan and END, and let it begin if the limits allow."""
        with self._write("create_planned") as tx:
            made, is_new = jobs.create(tx, job, plan)
            if is_new:
                barriers.begin(tx, made.id, plan)
            return made, admission.admit(tx)

    def set_plan(
        self, job_id: str, plan: Plan, *, uses: Mapping[int, int] = NO_TABLES, ended: bool = False
    ) -> list[Hint]:
        """Give a job without a plan its plan."""
        with self._write("set_plan") as tx:
            hints = barriers.set_plan(tx, job_id, plan, uses)
            if ended:
                hints += inputs.end_input(tx, job_id)
                hints += admission.admit(tx)
            return hints

    def job(self, job_id: str, *, client: str | None = None) -> Job:
        """Return the job."""
        with self._read() as tx:
            return jobs.one(tx, job_id, client)

    def jobs(
        self,
        *,
        client: str | None = None,
        statuses: Collection[JobStatus] = (),
        digest: str | None = None,
        kind: str | None = None,
        limit: int = 100,
        before: tuple[float, str] | None = None,
    ) -> list[Job]:
        """Return jobs, newest first, that pass every filter."""
        with self._read() as tx:
            return jobs.many(tx, client=client, statuses=statuses, digest=digest, kind=kind, limit=limit, before=before)

    def admit(self) -> list[Hint]:
        """Turn pending jobs into wip, each client's in order, within the limits."""
        with self._read() as tx:
            if not admission.waiting(tx):
                return []
        with self._write("admit") as tx:
            return admission.admit(tx)

    def cancel(self, job_id: str) -> Job:
        """Make the job cancelled and drop its tasks, unless it is in a final status already."""
        with self._write("cancel") as tx:
            jobs.end(tx, job_id, JobStatus.CANCELLED)
            return jobs.one(tx, job_id)

    def fail(self, job_id: str, error: dict[str, Any]) -> Job:
        """Make the job failed with this error and drop its tasks, unless it is in a final status already."""
        with self._write("fail") as tx:
            jobs.end(tx, job_id, JobStatus.FAILED, error)
            return jobs.one(tx, job_id)

    def delete_job(self, job_id: str) -> None:
        """Forget a job in a final status, with all that hangs on it."""
        with self._write("delete_job") as tx:
            jobs.delete_final(tx, job_id)

    def mark_retrieved(self, job_id: str) -> None:
        """Note that results were fetched; only the first time counts."""
        with self._write("mark_retrieved") as tx:
            jobs.mark_retrieved(tx, job_id)

    def progress(self, job_id: str) -> Progress:
        """Count how far the job is, from its rows."""
        with self._read() as tx:
            return reports.progress(tx, job_id)

    def parts(self, job_id: str) -> list[Part]:
        """Return the parts committed so far."""
        with self._read() as tx:
            return reports.parts(tx, job_id)

    def parts_after(self, job_id: str, sequence: int) -> list[tuple[int, Part]]:
        """Return the parts committed after the one numbered ``sequence``, each with its number."""
        with self._read() as tx:
            return reports.parts_after(tx, job_id, sequence)

    # -- input ------------------------------------------------------------------------------------------------------

    def add_files(self, job_id: str, files: Sequence[NewFile]) -> list[File]:
        """Record input files, in this order."""
        with self._write("add_files") as tx:
            return inputs.add_files(tx, job_id, files)

    def files(self, job_id: str) -> list[File]:
        """Return the job's files in the order they were added."""
        with self._read() as tx:
            return inputs.files_of(tx, job_id)

    def add_chunks(self, file_id: int, chunks: Sequence[Chunk], *, ended: bool) -> list[Hint]:
        """Record chunks that follow each other from the file's ``cut_bytes`` on, and make their scan tasks."""
        with self._write("add_chunks") as tx:
            return inputs.add_chunks(tx, file_id, chunks, ended=ended)

    def end_input(self, job_id: str) -> list[Hint]:
        """Note that no more files will come (END)."""
        with self._write("end_input") as tx:
            return inputs.end_input(tx, job_id)

    # -- tasks ------------------------------------------------------------------------------------------------------

    def claim(self, task_ids: Sequence[int], worker: str, lease_seconds: float) -> list[Claim]:
        """Take those of the tasks that are ready and due and whose job is wip, for ``worker``."""
        with self._write("claim") as tx:
            return claims.claim(tx, task_ids, worker, lease_seconds)

    def renew(self, attempts: Collection[tuple[int, int]], lease_seconds: float) -> set[tuple[int, int]]:
        """Prolong the leases of these (task id, attempt); return those that lost theirs, or whose job is over."""
        with self._write("renew") as tx:
            return reconciling.renew(tx, attempts, lease_seconds)

    def commit(self, outcomes: Sequence[Done | Failed]) -> tuple[set[tuple[int, int]], list[Hint]]:
        """Record what attempts came to; return those that were refused, and hints for new ready tasks."""
        with self._write("commit") as tx:
            return committing.commit(tx, outcomes)

    def release(self, attempts: Collection[tuple[int, int]]) -> list[Hint]:
        """Hand running attempts back: their tasks are ready at once and no attempt is spent."""
        with self._write("release") as tx:
            return committing.release(tx, attempts)

    def release_job(self, job_id: str) -> list[Hint]:
        """Hand back every running attempt of the job."""
        with self._write("release") as tx:
            return reconciling.release_job(tx, job_id)

    def retry_dead(self, job_id: str, task_id: int | None = None) -> Job:
        """Give dead tasks of a failed job new attempts; with the last of them it is pending again."""
        with self._write("retry_dead") as tx:
            jobs.retry_dead(tx, job_id, task_id)
            return jobs.one(tx, job_id)

    # -- reconciling ------------------------------------------------------------------------------------------------

    def expire_leases(self) -> list[Hint]:
        """Free running tasks whose lease is over; each costs an attempt."""
        with self._read() as tx:
            if not reconciling.expired(tx):
                return []
        with self._write("expire_leases") as tx:
            return reconciling.expire_leases(tx)

    def recheck_barriers(self) -> list[Hint]:
        """Bring every wip job to where its rows say it is, should a step have been missed."""
        with self._read() as tx:
            running = reconciling.running_jobs(tx)
        hints = []
        for job_id in running:
            with self._write("recheck_barriers") as tx:
                hints += barriers.advance(tx, job_id)
        return hints

    def ready(self, *, job_id: str | None = None, limit: int = 1000) -> list[Hint]:
        """Return hints for the due ready tasks of wip jobs, up to ``limit`` of each job."""
        with self._read() as tx:
            if not reconciling.retries_due(tx):
                return reconciling.ready(tx, job_id, limit)
        with self._write("ready") as tx:
            reconciling.end_pauses(tx)
            return reconciling.ready(tx, job_id, limit)

    def next_due_seconds(self) -> float | None:
        """Return the seconds until a retry is due or a lease ends (0.0: overdue); None when nothing waits."""
        with self._read() as tx:
            return reconciling.next_due_seconds(tx)

    # -- for people and tests ---------------------------------------------------------------------------------------

    def tasks(self, job_id: str) -> list[Task]:
        """Return the job's tasks by stage (in the plan's order) and ordinal."""
        with self._read() as tx:
            return reports.tasks(tx, job_id)

    def measures(self, job_id: str) -> list[StageMeasures]:
        """See ``Catalog.measures``."""
        with self._read() as tx:
            return reports.measures(tx, job_id)

    def attempts(self, job_id: str) -> list[Attempt]:
        """Return every attempt of the job's tasks in the order they started."""
        with self._read() as tx:
            return reports.attempts(tx, job_id)

    def keys(self, job_id: str) -> set[str]:
        """Return the storage keys of committed partials and parts."""
        with self._read() as tx:
            return reports.keys(tx, job_id)

    @abstractmethod
    def listen(self, heard: Heard) -> None:
        """Call ``heard`` with the ids of jobs that have just got a final status, until the catalog is closed."""

    def close(self) -> None:
        """Let go of connections."""
        self._engine.dispose()
