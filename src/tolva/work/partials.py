"""Partials: what tasks leave for later stages, as one stored object of Arrow streams and an index into it.

A task's outputs, each split into its hash partitions, are written one after another into one object; the catalog
keeps where each begins. So a stage of n tasks and p partitions makes n objects, not n times p, and a reader fetches
just the ranges it needs. Rows that aren't there take no bytes: an empty partition has no segment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from tolva.model import Partial, Segment
from tolva.storage import Buffer, Storage


@dataclass(frozen=True, slots=True)
class Left:
    """Rows of one output in one partition (0 where the output isn't partitioned)."""

    output: str
    partition: int
    rows: pa.Table


def write(storage: Storage, key: str, left: Iterable[Left]) -> Partial | None:
    """Store the rows under ``key``; return what the catalog should know of them, None if there were no rows at all."""
    writer = _Writer()
    buffers = writer.buffers(left)
    first = next(buffers, None)
    if first is None:
        return None
    storage.put(key, _chain(first, buffers))
    return Partial(key, writer.bytes, writer.digest.hexdigest(), tuple(writer.segments))


def read(
    storage: Storage, partials: Sequence[Partial], output: str, partitions: Collection[int] | None
) -> list[pa.Table]:
    """Return the rows of ``output``, table by table in the order of ``partials``; of these partitions, or of all."""
    tables = []
    for partial in partials:
        wanted = [
            (segment.offset, segment.length)
            for segment in partial.segments
            if segment.output == output and (partitions is None or segment.partition in partitions)
        ]
        if wanted:
            tables += [pa.ipc.open_stream(pa.py_buffer(view)).read_all() for view in storage.get(partial.key, wanted)]
    return tables


class _Writer:
    def __init__(self) -> None:
        self.bytes = 0
        self.digest = hashlib.sha256()
        self.segments: list[Segment] = []

    def buffers(self, left: Iterable[Left]) -> Iterator[Buffer]:
        for item in left:
            if item.rows.num_rows:
                buffer = memoryview(_stream(item.rows)).cast("B")
                self.segments.append(Segment(item.output, item.partition, self.bytes, len(buffer), item.rows.num_rows))
                self.digest.update(buffer)
                self.bytes += len(buffer)
                yield buffer


def _stream(rows: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return sink.getvalue()


def _chain(first: Buffer, rest: Iterator[Buffer]) -> Iterator[Buffer]:
    yield first
    yield from rest
