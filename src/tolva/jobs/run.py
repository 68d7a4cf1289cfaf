"""Run a job here and now: submit or take up, feed, wait, deliver, clean. Behind ``tolva run`` and ``tolva demo``."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tolva.backends import Backends
from tolva.catalog import Catalog
from tolva.errors import NotFoundError, TolvaError, TooManyRejectsError
from tolva.jobs import folder_lock
from tolva.jobs.crew import Crew, CrewSettings
from tolva.jobs.deliver import check_folder, deliver, delivered_job, manifest_of
from tolva.jobs.documents import JobDocument
from tolva.jobs.feed import feed
from tolva.jobs.prepare import Brief, Prepared, ToPrepare
from tolva.jobs.stored import look_up, sweep, sweep_job
from tolva.jobs.submit import digest_of, submit
from tolva.model import Job, Progress
from tolva.plan import Plan, Role
from tolva.states import JobStatus
from tolva.work.children import Cancel, Children

CLIENT = "local"

_REPORT_SECONDS = 0.2
"""How often progress is told while nothing changes."""

_GRACE_SECONDS = 0.0
"""An interrupted run stops at once: what was not committed is simply done again."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How a job is run. Sizes in bytes, times in seconds. ``fleet``: others do its tasks."""

    state: Path
    workers: int
    chunk_bytes: int
    lease_seconds: float = 15.0
    task_seconds: float | None = None
    fleet: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """When a query's answer was there, in seconds since work began, and how many records its tables have."""

    seconds: float
    records_read: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A completed run: the job, its manifest, what was read, and how long it and each query took.

    ``rejects``: how many records or keys could not be used; the results name each.
    """

    job: Job
    manifest: dict[str, Any]
    progress: Progress
    seconds: float
    timings: dict[str, Timing]
    rejects: int


class Run:
    """Runs job documents with these children, and with the backends that ``connect`` opens.

    It may be stopped at any time by an exception raised from a signal handler: what was committed is kept.
    """

    def __init__(self, connect: Callable[[], Backends], children: Children, settings: RunSettings) -> None:
        self._connect = connect
        self._children = children
        self._settings = settings
        self._changed = threading.Event()

    def execute(
        self, document: JobDocument, data: Path, output: Path, *, resume: bool, report: Callable[[Progress], None]
    ) -> Finished:
        """Run the document over the files in ``data`` and write the results into ``output``.

        With ``resume`` an unfinished run of the same document, data and output is taken up: committed tasks are not
        run again. Raises what made the job fail.
        """
        check_folder(output)
        digest = digest_of(document, data, output)
        with folder_lock.hold(self._settings.state / "locks" / digest[:16], "This job"):
            threading.Thread(target=self._children.prestart, name="prestart", daemon=True).start()
            brief = document.brief(data.absolute())
            stored = bool(brief.stored_names)
            prepared = None if resume or stored else self._prepare(brief)
            backends = self._connect()
            try:
                if stored and not resume:
                    prepared = self._prepare(look_up(backends.catalog, backends.storage, CLIENT, brief))
                if prepared is None:
                    job = _taken_up(backends, digest, output, fleet=self._settings.fleet)
                else:
                    job = _new(backends, document, prepared(), digest)
                if job.status is not JobStatus.COMPLETED:
                    job = self._work(backends, job, report)
                if job.status is JobStatus.FAILED:
                    _end_failed(backends, job, output)
                return _finish(backends, job, output)
            finally:
                backends.catalog.close()

    def _prepare(self, brief: Brief) -> Callable[[], Prepared]:
        """Let a child prepare the job while the caller goes on; return what waits for it."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        future = thread.submit(
            self._children.run,
            ToPrepare(brief),
            deadline_seconds=self._settings.task_seconds,
            cancel=Cancel(),
        )
        thread.shutdown(wait=False)
        return future.result

    def _work(self, backends: Backends, job: Job, report: Callable[[Progress], None]) -> Job:
        settings = self._settings
        crew_settings = CrewSettings(
            name=f"local-{os.getpid()}",
            workers=settings.workers,
            lease_seconds=settings.lease_seconds,
            task_seconds=settings.task_seconds,
            roles=() if settings.fleet else tuple(Role),
        )
        crew = Crew(backends, self._children, crew_settings, lambda _: self._changed.set(), job.id)
        feeder = _Feeder(backends, job.id, settings, self._changed.set)
        feeder.start()
        crew.start()
        try:
            return self._wait(backends, job.id, feeder, report)
        finally:
            feeder.stop()
            crew.stop(_GRACE_SECONDS)

    def _wait(self, backends: Backends, job_id: str, feeder: _Feeder, report: Callable[[Progress], None]) -> Job:
        catalog = backends.catalog
        while not (job := catalog.job(job_id)).status.final:
            if feeder.error is not None:
                job = catalog.fail(job_id, feeder.error.to_dict())
                break
            report(catalog.progress(job_id))
            self._changed.wait(_REPORT_SECONDS)
            self._changed.clear()
        report(catalog.progress(job_id))
        return job


def _new(backends: Backends, document: JobDocument, prepared: Prepared, digest: str) -> Job:
    for earlier in _unfinished(backends.catalog, digest):
        # Whoever doesn't resume starts over; the lock tells that nobody works on the earlier run.
        backends.catalog.cancel(earlier.id)
        sweep_job(backends.catalog, backends.storage, earlier.id)
        backends.storage.delete_below(f"jobs/{earlier.id}")
    return submit(backends.catalog, document, prepared, client=CLIENT, digest=digest)


def _end_failed(backends: Backends, job: Job, output: Path) -> NoReturn:
    """Raise what made the job fail. A job with too many rejects has a report of them, which is delivered."""
    error = TolvaError.from_dict(job.error or {"code": "internal", "message": f"Job {job.id} failed."})
    if isinstance(error, TooManyRejectsError):
        deliver(job.id, backends.catalog.parts(job.id), backends.storage, output)
    sweep_job(backends.catalog, backends.storage, job.id)
    backends.storage.delete_below(f"jobs/{job.id}")
    raise error


def _taken_up(backends: Backends, digest: str, output: Path, *, fleet: bool) -> Job:
    for job in _unfinished(backends.catalog, digest):
        if not fleet:  # then its workers may still be at it
            backends.catalog.release_job(job.id)
        return job
    for job in backends.catalog.jobs(client=CLIENT, digest=digest, statuses=[JobStatus.COMPLETED]):
        # Killed after its last file was there: nothing is left to do, and that is no error.
        if job.id == delivered_job(output):
            return job
    raise NotFoundError(
        "There is no unfinished run of this job document with this data and output folder to resume. "
        "Run it without --resume."
    )


def _unfinished(catalog: Catalog, digest: str) -> list[Job]:
    live = (JobStatus.PENDING, JobStatus.WIP, JobStatus.COMPLETED)
    found = catalog.jobs(client=CLIENT, digest=digest, statuses=live)
    return [job for job in found if job.retrieved_at is None and job.plan is not None]


def _finish(backends: Backends, job: Job, output: Path) -> Finished:
    catalog = backends.catalog
    parts = catalog.parts(job.id)
    if job.retrieved_at is None:
        deliver(job.id, parts, backends.storage, output)
        sweep_job(catalog, backends.storage, job.id)
        sweep(catalog, backends.storage)
        catalog.mark_retrieved(job.id)
    backends.storage.delete_below(f"jobs/{job.id}")
    return _finished(catalog, catalog.job(job.id), manifest_of(job.id, parts))


def _finished(catalog: Catalog, job: Job, manifest: dict[str, Any]) -> Finished:
    progress = catalog.progress(job.id)
    plan = Plan.from_json(job.plan or {})
    began = job.started_at or job.created_at
    records = {stage.name: stage.records for stage in progress.stages}
    ends = {stage.name: stage.over_at or began for stage in progress.stages}
    timings = {
        stage.result.query: Timing(
            seconds=ends[stage.name] - began,
            records_read=sum(records[name] for name in plan.scans_below(stage)),
        )
        for stage in plan.stages
        if stage.result is not None
    }
    rejects = sum(part["records"] for part in manifest["output"] if part["query"] in plan.rejects)
    return Finished(job, manifest, progress, (job.completed_on or began) - began, timings, rejects)


class _Feeder(threading.Thread):
    """Feeds the job beside the work; ``error`` is set if that can't go on."""

    def __init__(self, backends: Backends, job_id: str, settings: RunSettings, on_change: Callable[[], None]) -> None:
        super().__init__(name="feeder", daemon=True)
        self._backends = backends
        self._job_id = job_id
        self._settings = settings
        self._on_change = on_change
        self._stop_asked = threading.Event()
        self.error: TolvaError | None = None

    def run(self) -> None:
        catalog, storage, dispatcher = self._backends.catalog, self._backends.storage, self._backends.dispatcher
        try:
            feed(
                catalog,
                storage,
                dispatcher,
                self._job_id,
                chunk_bytes=self._settings.chunk_bytes,
                workers=self._settings.workers,
                stop=self._stop_asked,
            )
        except TolvaError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - a job that is no longer fed must end, whatever the reason
            self.error = TolvaError(f"The input could not be fed to the job: {type(error).__name__}: {error}")
        self._on_change()

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()
