"""The smallest job, for trying a server and for measuring it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Response
from starlette.concurrency import run_in_threadpool

from tolva.gateway.access import Called
from tolva.gateway.jobs import wait_as_preferred
from tolva.gateway.services import Service
from tolva.gateway.views import API, JobDetailView, detail_view
from tolva.jobs import adding

router = APIRouter(prefix=API, tags=["small jobs"])

Number = Annotated[int, Path(ge=-adding.MAX_NUMBER, le=adding.MAX_NUMBER)]


@router.post("/add/{a}/{b}", status_code=202, responses={200: {"model": JobDetailView}})
async def add(
    a: Number,
    b: Number,
    response: Response,
    service: Service,
    caller: Called,
    prefer: Annotated[str | None, Header()] = None,
) -> JobDetailView:
    """Add two numbers, as a job; its result is ``sum_0001.ndjson``. ``Prefer: wait=N`` as for other jobs."""
    job = await run_in_threadpool(service.submit, adding.document(a, b), caller.client, plan=adding.plan(a, b))
    response.headers["Location"] = f"{API}/jobs/{job.id}"
    return detail_view(await wait_as_preferred(service, job.id, caller.scope, prefer, response))
