"""A writer's stream: records go to a file in ``streaming/``, which moves to ``finished/`` in one rename."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tolva import crash
from tolva.errors import CancelledError, StateError
from tolva.rollup.folder import Folder, storage_errors
from tolva.rollup.names import Kind
from tolva.rollup.records import Record, encode
from tolva.rollup.sinks import GzipSink, PlainSink, Sink

_BUFFER_BYTES = 256 * 2**10
_CANCEL_CHECK_SECONDS = 0.5


class Stream:
    """Appends records to files that the roll-up takes when they are closed. It belongs to one thread.

    A file is finished when the stream closes, and when the next record would take it past the cap. Its records then
    are durable and will be in exactly one part. A stream that is left through an exception, like one whose process is
    killed, throws its open file away: nothing of it will be in a part.

    Args:
        path: the folder ``streaming/``.
        finished: the name of ``finished/``, beside it.
        kind: data or errors, plain or gzip.
        max_bytes: the size cap of a file; a larger record has a file to itself.
        cancelled: set when the job is cancelled in this process.

    Raises:
        StateError: the job isn't prepared, or has ended.
    """

    def __init__(self, path: Path, finished: str, kind: Kind, max_bytes: int, cancelled: threading.Event) -> None:
        self._finished = f"../{finished}"
        self._kind = kind
        self._max_bytes = max_bytes
        self._cancelled = cancelled
        self._next_check_at = 0.0
        self._new_sink: Callable[[], Sink] = GzipSink if kind.gzip else PlainSink
        self._sink: Sink | None = None
        self._fd = -1
        self._name = ""
        self._closed = False
        try:
            self._folder = Folder(path)
        except FileNotFoundError:
            raise _ended(path) from None
        self._folder.lock_shared()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def write(self, record: Record) -> None:
        r"""Append one record: a mapping to encode, or an encoded line (``\n`` is added where it is missing).

        Raises:
            RecordError: the record can't be written as one line of JSON. Nothing was written; the stream goes on.
            CancelledError: the job was cancelled.
            StateError: the stream is closed, or the job has ended.
            StorageError: the disk refused it. The stream is discarded.
        """
        if self._closed:
            raise StateError(f"a stream of {self._folder.path} is closed: open another one.")
        line = encode(record)
        with self._or_discard():
            self._check()
            if self._sink is not None and not self._sink.fits(line, self._max_bytes):
                self._finish(self._sink)
            if self._sink is None:
                self._sink = self._start()
            self._sink.add(line)
            if len(self._sink.buffer) >= _BUFFER_BYTES:
                self._flush(self._sink)

    def close(self) -> None:
        """Finish the open file; on return it is durable, in ``finished/``. May be called twice.

        Raises:
            CancelledError: the job was cancelled.
            StorageError: the disk refused it. The file is discarded.
        """
        if not self._closed:
            with self._or_discard():
                if self._sink is not None:
                    self._finish(self._sink)
            self._release()

    def discard(self) -> None:
        """Throw the open file away. Files that were finished before stay. May be called twice."""
        if not self._closed:
            if self._sink is not None:
                crash.point("rollup.stream.before_unlink")
                self._folder.unlink(self._name)
                crash.point("rollup.stream.after_unlink")
                os.close(self._fd)
            self._release()

    def _release(self) -> None:
        self._closed = True
        self._sink = None
        self._folder.close()

    @contextmanager
    def _or_discard(self) -> Iterator[None]:
        try:
            with storage_errors(self._folder.path):
                yield
        except BaseException:
            self.discard()
            raise

    def _check(self) -> None:
        now = time.monotonic()
        # Another process cancels by taking the folder away; asking for that with every record would be dear.
        if now >= self._next_check_at:
            self._next_check_at = now + _CANCEL_CHECK_SECONDS
            if not self._folder.is_current():
                raise _cancelled(self._folder.path)
        if self._cancelled.is_set():
            raise _cancelled(self._folder.path)

    def _start(self) -> Sink:
        self._name = f"{uuid.uuid4().hex}{self._kind.suffix}"
        crash.point("rollup.stream.before_create")
        try:
            self._fd = self._folder.open(self._name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileNotFoundError:
            raise _ended(self._folder.path) from None
        crash.point("rollup.stream.after_create")
        return self._new_sink()

    def _flush(self, sink: Sink) -> None:
        crash.point("rollup.stream.before_write")
        with memoryview(sink.buffer) as data:
            written = 0
            while written < len(data):
                written += os.write(self._fd, data[written:])
        sink.buffer.clear()

    def _finish(self, sink: Sink) -> None:
        sink.end()
        self._flush(sink)
        crash.point("rollup.stream.before_sync")
        os.fsync(self._fd)
        crash.point("rollup.stream.before_rename")
        try:
            self._folder.rename(self._name, f"{self._finished}/{self._name}")
        except FileNotFoundError:
            raise _cancelled(self._folder.path) from None
        self._sink = None
        os.close(self._fd)
        crash.point("rollup.stream.before_folder_sync")
        self._folder.sync(self._finished)
        crash.point("rollup.stream.after_folder_sync")


def _ended(path: Path) -> StateError:
    return StateError(f"{path} is not there: the job has ended, or was cancelled, or isn't prepared yet.")


def _cancelled(path: Path) -> CancelledError:
    return CancelledError(f"{path} is gone: the job was cancelled. What the stream had open is thrown away.")
