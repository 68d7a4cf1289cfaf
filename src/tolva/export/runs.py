"""Lines into runs: pieces of one stored object, each of whole lines and at most a cap long."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from tolva.model import Partial, Segment
from tolva.rollup.sinks import Sink
from tolva.storage import Storage

_BUFFER_BYTES = 2**20


class RunWriter:
    """Writes the lines of outputs, one output after the other, into one object, as they come.

    Args:
        max_bytes: no run is longer, unless a single line is.
        new_sink: makes the bytes of one run: plain or gzip.
    """

    def __init__(self, max_bytes: int, new_sink: Callable[[], Sink]) -> None:
        self._max_bytes = max_bytes
        self._new_sink = new_sink
        self._bytes = 0
        self._digest = hashlib.sha256()
        self._segments: list[Segment] = []

    def store(self, storage: Storage, key: str, outputs: Iterable[tuple[str, Iterable[bytes]]]) -> Partial | None:
        """Store the outputs' lines; return what the catalog should know of them, None if there were none at all.

        Lines are taken one by one and never held all at once.
        """
        buffers = (buffer for output, lines in outputs for buffer in self._buffers(output, lines))
        first = next(buffers, None)
        if first is None:
            return None
        storage.put(key, _chain(first, buffers))
        return Partial(key, self._bytes, self._digest.hexdigest(), tuple(self._segments))

    def _buffers(self, output: str, lines: Iterable[bytes]) -> Iterator[bytes]:
        sink: Sink | None = None
        offset, records, number = self._bytes, 0, 0
        for line in lines:
            if sink is not None and not sink.fits(line, self._max_bytes):
                yield from self._end(sink, output, number, offset, records)
                sink, number = None, number + 1
            if sink is None:
                sink, offset, records = self._new_sink(), self._bytes, 0
            sink.add(line)
            records += 1
            if len(sink.buffer) >= _BUFFER_BYTES:
                yield self._taken(sink)
        if sink is not None:
            yield from self._end(sink, output, number, offset, records)

    def _end(self, sink: Sink, output: str, number: int, offset: int, records: int) -> Iterator[bytes]:
        sink.end()
        yield self._taken(sink)
        self._segments.append(Segment(output, number, offset, self._bytes - offset, records, run=True))

    def _taken(self, sink: Sink) -> bytes:
        data = bytes(sink.buffer)
        sink.buffer.clear()
        self._bytes += len(data)
        self._digest.update(data)
        return data


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
