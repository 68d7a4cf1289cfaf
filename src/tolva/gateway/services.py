"""What routes work with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from tolva.jobs.service import JobService


# Asynchronous, since FastAPI calls plain functions in another thread, at each request.
async def service_of(request: Request) -> JobService:
    """Return the job service of this app."""
    service: JobService = request.app.state.service
    return service


Service = Annotated[JobService, Depends(service_of)]
