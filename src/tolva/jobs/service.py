"""The job service: the one place where jobs are submitted, fed, watched, cancelled, retried and forgotten.

HTTP, sessions and the client's commands all come here. A job is durable when ``submit`` returns; all that follows is
done by a crew (workers, reconciler) and a tender, which take up after a crash whatever the catalog says is left.

``client`` is who asks: a job of somebody else is not found. None asks as an administrator, who sees every job.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from tolva.backends import Backends
from tolva.catalog import Counts, Kept
from tolva.errors import DocumentError, ExpiredError, NotFoundError, StateError
from tolva.jobs.cleaner import Cleaner
from tolva.jobs.crew import Crew, CrewSettings
from tolva.jobs.documents import JobDocument, to_json
from tolva.jobs.tender import Tender
from tolva.jobs.uploads import Uploads
from tolva.jobs.watch import Tell, Watch
from tolva.model import (
    Attempt,
    Job,
    NewJob,
    Origin,
    Part,
    Progress,
    StageMeasures,
    StoredTable,
    Task,
)
from tolva.plan import Plan
from tolva.states import JobStatus, TaskState
from tolva.work.children import Children

_ALL = 2**31 - 1

_REJECTS = (("ingest", "rejects"), ("export", "compose errors"))
"""The kinds of jobs that go on without what they can't use, and the result, or the stage, that writes it down."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How the service works. Sizes in bytes, times in seconds.

    ``data``: the folder that job documents of those who may can name files of; None: nobody may.
    ``upload_chunk_bytes`` bounds what one upload holds in memory.
    """

    crew: CrewSettings
    chunk_bytes: int
    upload_chunk_bytes: int = 8 * 2**20
    data: Path | None = None
    prepare_seconds: float = 60.0
    kept: Kept = field(default_factory=Kept)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job and how far it is, at one moment."""

    job: Job
    progress: Progress


class JobService:
    """See above. Methods may be called from any thread; they talk to the catalog and never compute.

    ``uploads`` takes the files that clients send.

    Args:
        children: run tasks.
        preparers: prepare jobs, beside the tasks, so that no job waits for another's work to be accepted.
    """

    def __init__(self, backends: Backends, children: Children, preparers: Children, settings: ServiceSettings) -> None:
        self._backends = backends
        self._catalog = backends.catalog
        self._storage = backends.storage
        self._settings = settings
        self._preparers = preparers
        self.watch = Watch()
        self._crew = Crew(backends, children, settings.crew, self.watch.changed)
        self._tender = Tender(
            backends,
            preparers,
            data=settings.data,
            chunk_bytes=settings.chunk_bytes,
            prepare_seconds=settings.prepare_seconds,
            on_change=self.watch.changed,
        )
        self.uploads = Uploads(
            backends,
            chunk_bytes=settings.upload_chunk_bytes,
            abandoned_seconds=settings.kept.abandoned_seconds,
            on_change=self._fed,
        )
        self._cleaner = Cleaner(backends, settings.kept, settle_seconds=settings.crew.lease_seconds)

    def start(self, *, alone: bool) -> None:
        """Begin to work, with whatever an earlier service left.

        ``alone``: no other service works on this catalog, so what an earlier one was at is handed back at once, rather
        than when its leases end.
        """
        if alone:
            for job in self._catalog.jobs(statuses=[JobStatus.WIP], limit=_ALL):
                if job.origin is Origin.SERVICE:
                    self._catalog.release_job(job.id)
        self._crew.start()
        self._tender.start()
        self._cleaner.start()
        self._catalog.listen(self.watch.over)

    def stop(self, grace_seconds: float) -> None:
        """Take up nothing more; give running tasks ``grace_seconds``, hand the rest back, and end."""
        self._preparers.close()
        self._tender.stop()
        self._crew.stop(grace_seconds)
        self._cleaner.stop()

    # -- jobs -------------------------------------------------------------------------------------------------------

    def submit(
        self,
        document: JobDocument,
        client: str,
        *,
        plan: Plan | None = None,
        may_read_files: bool = False,
        request_key: str | None = None,
        traceparent: str | None = None,
    ) -> Job:
        """Accept the job: it is durable on return, and its work begins.

        With ``plan``, which must be the document's, it isn't planned again; such a job has no files.
        DocumentError if it names files of the server and may not; ReusedKeyError and LimitError as ``create_job``.
        """
        self._check_files(document, may_read_files=may_read_files)
        value = to_json(document)
        new = NewJob(
            id=secrets.token_hex(8),
            client=client,
            kind=document.kind,
            document=value,
            digest=hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest(),
            labels=document.labels,
            origin=Origin.SERVICE,
            request_key=request_key,
            traceparent=traceparent,
        )
        if plan is not None:
            job, hints = self._catalog.create_planned(new, plan)
            self._backends.dispatcher.publish(hints)
            return job
        job = self._catalog.create_job(new)
        self._tender.tend(job.id)
        return job

    def job(self, job_id: str, client: str | None) -> Job:
        """Return the job. NotFoundError if there is none of this client."""
        return self._catalog.job(job_id, client=client)

    def jobs(
        self,
        client: str | None,
        *,
        statuses: Collection[JobStatus] = (),
        kind: str | None = None,
        limit: int = 100,
        before: tuple[float, str] | None = None,
    ) -> list[Job]:
        """Return the client's jobs, newest first; ``before`` is the (created_at, id) to go on after."""
        return self._catalog.jobs(client=client, statuses=statuses, kind=kind, limit=limit, before=before)

    def snapshot(self, job_id: str, client: str | None) -> Snapshot:
        """Return the job and its progress."""
        return self.described(self.job(job_id, client))

    def described(self, job: Job) -> Snapshot:
        """Return the job with its progress."""
        return Snapshot(job, self._catalog.progress(job.id))

    def watching(self, job_id: str, tell: Tell) -> AbstractContextManager[None]:
        """Call ``tell`` whenever the job went on, inside the block."""
        return self.watch.on(job_id, tell)

    def start_job(self, job_id: str, client: str | None) -> Job:
        """END: note that the client sends no more files. Asked again, nothing changes.

        StateError while a file is unfinished, or when the job is over.
        """
        self.job(job_id, client)
        job = self._catalog.end_uploads(job_id)
        self._tender.tend(job_id)
        self.watch.changed({job_id})
        return job

    def cancel(self, job_id: str, client: str | None) -> Job:
        """Make the job cancelled: within two seconds its work has stopped and its files are gone.

        A job that is over otherwise stays what it is: StateError.
        """
        self.job(job_id, client)
        job = self._catalog.cancel(job_id)
        if job.status is not JobStatus.CANCELLED:
            raise StateError(f"Job {job_id} is {job.status} and can't be cancelled any more.", job=job_id)
        self._crew.check()
        self._cleaner.wake()
        self.watch.changed({job_id})
        return job

    def retry(self, job_id: str, client: str | None, *, task_id: int | None = None) -> Job:
        """Give a failed job's dead tasks (or this one of them) new attempts; committed tasks aren't run again.

        StateError if the job isn't failed, ExpiredError if its files are gone.
        """
        self.job(job_id, client)
        job = self._catalog.retry_dead(job_id, task_id)
        self._tender.tend(job_id)
        self._crew.wake()
        self.watch.changed({job_id})
        return job

    def delete(self, job_id: str, client: str | None) -> None:
        """Forget the job, which is cancelled first if it isn't over; its files go right after.

        Nobody waits for them, and whatever is left when the service is killed goes as the files of unknown jobs do.
        """
        if not self.job(job_id, client).status.final:
            self._catalog.cancel(job_id)
            self._crew.check()
        self._catalog.delete_job(job_id)
        self._cleaner.sweep_later(job_id)
        self.watch.changed({job_id})

    def tasks(self, job_id: str, client: str | None, state: TaskState | None) -> list[tuple[Task, list[Attempt]]]:
        """Return the job's tasks, or those in this state, each with its attempts so far."""
        self.job(job_id, client)
        tries: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in self._catalog.attempts(job_id):
            tries[attempt.task_id].append(attempt)
        return [(task, tries[task.id]) for task in self._catalog.tasks(job_id) if state in (None, task.state)]

    def measures(self, job_id: str, client: str | None) -> dict[str, StageMeasures]:
        """Return what each stage's committed tasks read, left and took so far, by the stage's name."""
        self.job(job_id, client)
        return {found.name: found for found in self._catalog.measures(job_id)}

    def _fed(self, job_id: str, learned: bool) -> None:
        if learned:
            self._tender.tend(job_id)
        self.watch.changed({job_id})

    def _check_files(self, document: JobDocument, *, may_read_files: bool) -> None:
        for pattern in document.server_files():
            if not may_read_files or self._settings.data is None:
                raise DocumentError(
                    f"files: {pattern} names files of the server, which this client may not. "
                    "Leave files out and upload them."
                )
            if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
                raise DocumentError(f"files: {pattern} leads out of the server's data folder.")

    # -- stored tables ----------------------------------------------------------------------------------------------

    def tables(self, client: str) -> list[StoredTable]:
        """Return the client's stored tables by name."""
        return self._catalog.tables(client)

    def table(self, client: str, name: str) -> StoredTable:
        """Return a stored table. NotFoundError if the client has none of that name."""
        return self._catalog.table(client, name)

    def drop_table(self, client: str, name: str) -> None:
        """Forget a stored table; its objects go when nobody reads them any more."""
        self._catalog.drop_table(client, name)
        self._cleaner.wake()

    def counts(self) -> Counts:
        """Count what there is, for operators."""
        return self._catalog.counts(_REJECTS)

    # -- results ----------------------------------------------------------------------------------------------------

    def parts(self, job_id: str, client: str | None) -> list[Part]:
        """Return the parts there are so far, by query and ordinal. ExpiredError once the files are deleted."""
        self._stored(job_id, client)
        return self._catalog.parts(job_id)

    def parts_after(self, job_id: str, client: str | None, sequence: int) -> list[tuple[int, Part]]:
        """Return parts in the order they were finished, from the one after ``sequence`` on, with their numbers."""
        self._stored(job_id, client)
        return self._catalog.parts_after(job_id, sequence)

    def part(self, job_id: str, client: str | None, name: str) -> Part:
        """Return the part of that name. NotFoundError if there is none (yet)."""
        for part in self.parts(job_id, client):
            if part.name == name:
                return part
        raise NotFoundError(f"Job {job_id} has no part {name}.", job=job_id, part=name)

    def read(self, part: Part, offset: int, length: int) -> Iterator[memoryview]:
        """Yield a range of the part's bytes in blocks."""
        block = 2**20
        for start in range(offset, offset + length, block):
            yield self._storage.get(part.key, [(start, min(block, offset + length - start))])[0]

    def retrieved(self, job_id: str) -> None:
        """Note that results of a completed job were fetched: its time to live begins."""
        self._catalog.mark_retrieved(job_id)

    def expires_at(self, job: Job) -> float | None:
        """Return when the files of a job that is over will be deleted; None if they are, or it isn't over."""
        if job.completed_on is None or job.files_deleted_at is not None:
            return None
        kept = self._settings.kept
        last = job.completed_on + kept.final_seconds
        return last if job.retrieved_at is None else min(last, job.retrieved_at + kept.retrieved_seconds)

    def _stored(self, job_id: str, client: str | None) -> Job:
        job = self.job(job_id, client)
        if job.status is JobStatus.CANCELLED:
            raise ExpiredError(f"Job {job_id} was cancelled and its files are gone.", job=job_id)
        if job.files_deleted_at is not None:
            raise ExpiredError(
                f"The time of job {job_id} was over and its files are gone. Submit it again.", job=job_id
            )
        return job
