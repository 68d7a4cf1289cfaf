"""A job service in this process, over a state folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tolva.backends import Backends
from tolva.catalog import Kept
from tolva.catalogs.sqlite import SqliteCatalog
from tolva.cli.house import new_children
from tolva.config import Settings, embedded
from tolva.jobs.crew import CrewSettings
from tolva.jobs.documents import validate
from tolva.jobs.service import JobService, ServiceSettings
from tolva.model import Job, NewUpload
from tolva.states import JobStatus

PATIENCE_SECONDS = 120.0
HEADER = b"a,b\n"


class House:
    """A service, and the catalog and storage it works on."""

    def __init__(
        self, folder: Path, *, workers: int = 1, kept: Kept | None = None, upload_chunk_bytes: int = 1000
    ) -> None:
        self.settings = Settings(
            state=folder / "state",
            workers=workers,
            chunk_bytes=1000,
            memory_bytes=2**28,
            lease_seconds=15.0,
            task_seconds=None,
        )
        self.folder = folder
        self.backends: Backends = embedded(self.settings)
        self.catalog = self.backends.catalog
        assert isinstance(self.catalog, SqliteCatalog)
        self._children = new_children(self.settings, workers)
        self._preparers = new_children(self.settings, 1)
        self.service = JobService(
            self.backends,
            self._children,
            self._preparers,
            ServiceSettings(
                crew=CrewSettings(name="test", workers=workers),
                chunk_bytes=1000,
                upload_chunk_bytes=upload_chunk_bytes,
                data=folder,
                kept=kept or Kept(),
            ),
        )

    def start(self) -> None:
        self.service.start(alone=True)

    def stop(self) -> None:
        self.service.stop(0.0)
        self.close()

    def close(self) -> None:
        """Let go of all that a service that was not started, or is stopped, still holds."""
        self.catalog.close()
        self._children.close()
        self._preparers.close()

    def submit(
        self, sql: str, client: str = "ann", *, upload: bytes | None = None, store_as: str | None = None, **table: Any
    ) -> str:
        """Submit a question over a table ``t``; with ``upload`` its file is sent and the job started."""
        tables = {"t": table} if upload is not None or table else {}
        query = {"sql": sql} | ({"store_as": store_as} if store_as else {})
        document = validate({"kind": "query", "tables": tables, "queries": {"q": query}}, "test")
        job = self.service.submit(document, client, may_read_files=True)
        if upload is not None:
            [begun] = self.service.uploads.begin(job.id, client, NewUpload("t", "x.csv"))
            receiver = self.service.uploads.receive(begun)
            receiver.write(upload)
            receiver.end()
            self.service.start_job(job.id, client)
        return job.id

    def wait(self, job_id: str, *statuses: JobStatus) -> Job:
        """Wait for news until the job has one of these statuses (by default: is over)."""
        rung = threading.Event()
        with self.service.watching(job_id, lambda _over: rung.set()):
            for _ in range(int(PATIENCE_SECONDS / 0.5)):
                job = self.catalog.job(job_id)
                if job.status in statuses or (not statuses and job.status.final):
                    return job
                rung.wait(0.5)
                rung.clear()
        raise AssertionError(job)

    def files(self, job_id: str) -> list[str]:
        """Return the keys of everything that is stored of a job."""
        return list(self.backends.storage.list(f"jobs/{job_id}"))

    def loaded(self, job_id: str) -> set[str]:
        """Return the keys of everything that is stored of what a job wrote for tables."""
        return set(self.backends.storage.list(f"tables/{job_id}"))

    def wait_until_gone(self, job_id: str) -> None:
        """Wait until nothing is stored of the job."""
        wait_for(lambda: not self.files(job_id))


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
