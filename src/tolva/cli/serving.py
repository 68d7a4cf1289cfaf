"""What a command needs to have a job service in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tolva.allocators import share_heaps
from tolva.catalog import Catalog
from tolva.cli.house import new_children
from tolva.config import SMALL_BYTES, Settings, connect
from tolva.jobs import folder_lock
from tolva.jobs.crew import CrewSettings
from tolva.jobs.service import JobService, ServiceSettings
from tolva.plan import Role

_NICE = 5
"""Whoever asks the server something goes before its tasks."""


@contextmanager
def service(settings: Settings, *, data: Path | None, grace_seconds: float) -> Iterator[tuple[JobService, Catalog]]:
    """Have a started job service and its catalog inside the block; only one at a time may use the state folder."""
    with folder_lock.hold(settings.state / "locks" / "server", f"The state folder {settings.state}"):
        share_heaps()
        children = new_children(settings, settings.workers, nice=_NICE)
        # With little memory the one that prepares jobs is there only while it does.
        preparers = new_children(settings, 1, lasting=settings.memory_bytes >= SMALL_BYTES)
        for each in (children, preparers):
            threading.Thread(target=each.prestart, name="prestart", daemon=True).start()
        backends = connect(settings)
        crew = CrewSettings(
            name=f"server-{os.getpid()}",
            workers=settings.workers,
            lease_seconds=settings.lease_seconds,
            task_seconds=settings.task_seconds,
            roles=() if settings.cluster else tuple(Role),
        )
        chosen = ServiceSettings(crew=crew, chunk_bytes=settings.chunk_bytes, data=data and data.resolve())
        if settings.memory_bytes < SMALL_BYTES:
            chosen = replace(chosen, upload_chunk_bytes=min(chosen.upload_chunk_bytes, settings.chunk_bytes))
        jobs = JobService(backends, children, preparers, chosen)
        jobs.start(alone=settings.cluster is None)
        try:
            yield jobs, backends.catalog
        finally:
            jobs.stop(grace_seconds)
            backends.catalog.close()
