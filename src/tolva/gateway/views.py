"""What the API says of jobs, files and parts, as JSON. Times are RFC 3339, sizes bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from tolva.jobs.service import Snapshot
from tolva.model import Attempt, Job, Part, Task, Upload
from tolva.plan import Plan
from tolva.states import JobStatus

API = "/api/v1"


class StageView(BaseModel):
    """How far one stage of the plan is."""

    name: str
    role: str
    tasks_created: int
    tasks_done: int
    ended: bool
    records: int


class ProgressView(BaseModel):
    """How far a job is."""

    bytes_total: int
    bytes_done: int
    records_done: int
    stages: list[StageView]


class ErrorView(BaseModel):
    """Why a job failed."""

    code: str
    message: str
    data: dict[str, Any] = {}


class JobView(BaseModel):
    """A job: its record, and where to go on from it."""

    id: str
    kind: str
    status: JobStatus
    client: str
    labels: dict[str, str]
    created_at: datetime
    last_updated: datetime
    started_at: datetime | None
    completed_on: datetime | None
    retrieved_at: datetime | None
    files_deleted_at: datetime | None
    uploads_ended: bool
    input_ended: bool
    error: ErrorView | None
    links: dict[str, str]


class JobDetailView(JobView):
    """A job with its progress."""

    progress: ProgressView


class JobListView(BaseModel):
    """Some of a client's jobs, newest first."""

    jobs: list[JobView]


class PartView(BaseModel):
    """One file of the results."""

    name: str
    query: str
    format: str
    records: int
    bytes: int
    sha256: str
    link: str


class ColumnView(BaseModel):
    """A column of an answer, with its type in DuckDB's words."""

    name: str
    type: str


class ManifestView(BaseModel):
    """The files of a job's results that are there; all of them once it is completed. ``columns`` by query.

    ``rejects``: how many records or keys could not be used; the results name each.
    """

    job: str
    status: JobStatus
    error: ErrorView | None
    output: list[PartView]
    columns: dict[str, list[ColumnView]]
    rejects: int


class FileView(BaseModel):
    """A file that a client sends or has sent."""

    id: str
    table: str
    name: str
    bytes: int | None
    received_bytes: int
    sha256: str | None
    ended: bool


class FileListView(BaseModel):
    """The files of a job."""

    files: list[FileView]


class AttemptView(BaseModel):
    """One try of a task: who had it, when, and what it came to."""

    attempt: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    error: ErrorView | None


class TaskView(BaseModel):
    """A task; a scan task has a chunk: ``length`` bytes of ``file`` from ``offset`` on.

    ``first_line`` and ``last_line`` are the chunk's physical lines, where they were counted when the file was cut.
    """

    id: int
    stage: str
    ordinal: int
    state: str
    attempt: int
    failures: int
    error: ErrorView | None
    file: str | None
    offset: int | None
    length: int | None
    first_line: int | None
    last_line: int | None
    attempts: list[AttemptView]


class TaskListView(BaseModel):
    """Tasks of a job."""

    tasks: list[TaskView]


def job_view(job: Job) -> JobView:
    """Return what the API says of a job."""
    return JobView(**_job(job))


def detail_view(snapshot: Snapshot) -> JobDetailView:
    """Return what the API says of a job and its progress."""
    progress = snapshot.progress
    stages = [
        StageView(
            name=stage.name,
            role=stage.role,
            tasks_created=stage.created,
            tasks_done=stage.done,
            ended=stage.ended,
            records=stage.records,
        )
        for stage in progress.stages
    ]
    return JobDetailView(
        **_job(snapshot.job),
        progress=ProgressView(
            bytes_total=progress.bytes_total,
            bytes_done=progress.bytes_done,
            records_done=progress.records_done,
            stages=stages,
        ),
    )


def manifest_view(job: Job, parts: list[Part]) -> ManifestView:
    """Return what the API says of a job's results."""
    plan = None if job.plan is None else Plan.from_json(job.plan)
    return ManifestView(
        job=job.id,
        status=job.status,
        error=_error(job.error),
        output=[part_view(job.id, part) for part in parts],
        columns={} if plan is None else _columns(plan),
        rejects=0 if plan is None else sum(part.records for part in parts if part.query in plan.rejects),
    )


def _columns(plan: Plan) -> dict[str, list[ColumnView]]:
    results = (stage.result for stage in plan.stages if stage.result is not None)
    return {result.query: [ColumnView(name=c.name, type=c.type) for c in result.columns] for result in results}


def part_view(job_id: str, part: Part) -> PartView:
    """Return what the API says of one file of results."""
    return PartView(
        name=part.name,
        query=part.query,
        format=part.format,
        records=part.records,
        bytes=part.bytes,
        sha256=part.sha256,
        link=f"{API}/jobs/{job_id}/results/{part.name}",
    )


def file_view(upload: Upload) -> FileView:
    """Return what the API says of a file on its way in."""
    return FileView(
        id=upload.id,
        table=upload.table,
        name=upload.name,
        bytes=upload.bytes,
        received_bytes=upload.received_bytes,
        sha256=upload.digest if upload.ended else upload.sha256,
        ended=upload.ended,
    )


def task_view(task: Task, attempts: list[Attempt]) -> TaskView:
    """Return what the API says of a task and its attempts."""
    first_line, last_line = task.lines or (None, None)
    return TaskView(
        id=task.id,
        stage=task.stage,
        ordinal=task.ordinal,
        state=task.state,
        attempt=task.attempt,
        failures=task.failures,
        error=_error(task.error),
        file=task.file,
        offset=task.offset,
        length=task.length,
        first_line=first_line,
        last_line=last_line,
        attempts=[_attempt(each) for each in attempts],
    )


def _attempt(attempt: Attempt) -> AttemptView:
    return AttemptView(
        attempt=attempt.attempt,
        worker=attempt.worker,
        started_at=datetime.fromtimestamp(attempt.started_at, UTC),
        ended_at=_time(attempt.ended_at),
        outcome=attempt.outcome,
        error=_error(attempt.error),
    )


def _job(job: Job) -> dict[str, Any]:
    own = f"{API}/jobs/{job.id}"
    return {
        "id": job.id,
        "kind": job.kind,
        "status": job.status,
        "client": job.client,
        "labels": job.labels,
        "created_at": _time(job.created_at),
        "last_updated": _time(job.last_updated),
        "started_at": _time(job.started_at),
        "completed_on": _time(job.completed_on),
        "retrieved_at": _time(job.retrieved_at),
        "files_deleted_at": _time(job.files_deleted_at),
        "uploads_ended": job.uploads_ended,
        "input_ended": job.input_ended,
        "error": _error(job.error),
        "links": {
            "self": own,
            "status": f"{own}/status",
            "events": f"{own}/events",
            "files": f"{own}/files",
            "start": f"{own}/start",
            "results": f"{own}/results",
            "cancel": f"{own}/cancel",
        },
    }


def _error(error: dict[str, Any] | None) -> ErrorView | None:
    return (
        None if error is None else ErrorView(code=error["code"], message=error["message"], data=error.get("data", {}))
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
