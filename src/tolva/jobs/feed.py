"""Cut a job's input files into chunks, and hand out their scan tasks while the cutting goes on."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

from tolva.catalog import Catalog
from tolva.dispatch import Dispatcher
from tolva.formats import chunks_of
from tolva.model import Chunk, File

_FIRST_BATCH = 2
_BATCH = 64


def feed(catalog: Catalog, dispatcher: Dispatcher, job_id: str, *, chunk_bytes: int, stop: Event) -> None:
    """Cut every file from where it was cut last, then say END.

    Chunks go to the catalog in batches, a small one first so that workers have something to do at once. Once ``stop``
    is set it leaves off between two batches; a later call goes on there.
    """
    size = _FIRST_BATCH
    for file in catalog.files(job_id):
        if file.ended:
            continue
        for batch, ended in _batches(file, chunk_bytes, size):
            if stop.is_set():
                return
            dispatcher.publish(catalog.add_chunks(file.id, batch, ended=ended))
            if size == _FIRST_BATCH:
                dispatcher.publish(catalog.admit())
                size = _BATCH
    dispatcher.publish(catalog.end_input(job_id))
    dispatcher.publish(catalog.admit())


def _batches(file: File, chunk_bytes: int, size: int) -> Iterator[tuple[list[Chunk], bool]]:
    batch: list[Chunk] = []
    for chunk in chunks_of(file, chunk_bytes):
        if len(batch) == size:
            yield batch, False
            batch, size = [], _BATCH
        batch.append(chunk)
    yield batch, True
