"""The report of what a job could not use: every record or key, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from tolva.errors import NotFoundError
from tolva.gateway.access import Called
from tolva.gateway.services import Service
from tolva.gateway.views import API
from tolva.ingest.outputs import REPORTS
from tolva.ingest.report_csv import as_csv
from tolva.jobs.service import JobService
from tolva.model import Job, Part
from tolva.plan import Plan

router = APIRouter(prefix=API, tags=["results"])


class ReportFormat(StrEnum):
    """How a report is written."""

    NDJSON = "ndjson"
    CSV = "csv"


_MEDIA_TYPES = {ReportFormat.NDJSON: "application/x-ndjson", ReportFormat.CSV: "text/csv; charset=utf-8"}


@router.get("/jobs/{job_id}/rejects", response_class=StreamingResponse)
def rejects(
    job_id: str,
    service: Service,
    caller: Called,
    form: Annotated[ReportFormat, Query(alias="format")] = ReportFormat.NDJSON,
) -> StreamingResponse:
    """Fetch the report of a job's rejects as one body, empty when there are none."""
    queries = _reports(service.job(job_id, caller.scope), form)
    parts = [part for part in service.parts(job_id, caller.scope) if part.query in queries]
    blocks = chain.from_iterable(_blocks(service, part) for part in parts)
    return StreamingResponse(as_csv(blocks) if form is ReportFormat.CSV else blocks, media_type=_MEDIA_TYPES[form])


def _reports(job: Job, form: ReportFormat) -> tuple[str, ...]:
    """Return the queries whose parts are the report. NotFoundError if the job has none of that format."""
    if job.kind == "ingest":
        return (REPORTS["ndjson"],)
    named = () if job.plan is None else Plan.from_json(job.plan).rejects
    if not named:
        raise NotFoundError(f"Job {job.id} has no report: a {job.kind} job rejects nothing.", job=job.id)
    if form is not ReportFormat.NDJSON:
        raise NotFoundError(f"The report of job {job.id} is NDJSON; leave format out.", job=job.id)
    return named


def _blocks(service: JobService, part: Part) -> Iterator[bytes]:
    return map(bytes, service.read(part, 0, part.bytes))
