"""How a job is worked on: its plan, and what its stages took so far."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from tolva.errors import NotFoundError
from tolva.gateway.access import Called
from tolva.gateway.services import Service
from tolva.gateway.views import API
from tolva.plan import Plan
from tolva.planner.explain import render, to_json

router = APIRouter(prefix=API, tags=["jobs"])


class PlanFormat(StrEnum):
    """How a plan is written."""

    JSON = "json"
    TREE = "tree"


@router.get(
    "/jobs/{job_id}/plan",
    response_model=dict[str, Any],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def plan(
    job_id: str, service: Service, caller: Called, form: Annotated[PlanFormat, Query(alias="format")] = PlanFormat.JSON
) -> Response:
    """Explain a job: its stages, what they read, where rows meet and why; measured, as far as it has come.

    ``tree`` is for people. 404 while there is no plan, because the columns of an uploaded table aren't known yet.
    """
    job = service.job(job_id, caller.scope)
    if job.plan is None:
        raise NotFoundError(f"Job {job_id} has no plan yet: it is made when the columns of all tables are known.")
    found, measured = Plan.from_json(job.plan), service.measures(job_id, caller.scope)
    return (
        PlainTextResponse(render(found, measured))
        if form is PlanFormat.TREE
        else JSONResponse(to_json(found, measured))
    )
