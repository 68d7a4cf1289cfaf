"""The files that clients send to the jobs of a service: announced, received, and forgotten.

``client`` is who asks, as in ``service``.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache

from tolva.backends import Backends
from tolva.errors import ConflictError, DocumentError, NotFoundError, StorageError
from tolva.jobs.documents import validate
from tolva.jobs.documents.common import TableSpec
from tolva.jobs.receiver import Intakes, OnChange, Receiver
from tolva.model import NewUpload, Upload

_MAX_NAME_BYTES = 255

_KEPT_TABLES = 256
"""Jobs of which is remembered what files they take."""

_KEPT_RECEIVERS = 16
"""Between two requests of an upload; each holds a chunk's bytes at most."""


class Uploads:
    """See above. Methods may be called from any thread.

    Args:
        chunk_bytes: the length of chunks to aim at; bounds what one upload holds in memory.
        abandoned_seconds: how long an unfinished upload stays where nothing more comes.
        on_change: see ``Receiver``.
    """

    def __init__(self, backends: Backends, *, chunk_bytes: int, abandoned_seconds: float, on_change: OnChange) -> None:
        self._backends = backends
        self._catalog = backends.catalog
        self._chunk_bytes = chunk_bytes
        self._abandoned_seconds = abandoned_seconds
        self._on_change = on_change
        self._lock = threading.Lock()
        self._receivers: OrderedDict[str, Receiver] = OrderedDict()
        # Whose a job is and which tables it takes never changes, and files come by many small calls.
        self._tables = lru_cache(maxsize=_KEPT_TABLES)(self._load_tables)

    def begin(self, job_id: str, client: str | None, *files: NewUpload) -> list[Upload]:
        """Announce files of uploaded tables; of a table and name that are there, return the upload as it stands.

        The files count in this order. Their names are labels and never become paths. NotFoundError for a table that
        the job doesn't upload; ConflictError for a file that was announced with another length or sha256 before.
        """
        for file in files:
            self._spec(job_id, client, file.table)
            _check_name(file.name)
        begun = self._catalog.begin_uploads(job_id, files)
        for file, upload in zip(files, begun, strict=True):
            _check_same(file, upload)
        return begun

    def one(self, job_id: str, client: str | None, upload_id: str) -> Upload:
        """Return an upload of the job."""
        self._tables(job_id, client)
        return self._catalog.upload(upload_id, job_id=job_id)

    def of_job(self, job_id: str, client: str | None) -> list[Upload]:
        """Return the job's uploads in the order they began."""
        self._catalog.job(job_id, client=client)
        return self._catalog.uploads(job_id)

    def receive(self, upload: Upload, *, hold: bool = False) -> Receiver:
        """Return what takes the upload's next bytes; see ``Receiver``. Of two at once, one will get ConflictError."""
        with self._lock:
            kept = self._receivers.pop(upload.id, None)
        if kept is not None and kept.upload == upload and kept.received_bytes == upload.received_bytes:
            kept.hold = hold
            return kept
        spec = self._spec(upload.job_id, None, upload.table)
        intakes = Intakes(spec, self._chunk_bytes)
        try:
            return Receiver(self._backends, upload, intakes, hold=hold, on_change=self._on_change)
        except StorageError:
            # What it needs is deleted when another receiver went on from there.
            if self._catalog.upload(upload.id) == upload:
                raise
            raise ConflictError(
                f"{upload.table}/{upload.name} is being sent by another request. See where it stands and go on there.",
                upload=upload.id,
            ) from None

    def keep(self, receiver: Receiver) -> None:
        """Keep a receiver that was saved, for the upload's next bytes: it needn't look at what came before again."""
        with self._lock:
            self._receivers.pop(receiver.upload.id, None)
            if not receiver.upload.ended:
                self._receivers[receiver.upload.id] = receiver
            if len(self._receivers) > _KEPT_RECEIVERS:
                self._receivers.popitem(last=False)

    def expires_at(self, upload: Upload) -> float:
        """Return when an unfinished upload goes, unless it goes on."""
        return upload.last_updated + self._abandoned_seconds

    def discard(self, job_id: str, client: str | None, upload_id: str) -> None:
        """Forget an upload of which nothing was cut yet. StateError otherwise."""
        self.one(job_id, client, upload_id)
        upload = self._catalog.discard_upload(upload_id)
        self._backends.storage.delete_below(f"jobs/{job_id}/uploads/{upload.id}")

    def _load_tables(self, job_id: str, client: str | None) -> Mapping[str, TableSpec]:
        return validate(self._catalog.job(job_id, client=client).document, f"job {job_id}").uploads()

    def _spec(self, job_id: str, client: str | None, table: str) -> TableSpec:
        tables = self._tables(job_id, client)
        if table not in tables:
            known = ", ".join(tables) or "none"
            raise NotFoundError(f"Job {job_id} takes no files for a table {table}; it does for: {known}.", job=job_id)
        return tables[table]


def _check_same(file: NewUpload, upload: Upload) -> None:
    # One that was announced without a sha256 is worked on unverified, unless it is whole and has it.
    known = upload.digest if upload.ended else upload.sha256
    size_differs = file.bytes is not None and upload.bytes not in (None, file.bytes)
    if size_differs or file.sha256 not in (None, known):
        raise ConflictError(f"{file.table}/{file.name} was announced with another length or sha256.", upload=upload.id)


def _check_name(name: str) -> None:
    if not name or len(name.encode(errors="replace")) > _MAX_NAME_BYTES or not name.isprintable():
        raise DocumentError(f"A file's name has 1 to {_MAX_NAME_BYTES} bytes and no control characters.")
