"""Whether the server lives, and whether it takes work. Answered without threads, catalog or keys."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from tolva.gateway.problems import ProblemResponse, answer

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """That all is well."""

    status: str = "ok"


@router.get("/healthz")
async def healthz() -> Health:
    """Answer while the process lives."""
    return Health()


@router.get("/readyz", response_model=Health)
async def readyz(request: Request) -> Health | ProblemResponse:
    """Answer 200 while new work is taken, 503 while the server stops."""
    if request.app.state.draining:
        return answer(503, "draining", "The server is stopping. Use another, or try again later.")
    return Health()
