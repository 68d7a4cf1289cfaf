"""The tender: sees to it that every accepted job gets its plan and its input.

A job is durable before it has a plan. What is still to be done for it follows from the catalog alone, so a tender that
was killed is made up for by the next one, and any number may tend the same job.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tolva.backends import Backends
from tolva.errors import CatalogError, InputError, StorageError, TolvaError
from tolva.jobs.documents import JobDocument, validate
from tolva.jobs.feed import feed
from tolva.jobs.prepare import Prepared, ToPrepare
from tolva.jobs.stored import look_up
from tolva.jobs.submit import record
from tolva.model import Job, NewFile, Upload
from tolva.plan import Column
from tolva.planner import UNKNOWN_BYTES
from tolva.work.children import Cancel, Cancelled, Children

if TYPE_CHECKING:
    from tolva.formats import InputTable

_THREADS = 4
_PREPARE_TRIES = 3
_AGAIN_SECONDS = 2.0

_NO_DATA = Path("/")
"""Where patterns start without a data folder: absolute, so that whatever they find is refused."""

_log = logging.getLogger(__name__)


class Tender:
    """Tends jobs in threads of its own.

    Args:
        children: answer ``ToPrepare``.
        data: the folder (absolute, without links) that job documents may name files of; None: no job may.
        on_change: called with the ids of jobs that went on.
    """

    def __init__(
        self,
        backends: Backends,
        children: Children,
        *,
        data: Path | None,
        chunk_bytes: int,
        prepare_seconds: float,
        on_change: Callable[[Collection[str]], None],
    ) -> None:
        self._backends = backends
        self._children = children
        self._data = data
        self._chunk_bytes = chunk_bytes
        self._prepare_seconds = prepare_seconds
        self._on_change = on_change
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tender")
        self._lock = threading.Lock()
        self._asked: dict[str, bool] = {}
        self._stop = threading.Event()
        self._timers: set[threading.Timer] = set()

    def start(self) -> None:
        """Take up every job that was left unfed."""
        for job_id in self._backends.catalog.unfed():
            self.tend(job_id)

    def tend(self, job_id: str) -> None:
        """Do soon what can be done for the job; asked again meanwhile, look again afterwards."""
        with self._lock:
            if self._stop.is_set():
                return
            if job_id in self._asked:
                self._asked[job_id] = True
                return
            self._asked[job_id] = False
            self._threads.submit(self._run, job_id)

    def stop(self) -> None:
        """Leave off; what was begun is taken up by the next tender."""
        with self._lock:
            self._stop.set()
            for timer in self._timers:
                timer.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, job_id: str) -> None:
        again = True
        while again and not self._stop.is_set():
            try:
                self._tend(job_id)
            except Exception:  # noqa: BLE001 - the catalog or storage is out of reach: later it may not be
                _log.warning("Job %s can't be fed now; it is tried again.", job_id, exc_info=True)
                self._later(job_id)
            with self._lock:
                again = self._asked[job_id]
                if again:
                    self._asked[job_id] = False
                else:
                    del self._asked[job_id]

    def _later(self, job_id: str) -> None:
        timer = threading.Timer(_AGAIN_SECONDS, lambda: self.tend(job_id))
        timer.daemon = True
        with self._lock:
            self._timers = {each for each in self._timers if each.is_alive()} | {timer}
            timer.start()

    def _tend(self, job_id: str) -> None:
        catalog = self._backends.catalog
        job = catalog.job(job_id)
        if job.status.final or job.input_ended:
            return
        try:
            document = validate(job.document, f"job {job_id}")
            if job.plan is None and not self._plan(job, document):
                return
            self._feed(job, document)
        except Cancelled:  # the children were closed
            return
        except (CatalogError, StorageError):
            raise
        except TolvaError as error:
            catalog.fail(job_id, error.to_dict())
        self._on_change({job_id})

    def _feed(self, job: Job, document: JobDocument) -> None:
        """Cut the server's own files; say END once the client did, too."""
        uploads = document.uploads()
        now = self._backends.catalog.job(job.id)
        if now.input_ended:  # said with the plan: there was nothing to cut
            return
        ended = not uploads or now.uploads_ended
        feed(
            self._backends.catalog,
            self._backends.storage,
            self._backends.dispatcher,
            job.id,
            chunk_bytes=self._chunk_bytes,
            stop=self._stop,
            wanted=lambda file: file.table not in uploads,
            end=ended,
        )

    def _plan(self, job: Job, document: JobDocument) -> bool:
        """Give the job its plan; return False while the columns of an uploaded table aren't known."""
        catalog, dispatcher = self._backends.catalog, self._backends.dispatcher
        uploads = catalog.uploads(job.id)
        uploaded: dict[str, InputTable] = {}
        for table in document.uploads():
            known = _columns(catalog.table_columns(job.id, table), document, table, ended=job.uploads_ended)
            if known is None:
                return False
            uploaded[table] = _table(table, known, [each for each in uploads if each.table == table])
        brief = look_up(catalog, self._backends.storage, job.client, document.brief(self._data or _NO_DATA))
        prepared = self._prepare(ToPrepare(brief, uploaded))
        self._check_places(prepared)
        dispatcher.publish(record(catalog, job.id, prepared, uploaded=uploaded))
        dispatcher.publish(catalog.admit())
        return True

    def _prepare(self, request: ToPrepare) -> Prepared:
        tries = 0
        while True:
            try:
                prepared: Prepared = self._children.run(
                    request, deadline_seconds=self._prepare_seconds, cancel=Cancel()
                )
            except TolvaError as error:
                tries += 1
                if not error.retryable or tries == _PREPARE_TRIES:
                    raise
            else:
                return prepared

    def _check_places(self, prepared: Prepared) -> None:
        """Refuse files that aren't really below the data folder, whatever links lead to them."""
        for table in prepared.tables:
            for file in table.files:
                place = Path(file.location)
                # What isn't absolute is no path but the key of a stored table's object.
                if place.is_absolute() and not (self._data and place.resolve().is_relative_to(self._data)):
                    raise InputError(f"{file.name} is not in the data folder of this server.", file=file.name)


def _columns(
    known: tuple[tuple[str, str], ...] | None, document: JobDocument, table: str, *, ended: bool
) -> tuple[tuple[str, str], ...] | None:
    """Return the columns of an uploaded table; those declared when nothing was sent to the end."""
    if known is not None or not ended:
        return known
    declared = document.uploads()[table].columns
    if not declared:
        raise InputError(
            f"No record of table {table} was sent and its columns weren't declared, so they can't be known. "
            "Send a file, or declare columns.",
            table=table,
        )
    return tuple(declared.items())


def _table(name: str, columns: tuple[tuple[str, str], ...], uploads: list[Upload]) -> InputTable:
    from tolva.formats import InputTable  # noqa: PLC0415 - the formats' facade is light, but not at start-up

    files = [
        NewFile(
            table=name,
            name=each.name,
            location="",
            bytes=UNKNOWN_BYTES if each.bytes is None else each.bytes,
            fingerprint="",
            layout={},
        )
        for each in uploads
    ]
    return InputTable(name, tuple(Column(*column) for column in columns), tuple(files))
