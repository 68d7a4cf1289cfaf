"""Stored tables: list, look, replace, drop."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel

from tolva.gateway.access import Called
from tolva.gateway.services import Service
from tolva.gateway.views import API
from tolva.model import StoredTable

router = APIRouter(prefix=API, tags=["tables"])


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
