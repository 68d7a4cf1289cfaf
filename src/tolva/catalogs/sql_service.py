"""What only the job service asks of a catalog: uploads, END, files past their time, keys. See ``sql`` for the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager

from tolva.catalog import Counts, Kept
from tolva.catalogs import counting, jobs, keys, uploads
from tolva.catalogs.transactions import Tx
from tolva.model import Hint, Job, Key, NewUpload, Received, Upload


class SqlService(ABC):
    """The part of a catalog that serves the job service."""

    @abstractmethod
    def _write(self, name: str) -> AbstractContextManager[Tx]:
        """Open a transaction that changes something; ``name`` is that of its crash points."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Tx]:
        """Open a transaction that only looks."""

    def begin_uploads(self, job_id: str, files: Sequence[NewUpload]) -> list[Upload]:
        """Record files that will be sent, but for those whose table and name are there already."""
        with self._write("begin_uploads") as tx:
            return uploads.begin(tx, job_id, files)

    def upload(self, upload_id: str, *, job_id: str | None = None) -> Upload:
        """Return the upload."""
        with self._read() as tx:
            return uploads.one(tx, upload_id, job_id)

    def uploads(self, job_id: str) -> list[Upload]:
        """Return the job's uploads in the order they began."""
        with self._read() as tx:
            return uploads.of_job(tx, job_id)

    def receive(self, new: Received) -> tuple[Upload, list[Hint]]:
        """Record what was stored of an upload; return it as it is now."""
        with self._write("receive") as tx:
            return uploads.receive(tx, new)

    def table_columns(self, job_id: str, table: str) -> tuple[tuple[str, str], ...] | None:
        """Return the columns of a table of uploads, None while they aren't known."""
        with self._read() as tx:
            return uploads.columns(tx, job_id, table)

    def discard_upload(self, upload_id: str) -> Upload:
        """Forget an upload of which nothing was cut yet."""
        with self._write("discard_upload") as tx:
            return uploads.discard(tx, upload_id)

    def end_uploads(self, job_id: str) -> Job:
        """Note that the client sends no more files."""
        with self._write("end_uploads") as tx:
            jobs.end_uploads(tx, job_id)
            return jobs.one(tx, job_id)

    def unfed(self) -> list[str]:
        """Return the ids of the service's unfinished jobs whose input has not ended."""
        with self._read() as tx:
            return jobs.unfed(tx)

    def files_to_delete(self, kept: Kept) -> list[Job]:
        """Return the jobs whose stored files are there still and nobody may want any more."""
        with self._read() as tx:
            return jobs.files_to_delete(tx, kept)

    def mark_files_deleted(self, job_id: str) -> None:
        """Note that the job's stored files are gone for good."""
        with self._write("mark_files_deleted") as tx:
            jobs.mark_files_deleted(tx, job_id)

    def counts(self, rejects: Collection[tuple[str, str]] = ()) -> Counts:
        """Count jobs, tasks, attempts, what was read and what could not be used."""
        with self._read() as tx:
            return counting.counts(tx, rejects)

    def add_key(self, key: Key) -> None:
        """Record a new key."""
        with self._write("add_key") as tx:
            keys.add(tx, key)

    def find_key(self, key_id: str) -> Key | None:
        """Return the key of that id."""
        with self._read() as tx:
            return keys.one(tx, key_id)

    def all_keys(self) -> list[Key]:
        """Return every key, oldest first."""
        with self._read() as tx:
            return keys.all_of(tx)

    def revoke_key(self, key_id: str) -> None:
        """Let the key open nothing from now on."""
        with self._write("revoke_key") as tx:
            keys.revoke(tx, key_id)
