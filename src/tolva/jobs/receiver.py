"""Take in one file as its bytes arrive: cut, stored and handed to the workers before the last one is there.

What is acknowledged is durable, and counts once: the stored chunks, what is in no chunk yet and how to go on are
recorded in one transaction, on the condition that the upload is still where this receiver found it. Whatever was
stored beyond that is garbage that goes with the job.

A file whose sha256 was declared is stored as it comes, and cut only once it is whole and verified: records that were
worked on can't be taken back.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tolva import formats
from tolva.backends import Backends
from tolva.errors import ChecksumError, ConflictError, InputError
from tolva.formats import Intake, Piece
from tolva.jobs.documents.common import TableSpec
from tolva.model import Chunk, Received, Upload
from tolva.plan import Column
from tolva.storage import Buffer

_RECORDED_TOGETHER = 4
"""Chunks that are recorded in one transaction."""

_FED_BYTES = 128 * 1024
"""Fed to the intake at once: compressed bytes may become some hundred times as many."""

Columns = tuple[tuple[str, str], ...]
OnChange = Callable[[str, bool], None]


@dataclass(frozen=True, slots=True)
class Intakes:
    """How the files of an upload's table are cut."""

    spec: TableSpec
    chunk_bytes: int

    def open(self, upload: Upload, columns: Columns | None, state: dict[str, Any] | None) -> Intake:
        """Return an intake of the upload's file that goes on from ``state``."""
        known = None if columns is None else tuple(Column(*each) for each in columns)
        return formats.intake(
            upload.table, self.spec, upload.name, columns=known, chunk_bytes=self.chunk_bytes, state=state
        )


class Receiver:
    """Takes the bytes of one upload from ``received_bytes`` on. One thread at a time may use it.

    Args:
        hold: record nothing before ``save`` or ``end``, so that bytes can still be refused after they were cut.
        on_change: called with the job's id when something was recorded, and whether that made known the columns of a
            table, which its plan may have waited for.
    """

    def __init__(
        self, backends: Backends, upload: Upload, intakes: Intakes, *, hold: bool, on_change: OnChange
    ) -> None:
        self._catalog = backends.catalog
        self._storage = backends.storage
        self._dispatcher = backends.dispatcher
        self._intakes = intakes
        self._on_change = on_change
        # All of an upload is in one folder: each that is made must be seen on disk, too.
        self._prefix = f"jobs/{upload.job_id}/uploads/{upload.id}/{secrets.token_hex(4)}"
        self._objects = 0
        self.hold = hold
        self.upload = upload
        self.received_bytes = upload.received_bytes
        self._digest = hashlib.sha256() if upload.received_bytes == 0 else None
        self._chunks: list[Chunk] = []
        self.chunks_created = 0
        self.chunk_bytes = intakes.chunk_bytes
        # What an intake that can't go on by its state alone (of compressed files) must be fed again: objects that hold
        # the file's bytes from the beginning, and behind them what isn't in an object yet; None if that isn't needed.
        state = upload.state or {"intake": None, "replay": []}
        self._replay: list[str] = state["replay"]
        tail = b"" if upload.tail_key is None else bytes(self._storage.get(upload.tail_key)[0])
        self._unsaved: bytearray | None = bytearray(tail) if self._replay or upload.file_id is None else None
        columns = upload.columns or self._catalog.table_columns(upload.job_id, upload.table)
        self._learns = columns is None
        self._intake = intakes.open(upload, columns, state["intake"])
        self._waits = upload.sha256 is not None
        if self._waits:
            self._digest = self._digest_again()
        else:
            self._feed_again(tail)

    def go_on_with(self, digest: hashlib._Hash) -> None:
        """Go on with a sha256 that has seen all bytes received so far."""
        self._digest = digest

    def write(self, data: bytes) -> bool:
        """Take the next bytes; return whether they completed an object, so that to save now stores little more.

        Raises as ``Catalog.receive``, InputError when they can't be of the table's format.
        """
        before = self._objects
        start = 0
        while start < len(data):
            # Nothing is kept to be fed again once the file is known to be uncompressed: its bytes don't become more.
            end = start + _FED_BYTES if self._unsaved is not None else len(data)
            self._write(data[start:end])
            start = end
        return self._objects > before

    def save(self) -> int:
        """Make all that was taken durable; return how many bytes of the file are."""
        if self.received_bytes > self.upload.received_bytes:
            self._record(ended=False)
        return self.received_bytes

    def end(self) -> Upload:
        """Note that the file is whole. ChecksumError if it isn't what was declared; then this call changed nothing.

        With another sha256 than the declared one the upload is forgotten, so that it can be sent again.
        """
        self._check_length()
        if self._waits:
            self._verify()
        self._store(self._intake.end())
        self._record(ended=True)
        return self.upload

    def abandon(self) -> None:
        """Forget what was taken since it was last recorded; the receiver can't be used any more."""
        self._storage.delete([chunk.key for chunk in self._chunks if chunk.key])

    def _write(self, data: bytes) -> None:
        self.received_bytes += len(data)
        if self._digest is not None:
            self._digest.update(data)
        if self._unsaved is not None:
            self._unsaved += data
            if len(self._unsaved) > self._intakes.chunk_bytes:
                self._spill()
        if self._waits:
            unsaved_bytes = self.received_bytes - self.upload.received_bytes
            if not self.hold and unsaved_bytes > _RECORDED_TOGETHER * self._intakes.chunk_bytes:
                self.save()
            return
        self._store(self._intake.feed(data))
        if self._unsaved is not None and self._goes_on_alone():
            self._unsaved = None
        # Other files of the table, and its plan, may wait for its columns; else the file can wait for its chunks.
        fresh = self._learns and self._intake.file() is not None
        if not self.hold and (fresh or len(self._chunks) >= _RECORDED_TOGETHER):
            self.save()

    def _goes_on_alone(self) -> bool:
        """Whether nothing of the file will be fed again: it has its table's columns, and goes on by its tail."""
        settled = not self._learns and not self._replay and self._intake.file() is not None
        return settled and self._intake.resumable

    def _check_length(self) -> None:
        declared = self.upload
        if declared.bytes not in (None, self.received_bytes):
            raise ChecksumError(
                f"{declared.table}/{declared.name}: {declared.bytes} bytes were declared and {self.received_bytes} "
                "arrived. Send the file again.",
            )

    def _verify(self) -> None:
        """Cut what arrived if it has the declared sha256. If it hasn't, or can't be cut, it is forgotten."""
        upload = self.upload
        try:
            self._check_sha256()
            self._feed_again(bytes(self._unsaved or b""))
        except (ChecksumError, InputError):
            self._catalog.discard_upload(upload.id)
            self._storage.delete_below(f"jobs/{upload.job_id}/uploads/{upload.id}")
            raise

    def _check_sha256(self) -> None:
        declared = self.upload
        found = (self._digest or self._digest_again()).hexdigest()
        if found != declared.sha256:
            raise ChecksumError(
                f"{declared.table}/{declared.name}: the bytes that arrived don't have the declared sha256. "
                "Send the file again.",
                sha256=found,
            )

    def _store(self, pieces: Sequence[Piece]) -> None:
        self._chunks += [replace(piece.chunk, key=self._put(piece.blocks)) for piece in pieces]

    def _put(self, blocks: Iterable[Buffer]) -> str:
        self._objects += 1
        key = f"{self._prefix}-{self._objects}"
        self._storage.put(key, blocks)
        return key

    def _record(self, *, ended: bool) -> None:
        try:
            self._receive(ended=ended)
        except ConflictError as error:
            columns = error.data.get("columns")
            if columns is None:
                raise
            self._begin_again(tuple((name, type_) for name, type_ in columns), ended=ended)
            self._receive(ended=ended)

    def _receive(self, *, ended: bool) -> None:
        before, intake = self.upload, self._intake
        columns = intake.columns
        state, tail_key = (None, None) if ended else self._way_on()
        self.upload, hints = self._catalog.receive(
            Received(
                upload_id=before.id,
                from_bytes=before.received_bytes,
                received_bytes=self.received_bytes,
                digest=None if self._digest is None else self._digest.hexdigest(),
                file=intake.file() if before.file_id is None else None,
                columns=None if columns is None else tuple((column.name, column.type) for column in columns),
                chunks=tuple(self._chunks),
                state=state,
                tail_key=tail_key,
                ended=ended,
            )
        )
        # A job that has begun got hints; one that hasn't may, with its first chunks.
        hints = hints or (self._catalog.admit() if self._chunks else [])
        self.chunks_created += len(self._chunks)
        self._chunks = []
        self._forget(before, state)
        self._dispatcher.publish(hints)
        learned = self._learns and self.upload.file_id is not None
        self._learns = self._learns and not learned
        self._on_change(before.job_id, learned)

    def _way_on(self) -> tuple[dict[str, Any], str | None]:
        """Store what is in no chunk yet; return how another receiver goes on, and where its tail is."""
        state = self._intake.state()
        if state["resume_at"] or self._unsaved is None:
            tail = self._intake.tail()
            return {"intake": state, "replay": []}, self._put([tail]) if tail else None
        if self._unsaved:
            self._spill()
        return {"intake": state, "replay": self._replay}, None

    def _spill(self) -> None:
        self._replay = [*self._replay, self._put([self._unsaved or b""])]
        self._unsaved = bytearray()

    def _forget(self, before: Upload, state: dict[str, Any] | None) -> None:
        """Let go of what nobody who goes on from ``state`` needs."""
        gone = [before.tail_key] if before.tail_key else []
        if self.upload.file_id is not None and not (state and state["replay"]):
            gone += self._replay
            self._replay, self._unsaved = [], None
        self._storage.delete(gone)

    def _begin_again(self, columns: Columns, *, ended: bool) -> None:
        """Cut all bytes anew, with the columns that another file gave the table meanwhile."""
        self.abandon()
        self._chunks = []
        self._intake = self._intakes.open(self.upload, columns, None)
        self._feed_again(bytes(self._unsaved or b""))
        if ended:
            self._store(self._intake.end())

    def _feed_again(self, tail: bytes) -> None:
        for block in self._stored():
            self._store(self._intake.feed(block))
        if tail:
            self._store(self._intake.feed(tail))

    def _digest_again(self) -> hashlib._Hash:
        """Return a sha256 that has seen the file's bytes so far."""
        digest = hashlib.sha256()
        for block in self._stored():
            digest.update(block)
        digest.update(self._unsaved or b"")
        return digest

    def _stored(self) -> Iterator[bytes]:
        for key in self._replay:
            for block in self._storage.stream(key, block_bytes=_FED_BYTES):
                yield bytes(block)
