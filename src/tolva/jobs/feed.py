"""Cut a job's input files into chunks, and hand out their scan tasks while the cutting goes on.

Files whose bytes are their text are read in place. Others are decoded here, and the chunks of their text stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import ceil
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
    workers: int = 1,
    stop: Event,
    wanted: Callable[[File], bool] = lambda _: True,
    end: bool = True,
) -> None:
    """Cut every wanted file from where it was cut last; then say END, if this is the ``end`` of the job's input.

    Chunks have at most about ``chunk_bytes``, and are as many as keep so many ``workers`` equally busy. They go to the
    catalog in batches, a small one first so that workers have something to do at once. Once ``stop`` is set it leaves
    off between two batches; a later call goes on there.
    """
    size = _FIRST_BATCH
    for file in catalog.files(job_id):
        if file.ended or not wanted(file):
            continue
        for batch, ended in _batches(_chunks(file, storage, _even(file, chunk_bytes, workers)), size):
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
        storage.put(key, piece.blocks)
        yield replace(piece.chunk, key=key)


def _even(file: File, chunk_bytes: int, workers: int) -> int:
    """Return the size of chunks of which each worker gets as many as the others, if there is more than one."""
    count = ceil(file.bytes / chunk_bytes)
    return chunk_bytes if count <= 1 else ceil(file.bytes / (ceil(count / workers) * workers))


def _batches(chunks: Iterable[Chunk], size: int) -> Iterator[tuple[list[Chunk], bool]]:
    batch: list[Chunk] = []
    for chunk in chunks:
        if len(batch) == size:
            yield batch, False
            batch, size = [], _BATCH
        batch.append(chunk)
    yield batch, True
