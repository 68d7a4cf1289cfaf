"""Cut a job's input files into chunks, and hand out their scan tasks while the cutting goes on.

Files whose bytes are their text are read in place. Others are decoded here, and the chunks of their text stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Event

from tolva.catalog import Catalog
from tolva.dispatch import Dispatcher
from tolva.formats import chunks_of, must_be_decoded, pieces_of
from tolva.model import Chunk, File
from tolva.storage import Storage

_FIRST_BATCH = 2
_BATCH = 64


def feed(
    catalog: Catalog,
    storage: Storage,
    dispatcher: Dispatcher,
    job_id: str,
    *,
    chunk_bytes: int,
    stop: Event,
    wanted: Callable[[File], bool] = lambda _: True,
    end: bool = True,
) -> None:
    """Cut every wanted file from where it was cut last; then say END, if this is the ``end`` of the job's input.

    Chunks go to the catalog in batches, a small one first so that workers have something to do at once. Once ``stop``
    is set it leaves off between two batches; a later call goes on there.
    """
    size = _FIRST_BATCH
    for file in catalog.files(job_id):
        if file.ended or not wanted(file):
            continue
        for batch, ended in _batches(_chunks(file, storage, chunk_bytes), size):
            if stop.is_set():
                return
            dispatcher.publish(catalog.add_chunks(file.id, batch, ended=ended))
            if size == _FIRST_BATCH:
                dispatcher.publish(catalog.admit())
                size = _BATCH
    if end:
        dispatcher.publish(catalog.end_input(job_id))
        dispatcher.publish(catalog.admit())


def _chunks(file: File, storage: Storage, chunk_bytes: int) -> Iterator[Chunk]:
    chunk_bytes = min(chunk_bytes, file.layout.get("max_chunk_bytes", chunk_bytes))
    if not must_be_decoded(file):
        yield from chunks_of(file, chunk_bytes)
        return
    for piece in pieces_of(file, chunk_bytes):
        # A chunk that isn't recorded in time is stored again, under the same key.
        key = f"jobs/{file.job_id}/input/{file.id}/{piece.chunk.offset}"
        storage.put(key, [piece.data])
        yield replace(piece.chunk, key=key)


def _batches(chunks: Iterable[Chunk], size: int) -> Iterator[tuple[list[Chunk], bool]]:
    batch: list[Chunk] = []
    for chunk in chunks:
        if len(batch) == size:
            yield batch, False
            batch, size = [], _BATCH
        batch.append(chunk)
    yield batch, True
