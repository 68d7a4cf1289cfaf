"""The cleaner: deletes the stored files of jobs that nobody may want any more, and keeps their records."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import PriorityQueue

from tolva.backends import Backends
from tolva.catalog import Kept
from tolva.errors import NotFoundError
from tolva.jobs.stored import left_anything, sweep, sweep_job
from tolva.model import Job
from tolva.states import JobStatus

_ROUND_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
_ORPHANS_SECONDS = 3600.0
_FINISH_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Cleaner:
    """Cleans in two threads, now and then and when woken: one after jobs with a record, one after those without.

    A deleted job may leave gigabytes, and those who cancel another one don't wait for that.

    A worker may still write for a moment after its job ended, so a job's folder is deleted at once and again, until
    ``settle_seconds`` after its end nobody can hold a lease any more.
    """

    def __init__(self, backends: Backends, kept: Kept, *, settle_seconds: float) -> None:
        self._catalog = backends.catalog
        self._storage = backends.storage
        self._kept = kept
        self._settle_seconds = settle_seconds
        self._orphans_due = 0.0
        self._deleted: PriorityQueue[tuple[float, str]] = PriorityQueue()
        self._cleaning = _Rounds("cleaner", self._clean_recorded)
        self._sweeping = _Rounds("sweeper", self._sweep_unrecorded)

    def start(self) -> None:
        """Begin, with a first round at once."""
        self._cleaning.start()
        self._sweeping.start()

    def wake(self) -> None:
        """Have a round now."""
        self._cleaning.wake()

    def sweep_later(self, job_id: str) -> None:
        """Delete the files of a job whose record is gone: now, and once more when nobody can write any more."""
        now = time.monotonic()
        for due in (now, now + self._settle_seconds):
            self._deleted.put((due, job_id))
        self._sweeping.wake()
        self.wake()

    def stop(self) -> None:
        """Leave off. What is being deleted has a moment to be finished; the next cleaner finds whatever is left."""
        deadline = time.monotonic() + _FINISH_SECONDS
        self._cleaning.stop()
        self._sweeping.stop()
        for thread in (self._cleaning, self._sweeping):
            thread.join(max(0.0, deadline - time.monotonic()))

    def clean(self) -> list[str]:
        """Do one round; return the ids of the jobs whose files are gone for good."""
        return [job.id for job in self._catalog.files_to_delete(self._kept) if self._clean(job)]

    def clean_orphans(self) -> list[str]:
        """Delete stored files of jobs that the catalog doesn't know; return those jobs' ids.

        A job is recorded before anything of it is stored, so none of these is one that just begins.
        """
        stored = {job_id for folder in ("jobs", "tables") for job_id in self._storage.folders(folder)}
        return [job_id for job_id in sorted(stored) if self._clean_orphan(job_id)]

    def _clean_orphan(self, job_id: str) -> bool:
        try:
            self._catalog.job(job_id)
        except NotFoundError:
            # Tables outlive the jobs that made them, so there may be nothing to delete.
            left = any(self._storage.list(f"jobs/{job_id}")) or left_anything(self._catalog, self._storage, job_id)
            self._sweep(job_id)
            return left
        return False

    def _clean(self, job: Job) -> bool:
        if not job.status.final:
            job = self._catalog.cancel(job.id)
        self._sweep(job.id)
        settled = job.status.final and (job.completed_on or 0.0) + self._settle_seconds < time.time()
        if settled:
            self._catalog.mark_files_deleted(job.id)
        return settled

    def _sweep(self, job_id: str) -> None:
        self._storage.delete_below(f"jobs/{job_id}")
        sweep_job(self._catalog, self._storage, job_id)

    def _clean_recorded(self) -> float:
        gone = set(self.clean())
        sweep(self._catalog, self._storage)
        left = [job for job in self._catalog.files_to_delete(self._kept) if job.id not in gone]
        return _AGAIN_SECONDS if any(job.status is JobStatus.CANCELLED for job in left) else _ROUND_SECONDS

    def _sweep_unrecorded(self) -> float:
        seconds = self._sweep_deleted()
        if time.monotonic() >= self._orphans_due:
            self._orphans_due = time.monotonic() + _ORPHANS_SECONDS
            self.clean_orphans()
        return seconds

    def _sweep_deleted(self) -> float:
        """Sweep after the deleted jobs that are due; return the seconds until the next one may be."""
        while not (self._deleted.empty() or self._sweeping.stopping):
            due, job_id = self._deleted.get()
            seconds = due - time.monotonic()
            if seconds > 0:
                self._deleted.put((due, job_id))
                return min(seconds, _ROUND_SECONDS)
            try:
                self._sweep(job_id)
            except Exception:  # noqa: BLE001 - whatever it is, other jobs' files can go, and this one's may next time
                _log.warning("The files of job %s can't be deleted; it is tried again.", job_id, exc_info=True)
                self._deleted.put((time.monotonic() + _ROUND_SECONDS, job_id))
        return _ROUND_SECONDS


class _Rounds(threading.Thread):
    """Does rounds: one at once, one when woken, and one after as many seconds as the last one returned."""

    def __init__(self, name: str, do_round: Callable[[], float]) -> None:
        super().__init__(name=name, daemon=True)
        self._do_round = do_round
        self._woken = threading.Event()
        self.stopping = False

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        self.stopping = True
        self._woken.set()

    def run(self) -> None:
        while not self.stopping:
            self._woken.wait(self._round())
            self._woken.clear()

    def _round(self) -> float:
        try:
            return self._do_round()
        except Exception:  # noqa: BLE001 - what can't be deleted now may be next time
            _log.warning("Cleaning failed; it is tried again.", exc_info=True)
            return _ROUND_SECONDS
