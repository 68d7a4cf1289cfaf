"""The catalog contract: the durable truth about jobs, files, chunks, tasks, leases, partials and parts.

Everything else is a hint. A message may be lost or repeated, a worker may stop for an hour and go on, a reply may
never arrive: whatever happens, the catalog lets exactly one attempt of each task commit, and counts on its own rows.

Every method is one transaction: it has happened whole, or not at all. Every method may be called again with the same
arguments after a lost reply. Methods that make tasks ready return hints for them, to be dispatched after the call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from tolva.model import (
    Attempt,
    Chunk,
    Claim,
    Done,
    Failed,
    File,
    FleetWorker,
    Hint,
    Job,
    Key,
    NewFile,
    NewJob,
    NewLoad,
    NewUpload,
    Part,
    Progress,
    Received,
    Retired,
    StageMeasures,
    StoredTable,
    TableObject,
    Task,
    Upload,
    WorkerReport,
)
from tolva.plan import Plan, Role
from tolva.states import JobStatus

NO_TABLES: Mapping[int, int] = MappingProxyType({})

Heard = Callable[[Collection[str]], None]
"""Is told the ids of jobs that went on, from any thread; it must return at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers the catalog acts on.

    ``reduce_task_bytes``: hash partitions are put together into one reduce task up to this size.
    A failed attempt waits ``retry_base_seconds * 2 ** (failures - 1)``, at most ``retry_max_seconds``, with jitter.
    ``live_jobs_per_client`` counts the service's jobs that aren't over; the ``upload_bytes`` of a client those of such
    jobs.
    """

    max_attempts: int = 3
    retry_base_seconds: float = 0.5
    retry_max_seconds: float = 60.0
    reduce_task_bytes: int = 8 * 2**20
    running_jobs: int = 64
    running_jobs_per_client: int = 16
    live_jobs_per_client: int = 1000
    files_per_job: int = 10_000
    upload_bytes_per_file: int = 2**40
    upload_bytes_per_job: int = 2**40
    upload_bytes_per_client: int = 2**40


@dataclass(frozen=True, slots=True)
class Kept:
    """How long stored files are kept, in seconds.

    Of jobs whose results were fetched: ``retrieved_seconds`` from then. Of all others in a final status but cancelled,
    ``final_seconds``. Of jobs that nobody has fed or run on for ``abandoned_seconds``: until then.
    """

    retrieved_seconds: float = 24 * 3600.0
    final_seconds: float = 7 * 24 * 3600.0
    abandoned_seconds: float = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What there is in the catalog: jobs by status, tasks of unfinished jobs by role and state, attempts by outcome.

    ``job_seconds`` are from the submission of jobs that are over to their end, by status; ``attempt_seconds`` are by
    outcome.
    """

    jobs: dict[str, int]
    job_seconds: dict[str, float]
    tasks: dict[tuple[str, str], int]
    attempts: dict[str, int]
    attempt_seconds: dict[str, float]
    bytes_read: int
    records_read: int
    rejects: int


class Catalog(Protocol):
    """Durable truth, for any number of processes at once."""

    # -- jobs -------------------------------------------------------------------------------------------------------

    def create_job(self, job: NewJob) -> Job:
        """Record the job as pending. If the id is there already, nothing changes and that job is returned.

        So is the job that the client made with the same ``request_key``; ReusedKeyError if that was another submission
        (by ``digest``). LimitError when the client has too many unfinished jobs of the service.
        """
        ...

    def create_planned(self, job: NewJob, plan: Plan) -> tuple[Job, list[Hint]]:
        """Record a job that reads no table, with its plan and END, and let it begin if the limits allow."""
        ...

    def set_plan(
        self, job_id: str, plan: Plan, *, uses: Mapping[int, int] = NO_TABLES, ended: bool = False
    ) -> list[Hint]:
        """Give a job without a plan its plan: its stages exist now, and tasks for chunks that were cut before.

        What ``uses`` names (versions of stored tables, by the tables' ids) is kept while the job isn't final;
        StateError if one has a newer version by now. ``ended``: no file will come, as ``end_input`` says it, and the
        job begins at once if the limits allow.
        """
        ...

    def job(self, job_id: str, *, client: str | None = None) -> Job:
        """Return the job. NotFoundError if there is none, or ``client`` is given and doesn't own it."""
        ...

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
        """Return jobs, newest first, that pass every filter; ``before`` is the (created_at, id) to go on after."""
        ...

    def admit(self) -> list[Hint]:
        """Turn pending jobs that have a plan and a ready task into wip, each client's in order, within the limits."""
        ...

    def cancel(self, job_id: str) -> Job:
        """Make the job cancelled and drop its tasks, unless it is in a final status already."""
        ...

    def fail(self, job_id: str, error: dict[str, Any]) -> Job:
        """Make the job failed with this error and drop its tasks, unless it is in a final status already."""
        ...

    def delete_job(self, job_id: str) -> None:
        """Forget a job in a final status, with all that hangs on it. StateError if it isn't final."""
        ...

    def mark_retrieved(self, job_id: str) -> None:
        """Note that results were fetched; only the first time counts."""
        ...

    def progress(self, job_id: str) -> Progress:
        """Count how far the job is, from its rows."""
        ...

    def parts(self, job_id: str) -> list[Part]:
        """Return the parts committed so far, by query (in the plan's order) and ordinal."""
        ...

    def parts_after(self, job_id: str, sequence: int) -> list[tuple[int, Part]]:
        """Return the parts committed after the one numbered ``sequence``, in that order, each with its number."""
        ...

    # -- input ------------------------------------------------------------------------------------------------------

    def add_files(self, job_id: str, files: Sequence[NewFile]) -> list[File]:
        """Record input files, in this order. A file already there by (table, name) is returned as it stands.

        StateError once the input has ended or the job is final.
        """
        ...

    def files(self, job_id: str) -> list[File]:
        """Return the job's files in the order they were added or announced."""
        ...

    def add_chunks(self, file_id: int, chunks: Sequence[Chunk], *, ended: bool) -> list[Hint]:
        """Record chunks that follow each other from the file's ``cut_bytes`` on, and make their scan tasks.

        Chunks below ``cut_bytes`` are known and passed over, so a repeated call changes nothing; StateError if they
        leave a gap. With ``ended`` there will be no more chunks of the file.
        """
        ...

    def end_input(self, job_id: str) -> list[Hint]:
        """Note that no more files will come (END). Stages whose last task is already done are over now.

        No job is completed before END, not even one that reads no table.
        """
        ...

    # -- tasks ------------------------------------------------------------------------------------------------------

    def claim(self, task_ids: Sequence[int], worker: str, lease_seconds: float) -> list[Claim]:
        """Take those of the tasks that are ready and due and whose job is wip, for ``worker``.

        Each gets a new attempt number and a lease of ``lease_seconds`` from the catalog's now. Tasks that somebody
        else has, or that are over, are simply not in the answer.
        """
        ...

    def renew(self, attempts: Collection[tuple[int, int]], lease_seconds: float) -> set[tuple[int, int]]:
        """Prolong the leases of these (task id, attempt); return those that lost theirs, or whose job is over."""
        ...

    def commit(self, outcomes: Sequence[Done | Failed]) -> tuple[set[tuple[int, int]], list[Hint]]:
        """Record what attempts came to. Return the (task id, attempt) that were refused, and hints for new ready tasks.

        A ``Done`` is accepted exactly when the task is running that attempt and the job is wip; or when that very
        attempt is the one that was committed before (a repeated call: accepted, nothing changes). Accepted, its
        partial and parts are the task's for good; if the stage is over with it, the next stages' tasks exist, or the
        job is completed. With runs that it left there may be tasks of a stage that reads runs before that. A ``Failed``
        makes the task ready again after a pause, dead when its attempts are used up, and a dead or not retryable one
        fails the job with its error. A refused ``Done``'s output must be thrown away.
        """
        ...

    def release(self, attempts: Collection[tuple[int, int]]) -> list[Hint]:
        """Hand running attempts back: their tasks are ready at once and no attempt is spent."""
        ...

    def release_job(self, job_id: str) -> list[Hint]:
        """Hand back every running attempt of the job. For one who knows that the job's workers are gone."""
        ...

    def retry_dead(self, job_id: str, task_id: int | None = None) -> Job:
        """Make a failed job pending again: its dead tasks get new attempts, its dropped ones go on, done work is kept.

        With ``task_id`` only that dead task gets them, and the job is pending again when it was the last.
        This is the one way out of ``failed``, and only a person asks for it. StateError if the job isn't failed,
        ExpiredError if its files are deleted, NotFoundError if that task isn't dead.
        """
        ...

    # -- stored tables ----------------------------------------------------------------------------------------------

    def begin_load(self, job_id: str, load: NewLoad) -> None:
        """Say what the job will do to a table of its client. A job has one load of each table.

        It happens in the transaction that completes the job, whole or not at all. StateError once the job is final.
        The job fails instead of being completed when the table has another version than an upsert was worked out
        against, when it lacks columns that the table's key needs, when a column has another type there, or when
        contents were loaded before and that isn't allowed.
        """
        ...

    def tables(self, client: str) -> list[StoredTable]:
        """Return the client's tables by name, as the last completed loads left them."""
        ...

    def table(self, client: str, name: str) -> StoredTable:
        """Return the client's table of that name; upper and lower case are the same. NotFoundError if there is none."""
        ...

    def kept(self, client: str, names: Collection[str]) -> dict[str, tuple[StoredTable, list[TableObject]]]:
        """Return those of the names that are tables of the client, each as it is now with its objects in order."""
        ...

    def table_objects(self, table_id: int, version: int) -> list[TableObject]:
        """Return the objects that hold a version's records, in the order in which they were loaded."""
        ...

    def drop_table(self, client: str, name: str) -> None:
        """Forget the table; jobs that use it go on. NotFoundError if there is none."""
        ...

    def stored_keys(self, prefix: str) -> set[str]:
        """Return the keys below the folder ``prefix`` that a version of a table has or had.

        Of what a job wrote that is over, all else is garbage.
        """
        ...

    def retire_objects(self) -> Retired:
        """Return the objects that no version, no job and no load needs any more. They are never used again.

        Delete their bytes, then call ``forget_objects``: whoever is interrupted in between finds them again.
        """
        ...

    def forget_objects(self, retired: Retired) -> None:
        """Forget objects whose bytes are deleted."""
        ...

    # -- reconciling ------------------------------------------------------------------------------------------------

    def expire_leases(self) -> list[Hint]:
        """Free running tasks whose lease is over, one by one on (state, attempt); each costs an attempt."""
        ...

    def recheck_barriers(self) -> list[Hint]:
        """Bring every wip job to where its rows say it is, should a step have been missed."""
        ...

    def ready(self, *, job_id: str | None = None, limit: int = 1000) -> list[Hint]:
        """Return hints for the due ready tasks of wip jobs, up to ``limit`` of each job, oldest first."""
        ...

    def next_due_seconds(self) -> float | None:
        """Return the seconds until a retry is due or a lease ends (0.0: overdue); None when nothing waits."""
        ...

    # -- for people and tests ---------------------------------------------------------------------------------------

    def tasks(self, job_id: str) -> list[Task]:
        """Return the job's tasks by stage (in the plan's order) and ordinal."""
        ...

    def measures(self, job_id: str) -> list[StageMeasures]:
        """Return what each stage's committed tasks read, left and took, in the plan's order."""
        ...

    def attempts(self, job_id: str) -> list[Attempt]:
        """Return every attempt of the job's tasks in the order they started."""
        ...

    def keys(self, job_id: str) -> set[str]:
        """Return the storage keys of committed partials and parts; all else below the job's prefix is garbage."""
        ...

    # -- for the job service ----------------------------------------------------------------------------------------

    def begin_uploads(self, job_id: str, files: Sequence[NewUpload]) -> list[Upload]:
        """Record files that will be sent. Of one whose table and name are there already, that upload is returned.

        A job's files count in the order in which they are given here, not in that in which their bytes come.

        StateError once the job is over or its uploads ended; LimitError when it has too many files.
        """
        ...

    def upload(self, upload_id: str, *, job_id: str | None = None) -> Upload:
        """Return the upload. NotFoundError if there is none, or it isn't of ``job_id``."""
        ...

    def uploads(self, job_id: str) -> list[Upload]:
        """Return the job's uploads in the order they began."""
        ...

    def receive(self, new: Received) -> tuple[Upload, list[Hint]]:
        """Record what was stored of an upload: its bytes are acknowledged, its chunks get their tasks.

        Return the upload as it is now, and hints for what became ready.

        ConflictError when the upload has not ``from_bytes`` bytes (any more), or its table got other columns from
        another file meanwhile; StateError as ``begin_uploads``; TooLargeError past a limit.
        """
        ...

    def table_columns(self, job_id: str, table: str) -> tuple[tuple[str, str], ...] | None:
        """Return the columns (name, type) of a table of uploads, which its first file decides; None until then."""
        ...

    def discard_upload(self, upload_id: str) -> Upload:
        """Forget an upload of which nothing was cut yet; return what it was. StateError otherwise."""
        ...

    def end_uploads(self, job_id: str) -> Job:
        """Note that the client sends no more files. StateError while one is unfinished, or when the job is over."""
        ...

    def unfed(self) -> list[str]:
        """Return the ids of the service's unfinished jobs whose input has not ended, oldest first."""
        ...

    def files_to_delete(self, kept: Kept) -> list[Job]:
        """Return the jobs whose stored files are there still and nobody may want any more."""
        ...

    def mark_files_deleted(self, job_id: str) -> None:
        """Note that the job's stored files are gone for good."""
        ...

    def counts(self, rejects: Collection[tuple[str, str]] = ()) -> Counts:
        """Count jobs, tasks, attempts, what was read, and what could not be used.

        That is the records in the parts of ``rejects``: kinds of jobs, each with the name of a result, or of a stage.
        """
        ...

    def add_key(self, key: Key) -> None:
        """Record a new key."""
        ...

    def find_key(self, key_id: str) -> Key | None:
        """Return the key of that id, revoked or not; None if there is none."""
        ...

    def all_keys(self) -> list[Key]:
        """Return every key, oldest first."""
        ...

    def revoke_key(self, key_id: str) -> None:
        """Let the key open nothing from now on. NotFoundError if there is none."""
        ...

    # -- the fleet --------------------------------------------------------------------------------------------------

    def report_worker(self, report: WorkerReport) -> set[Role]:
        """Record that this worker lives, and how it is; return the roles that are paused."""
        ...

    def forget_worker(self, name: str) -> None:
        """Note that this worker has ended in good order."""
        ...

    def fleet(self) -> list[FleetWorker]:
        """Return the workers that reported within a day and haven't ended, by name."""
        ...

    def paused_roles(self) -> set[Role]:
        """Return the roles whose tasks nobody takes now."""
        ...

    def pause_role(self, role: Role) -> None:
        """Let the whole fleet take no more tasks of this role; running ones finish."""
        ...

    def resume_role(self, role: Role) -> None:
        """Let the fleet take tasks of this role again."""
        ...

    # -- news -------------------------------------------------------------------------------------------------------

    def listen(self, heard: Heard) -> None:
        """Call ``heard`` with the ids of jobs that have just got a final status, until the catalog is closed.

        Of those that got it by way of this catalog; and by any other process, where the database can tell. News may be
        missed, so whoever waits for a job looks at it now and then, too. At most one listens.
        """
        ...

    def close(self) -> None:
        """Let go of connections. The catalog must not be used afterwards."""
        ...
