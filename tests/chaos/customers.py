"""Clients of a fleet that send jobs of every kind, one after the other, and check what comes back.

They do what clients should: what wasn't answered is sent again, with the same Idempotency-Key.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import mixed_jobs
from mixed_jobs import Daily

from tolva.client import Client, Job
from tolva.errors import (
    CatalogAwayError,
    ChecksumError,
    ConflictError,
    LimitError,
    StateError,
    StorageError,
    UnreachableError,
)
from tolva.states import JobStatus

PATIENCE_SECONDS = 300.0

_PASSING = (CatalogAwayError, ChecksumError, ConflictError, LimitError, StorageError, UnreachableError)
"""What a client is told while servers are away, or while a request that broke off is still at the same file."""

T = TypeVar("T")


class Customer(threading.Thread):
    """One client. ``error`` is what went wrong, ``jobs`` what it sent, by id, with the status each must end in."""

    def __init__(self, number: int, api: Client, folder: Path, seed: int, enough: threading.Event) -> None:
        name = f"client-{number}"
        super().__init__(name=name, daemon=True)
        self._number = number
        self._api = api
        self._folder = folder / name
        self._chance = random.Random(f"{seed} {name}")
        self._enough = enough
        self._tables = {mode: Daily(self._folder, f"kept_{mode}", mode, self._chance) for mode in ("append", "upsert")}
        self.jobs: dict[str, JobStatus] = {}
        self.done: Counter[str] = Counter()
        self.error: BaseException | None = None

    def run(self) -> None:
        kinds = [self.load, self.export, self.ask, self.cancel]
        try:
            kinds[self._number % len(kinds)]()  # so that few jobs of many clients are of every kind, too
            while not self._enough.is_set():
                self._chance.choice(kinds)()
        except BaseException as error:  # noqa: BLE001 - the test's own thread tells of it
            self.error = error

    def ask(self) -> None:
        name = self._chance.choice(list(mixed_jobs.QUERIES))
        folder = self._results(self._submit(mixed_jobs.query(name)))
        assert mixed_jobs.records(folder) == mixed_jobs.answer(name)
        self.done["query"] += 1

    def export(self) -> None:
        folder = self._results(self._submit(mixed_jobs.export()))
        assert mixed_jobs.exported(folder) == mixed_jobs.claims()
        self.done["export"] += 1

    def load(self) -> None:
        daily = self._tables[self._chance.choice(list(self._tables))]
        files, bad = daily.next_day()
        document = daily.document()
        del document["files"]
        job = self._submit(document)
        for path in files:
            self._insist(lambda path=path: job.upload(daily.table, path))
        self._insist(job.start)
        self._results(job)
        assert self._insist(job.rejects) == bad
        self.done[daily.mode] += 1

    def cancel(self) -> None:
        """Send a job and cancel it at some moment; it may be over by then."""
        job = self._submit(mixed_jobs.query("joined"))
        time.sleep(self._chance.uniform(0.0, 2.0))
        try:
            self._insist(job.cancel)
        except StateError:  # too late
            self._results(job)
            return
        self.jobs[job.id] = JobStatus.CANCELLED
        self.done["cancelled"] += 1

    def check_tables(self) -> None:
        """See that the stored tables hold every row once."""
        for daily in self._tables.values():
            if daily.days:
                folder = self._results(self._submit(daily.content()))
                assert mixed_jobs.records(folder) == daily.expected(), daily.table

    def _submit(self, document: dict[str, Any]) -> Job:
        key = f"{self.name}-{len(self.jobs)}"
        job = self._insist(lambda: self._api.submit(document, request_key=key))
        self.jobs[job.id] = JobStatus.COMPLETED
        return job

    def _results(self, job: Job) -> Path:
        """Wait for the job's end, which must be a good one; return the folder with its results."""
        self._insist(lambda: list(job.events()))
        assert job.info.status is JobStatus.COMPLETED, job.raw()
        folder = self._folder / "results"
        shutil.rmtree(folder, ignore_errors=True)
        self._insist(lambda: job.download(folder))
        return folder

    @staticmethod
    def _insist(ask: Callable[[], T]) -> T:
        """Ask until the fleet answers."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return ask()
            except _PASSING:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)
