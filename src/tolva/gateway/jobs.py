"""Jobs: submit, list, look, start, cancel, retry, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from tolva.gateway.access import Called
from tolva.gateway.bodies import read_document
from tolva.gateway.services import Service
from tolva.gateway.views import (
    API,
    JobDetailView,
    JobListView,
    JobView,
    TaskListView,
    detail_view,
    job_view,
    task_view,
)
from tolva.states import JobStatus

router = APIRouter(prefix=API, tags=["jobs"])


@router.post("/jobs", status_code=202)
async def submit(request: Request, response: Response, service: Service, caller: Called) -> JobDetailView:
    """Submit a job document (JSON, or YAML as ``application/yaml``). It is accepted, and durable, with this answer."""
    document = await read_document(request)
    job = await run_in_threadpool(service.submit, document, caller.client, may_read_files=caller.may_read_files)
    response.headers["Location"] = f"{API}/jobs/{job.id}"
    return detail_view(await run_in_threadpool(service.snapshot, job.id, caller.scope))


@router.get("/jobs")
def jobs(
    service: Service,
    caller: Called,
    status: Annotated[list[JobStatus] | None, Query()] = None,
    kind: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JobListView:
    """List the client's jobs, newest first."""
    found = service.jobs(caller.scope, statuses=status or (), kind=kind, limit=limit)
    return JobListView(jobs=[job_view(job) for job in found])


@router.get("/jobs/{job_id}")
@router.get("/job/{job_id}", include_in_schema=False)
def job(job_id: str, service: Service, caller: Called) -> JobDetailView:
    """Tell where a job stands, whatever that is."""
    return detail_view(service.snapshot(job_id, caller.scope))


@router.post("/jobs/{job_id}/start", status_code=202)
def start(job_id: str, service: Service, caller: Called) -> JobView:
    """END: no more files will come. Work on those that are there has begun before."""
    return job_view(service.start_job(job_id, caller.scope))


@router.post("/jobs/{job_id}/cancel")
def cancel(job_id: str, service: Service, caller: Called) -> JobView:
    """Cancel a job: within two seconds its work has stopped and its files are gone."""
    return job_view(service.cancel(job_id, caller.scope))


@router.post("/jobs/{job_id}/retry", status_code=202)
def retry(job_id: str, service: Service, caller: Called, task: int | None = None) -> JobView:
    """Give a failed job's dead tasks (or the one given) new attempts; what was done is kept."""
    return job_view(service.retry(job_id, caller.scope, task_id=task))


@router.get("/jobs/{job_id}/tasks/dead")
def dead_tasks(job_id: str, service: Service, caller: Called) -> TaskListView:
    """List the tasks that used up their attempts, with their last errors."""
    return TaskListView(tasks=[task_view(task) for task in service.dead_tasks(job_id, caller.scope)])


@router.delete("/jobs/{job_id}", status_code=204)
def delete(job_id: str, service: Service, caller: Called) -> None:
    """Forget a job, its results and files; one that runs is cancelled first."""
    service.delete(job_id, caller.scope)
