"""The web application: routes, errors, and what they share."""

from __future__ import annotations

from fastapi import FastAPI

import tolva
from tolva import clients
from tolva.gateway import (
    adding,
    events,
    files,
    health,
    jobs,
    metrics,
    plans,
    problems,
    process,
    rejects,
    results,
    session,
    tables,
    tus,
)
from tolva.gateway.access import Doors
from tolva.gateway.compression import Compressed
from tolva.gateway.following import Following
from tolva.gateway.logs import Logged
from tolva.gateway.traffic import Limited, Traffic
from tolva.jobs.documents import JobDocument, parse
from tolva.jobs.service import JobService

_ROUTERS = (
    jobs.router,
    plans.router,
    files.router,
    tus.router,
    results.router,
    rejects.router,
    adding.router,
    process.router,
    tables.router,
    events.router,
    health.router,
    metrics.router,
    session.router,
)


def make_app(
    service: JobService, doors: Doors, traffic: Traffic | None = None, process_document: JobDocument | None = None
) -> FastAPI:
    """Return the application over a started service.

    ``process_document`` says what ``POST /process`` does with a file; by default it is the client-file demo's.
    """
    app = FastAPI(
        title="tolva",
        version=tolva.__version__,
        summary="Jobs over big files of records.",
        docs_url=None,
        redoc_url=None,
        responses=problems.RESPONSES,
    )
    app.state.service = service
    app.state.doors = doors
    app.state.sessions = session.Sessions()
    app.state.following = Following(service)
    app.state.draining = False
    app.state.process_document = process_document or _client_file()
    problems.install(app)
    app.add_middleware(Compressed)
    app.add_middleware(Limited, traffic=traffic or Traffic(), loopback_only=not doors.keys_needed)
    app.add_middleware(Logged)
    for router in _ROUTERS:
        app.include_router(router)
    return app


def _client_file() -> JobDocument:
    return parse(clients.document(), "client file").to_send()[0]
