"""The web application: routes, errors, and what they share."""

from __future__ import annotations

from fastapi import FastAPI

import tolva
from tolva.gateway import adding, events, files, health, jobs, problems, results, session, tus
from tolva.gateway.access import Doors
from tolva.gateway.compression import Compressed
from tolva.gateway.logs import Logged
from tolva.gateway.traffic import Limited, Traffic
from tolva.jobs.service import JobService

_ROUTERS = (
    jobs.router,
    files.router,
    tus.router,
    results.router,
    adding.router,
    events.router,
    health.router,
    session.router,
)


def make_app(service: JobService, doors: Doors, traffic: Traffic | None = None) -> FastAPI:
    """Return the application over a started service."""
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
    app.state.draining = False
    problems.install(app)
    app.add_middleware(Compressed)
    app.add_middleware(Limited, traffic=traffic or Traffic(), loopback_only=not doors.keys_needed)
    app.add_middleware(Logged)
    for router in _ROUTERS:
        app.include_router(router)
    return app
