"""Cut a job's input files into chunks, and hand out their scan tasks while the cutting goes on."""

from __future__ import annotations

from tolva.catalog import Catalog
from tolva.dispatch import Dispatcher
from tolva.formats import chunks_of
from tolva.model import Chunk, File

_FIRST_BATCH = 2
_BATCH = 64


def feed(catalog: Catalog, dispatcher: Dispatcher, job_id: str, *, chunk_bytes: int) -> None:
    """Cut every file from where it was cut last, then say END.

    Chunks go to the catalog in batches, a small one first so that workers have something to do at once.
    """
    for file in catalog.files(job_id):
        if not file.ended:
            _feed_file(catalog, dispatcher, file, chunk_bytes)
    dispatcher.publish(catalog.end_input(job_id))


def _feed_file(catalog: Catalog, dispatcher: Dispatcher, file: File, chunk_bytes: int) -> None:
    batch: list[Chunk] = []
    size = _FIRST_BATCH
    for chunk in chunks_of(file, chunk_bytes):
        batch.append(chunk)
        if len(batch) == size:
            dispatcher.publish(catalog.add_chunks(file.id, batch, ended=False))
            batch, size = [], _BATCH
    dispatcher.publish(catalog.add_chunks(file.id, batch, ended=True))
