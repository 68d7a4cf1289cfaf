"""A job's life as server-sent events: progress as it comes, each part once, and the end.

Every event's id is the number of the last part that was told, so ``Last-Event-ID`` resumes with the next one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from tolva.gateway.access import Called
from tolva.gateway.following import Following
from tolva.gateway.services import Service
from tolva.gateway.views import API, part_view
from tolva.jobs.service import JobService
from tolva.model import Part
from tolva.states import JobStatus

router = APIRouter(prefix=API, tags=["events"])

_QUIET_LOOKS = 15
"""After so many looks without news a comment tells proxies that the stream lives."""


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def events(
    job_id: str,
    request: Request,
    service: Service,
    caller: Called,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Follow a job: events ``progress`` (the job), ``part`` (one file of its results) and ``end`` (the job)."""
    await run_in_threadpool(service.job, job_id, caller.scope)
    told = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else 0
    stream = _events(request, service, job_id, caller.scope, min(told, 2**62))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(
    request: Request, service: JobService, job_id: str, client: str | None, told: int
) -> AsyncIterator[str]:
    last = ""
    quiet = looks = 0
    following: Following = request.app.state.following
    async with following.follow(job_id) as followed:
        while not request.app.state.draining:
            looks = await followed.news(looks)
            seen = followed.seen
            if seen is None:
                return
            over = seen.job.status.final
            news = seen.text != last
            if news and not over:
                yield _event("progress", told, seen.text)
            if told < seen.last_part:
                for sequence, part in await run_in_threadpool(_new_parts, service, job_id, client, told):
                    told = sequence
                    yield _event("part", told, part_view(job_id, part).model_dump_json())
            if over:
                yield _event("end", told, seen.text)
                return
            last = seen.text
            quiet = 0 if news else quiet + 1
            if quiet == _QUIET_LOOKS:
                quiet = 0
                yield ": still here\n\n"


def _new_parts(service: JobService, job_id: str, client: str | None, told: int) -> list[tuple[int, Part]]:
    job = service.job(job_id, client)
    if job.status is JobStatus.CANCELLED or job.files_deleted_at is not None:
        return []
    return service.parts_after(job_id, client, told)


def _event(kind: str, told: int, data: str) -> str:
    return f"event: {kind}\nid: {told}\ndata: {data}\n\n"
