"""Jobs: submit, list, look, start, cancel, retry, delete."""

from __future__ import annotations

import re
from email.utils import formatdate
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from tolva.gateway.access import Called
from tolva.gateway.bodies import read_document
from tolva.gateway.paging import next_link, read_place
from tolva.gateway.services import Service
from tolva.gateway.views import (
    API,
    JobDetailView,
    JobListView,
    JobView,
    ManifestView,
    TaskListView,
    detail_view,
    job_view,
    manifest_view,
    task_view,
)
from tolva.gateway.waiting import until_over
from tolva.jobs.service import JobService, Snapshot
from tolva.states import JobStatus, TaskState

_TRACEPARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_WAIT = re.compile(r"\bwait=(\d{1,9})\b")
_MAX_WAIT_SECONDS = 60

router = APIRouter(prefix=API, tags=["jobs"])


_DOCUMENT = {"schema": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}}
_BODY = {"requestBody": {"required": True, "content": {"application/json": _DOCUMENT, "application/yaml": _DOCUMENT}}}


@router.post(
    "/jobs",
    status_code=202,
    responses={200: {"model": JobDetailView, "description": "It is over already."}},
    openapi_extra=_BODY,
)
async def submit(
    request: Request,
    response: Response,
    service: Service,
    caller: Called,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
    prefer: Annotated[str | None, Header()] = None,
    traceparent: Annotated[str | None, Header()] = None,
) -> JobDetailView:
    """Submit a job document (JSON, or YAML as ``application/yaml``). It is accepted, and durable, with this answer.

    Repeated with the same ``Idempotency-Key`` it is the same job. With ``Prefer: wait=N`` the answer waits up to N
    seconds (at most 60) for the job to be over, and then has status 200.
    """
    document = await read_document(request)
    job = await run_in_threadpool(
        service.submit,
        document,
        caller.client,
        may_read_files=caller.may_read_files,
        request_key=idempotency_key,
        traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
    )
    response.headers["Location"] = f"{API}/jobs/{job.id}"
    return detail_view(await wait_as_preferred(service, job.id, caller.scope, prefer, response))


async def wait_as_preferred(
    service: JobService, job_id: str, client: str | None, prefer: str | None, response: Response
) -> Snapshot:
    """Wait for the job as a ``Prefer`` header asks; note in the response what was done."""
    match = _WAIT.search(prefer or "")
    seconds = min(int(match.group(1)), _MAX_WAIT_SECONDS) if match else 0
    snapshot = await until_over(service, job_id, client, seconds)
    if match:
        response.headers["Preference-Applied"] = f"wait={seconds}"
        if snapshot.job.status.final:
            response.status_code = 200
    return snapshot


@router.get("/jobs")
def jobs(
    request: Request,
    response: Response,
    service: Service,
    caller: Called,
    status: Annotated[list[JobStatus] | None, Query()] = None,
    kind: str | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JobListView:
    """List the client's jobs, newest first; ``Link: rel="next"`` leads on."""
    found = service.jobs(caller.scope, statuses=status or (), kind=kind, limit=limit, before=read_place(after))
    if len(found) == limit:
        response.headers["Link"] = next_link(request, (found[-1].created_at, found[-1].id))
    return JobListView(jobs=[job_view(job) for job in found])


@router.get("/jobs/{job_id}")
@router.get("/job/{job_id}", include_in_schema=False)
def job(job_id: str, service: Service, caller: Called) -> JobDetailView:
    """Tell where a job stands, whatever that is."""
    return detail_view(service.snapshot(job_id, caller.scope))


@router.get("/jobs/{job_id}/status", response_model=ManifestView, responses={202: {"model": ManifestView}})
def status(job_id: str, response: Response, service: Service, caller: Called) -> ManifestView:
    """Answer pollers: 202 with ``X-Progress`` and ``Retry-After`` while there is work, then 200 with the manifest."""
    snapshot = service.snapshot(job_id, caller.scope)
    job = snapshot.job
    if not job.status.final:
        progress = snapshot.progress
        percent = 100 * progress.bytes_done // progress.bytes_total if progress.bytes_total else 0
        response.status_code = 202
        response.headers["X-Progress"] = f"{job.status} {percent}%"
        response.headers["Retry-After"] = "1"
    elif (expires := service.expires_at(job)) is not None:
        response.headers["Expires"] = formatdate(expires, usegmt=True)
    there = job.status is not JobStatus.CANCELLED and job.files_deleted_at is None
    return manifest_view(job, service.parts(job_id, caller.scope) if there else [])


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


@router.get("/jobs/{job_id}/tasks")
def tasks(job_id: str, service: Service, caller: Called, state: TaskState | None = None) -> TaskListView:
    """List the job's tasks, or those in one state (dead: used up their attempts), with their chunks and attempts."""
    return TaskListView(tasks=[task_view(*each) for each in service.tasks(job_id, caller.scope, state)])


@router.delete("/jobs/{job_id}", status_code=204)
def delete(job_id: str, service: Service, caller: Called) -> None:
    """Forget a job, its results and files; one that runs is cancelled first."""
    service.delete(job_id, caller.scope)
