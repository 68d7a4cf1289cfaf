"""The cleaner: deletes the stored files of jobs that nobody may want any more, and keeps their records."""

from __future__ import annotations

import logging
import threading
import time

from tolva.backends import Backends
from tolva.catalog import Kept
from tolva.errors import NotFoundError
from tolva.jobs.stored import sweep, sweep_job
from tolva.model import Job
from tolva.states import JobStatus

_ROUND_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
_ORPHANS_SECONDS = 3600.0

_log = logging.getLogger(__name__)


class Cleaner:
    """Cleans in a thread, every minute and when woken.

    A worker may still write for a moment after its job ended, so a job's folder is deleted at once and again, until
    ``settle_seconds`` after its end nobody can hold a lease any more.
    """

    def __init__(self, backends: Backends, kept: Kept, *, settle_seconds: float) -> None:
        self._catalog = backends.catalog
        self._storage = backends.storage
        self._kept = kept
        self._settle_seconds = settle_seconds
        self._orphans_due = 0.0
        self._deleted: dict[str, float] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="cleaner", daemon=True)

    def start(self) -> None:
        """Begin, with a first round at once."""
        self._thread.start()

    def wake(self) -> None:
        """Have a round now."""
        self._wake.set()

    def sweep_later(self, job_id: str) -> None:
        """Delete the files of a job whose record is gone, until nobody can write any more."""
        self._deleted[job_id] = time.monotonic() + self._settle_seconds
        self.wake()

    def stop(self) -> None:
        """Finish the round that runs, if any, and end."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def clean(self) -> list[str]:
        """Do one round; return the ids of the jobs whose files are gone for good."""
        return [job.id for job in self._catalog.files_to_delete(self._kept) if self._clean(job)]

    def clean_orphans(self) -> list[str]:
        """Delete stored files of jobs that the catalog doesn't know; return those jobs' ids.

        A job is recorded before anything of it is stored, so none of these is one that just begins.
        """
        stored = {key.split("/")[1] for key in self._storage.list("jobs")}
        return [job_id for job_id in sorted(stored) if self._delete_unknown(job_id)]

    def _delete_unknown(self, job_id: str) -> bool:
        try:
            self._catalog.job(job_id)
        except NotFoundError:
            self._storage.delete_below(f"jobs/{job_id}")
            return True
        return False

    def _clean(self, job: Job) -> bool:
        if not job.status.final:
            job = self._catalog.cancel(job.id)
        self._storage.delete_below(f"jobs/{job.id}")
        sweep_job(self._catalog, self._storage, job)
        settled = job.status.final and (job.completed_on or 0.0) + self._settle_seconds < time.time()
        if settled:
            self._catalog.mark_files_deleted(job.id)
        return settled

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            self._wake.wait(self._round())

    def _round(self) -> float:
        try:
            if time.monotonic() >= self._orphans_due:
                self._orphans_due = time.monotonic() + _ORPHANS_SECONDS
                self.clean_orphans()
            gone = set(self.clean())
            sweep(self._catalog, self._storage)
            left = [job for job in self._catalog.files_to_delete(self._kept) if job.id not in gone]
            for job_id, until in list(self._deleted.items()):
                self._storage.delete_below(f"jobs/{job_id}")
                if until < time.monotonic():
                    del self._deleted[job_id]
        except Exception:  # noqa: BLE001 - what can't be deleted now may be next time
            _log.warning("Cleaning failed; it is tried again.", exc_info=True)
            return _ROUND_SECONDS
        soon = self._deleted or any(job.status is JobStatus.CANCELLED for job in left)
        return _AGAIN_SECONDS if soon else _ROUND_SECONDS
