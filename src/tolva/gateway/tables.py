"""Stored tables: list, look, put, drop."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from tolva.gateway.access import Called
from tolva.gateway.files import BODY, Body, cancelled_on_failure, declared_sha256, take
from tolva.gateway.hands import by_hand
from tolva.gateway.jobs import wait_as_preferred
from tolva.gateway.services import Service
from tolva.gateway.views import API, JobDetailView, detail_view
from tolva.jobs.documents import JobDocument, validate
from tolva.model import NewUpload, StoredTable

router = APIRouter(prefix=API, tags=["tables"])

_ENDINGS = {
    "application/vnd.apache.parquet": ".parquet",
    "application/x-ndjson": ".ndjson",
    "text/tab-separated-values": ".tsv",
}


class TableColumnView(BaseModel):
    """A column of a stored table."""

    name: str
    type: str


class TableView(BaseModel):
    """A stored table, as the last completed job that changed it left it."""

    name: str
    version: int
    records: int
    bytes: int
    columns: list[TableColumnView]
    key: list[str]
    last_updated: datetime


class TableListView(BaseModel):
    """A client's stored tables, by name."""

    tables: list[TableView]


@router.get("/tables")
def tables(service: Service, caller: Called) -> TableListView:
    """List the client's stored tables. A job reads one by ``{stored: NAME}``, and makes one by ``kind: ingest``."""
    return TableListView(tables=[_view(table) for table in service.tables(caller.client)])


@router.get("/tables/{name}")
def table(name: str, service: Service, caller: Called) -> TableView:
    """Describe a stored table."""
    return _view(service.table(caller.client, name))


@router.put(
    "/tables/{name}",
    status_code=202,
    responses={200: {"model": JobDetailView, "description": "It is over already."}},
    openapi_extra=BODY,
)
async def replace(
    name: str,
    request: Request,
    response: Response,
    service: Service,
    caller: Called,
    filename: str | None = None,
    content_type: Annotated[str, Header(include_in_schema=False)] = "text/csv",
    content_length: Annotated[int | None, Header(include_in_schema=False)] = None,
    digest: Annotated[str | None, Header()] = None,
    repr_digest: Annotated[str | None, Header()] = None,
    prefer: Annotated[str | None, Header()] = None,
) -> JobDetailView:
    """Make the body, a file, the stored table of this name; what it held before is replaced in one moment, at the end.

    The work is a job, and this its answer. Columns are found out; what the file is, the ending of ``filename`` says, or
    else the content type. A file with bad records changes nothing: an ingest job sorts them out.
    """
    document = _storing(name)
    (table,) = document.uploads()
    label = filename or name + _ENDINGS.get(content_type.partition(";")[0], ".csv")
    sha256 = declared_sha256(repr_digest or digest)
    job = await run_in_threadpool(service.submit, document, caller.client)
    async with cancelled_on_failure(service, job.id):
        new = NewUpload(table, label, content_length, sha256)
        [upload] = await run_in_threadpool(service.uploads.begin, job.id, caller.scope, new)
        receiver = await by_hand(service.uploads.receive, upload)
        await take(Body(request), receiver)
        await run_in_threadpool(service.start_job, job.id, caller.scope)
    response.headers["Location"] = f"{API}/jobs/{job.id}"
    return detail_view(await wait_as_preferred(service, job.id, caller.scope, prefer, response))


def _storing(name: str) -> JobDocument:
    """Return the document of a job that stores one file as it is. DocumentError for a name that no table can have."""
    query = {"sql": "SELECT * FROM file", "store_as": name, "mode": "replace"}
    return validate({"kind": "query", "tables": {"file": {}}, "queries": {"table": query}}, "table")


@router.delete("/tables/{name}", status_code=204)
def drop(name: str, service: Service, caller: Called) -> None:
    """Forget a stored table. Jobs that read it go on."""
    service.drop_table(caller.client, name)


def _view(table: StoredTable) -> TableView:
    return TableView(
        name=table.name,
        version=table.version,
        records=table.records,
        bytes=table.bytes,
        columns=[TableColumnView(name=name, type=kind) for name, kind in table.columns],
        key=list(table.key),
        last_updated=datetime.fromtimestamp(table.last_updated, UTC),
    )
