"""Cuts a stream of delimited records into chunks of whole records, at about the speed of memory.

Where a record ends depends on every quote before it, so the text is scanned from its start. Text without quotes, the
common case, costs one search for a quote and one for a line end near each cut.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Protocol

from tolva.errors import InputError
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.delimited.quotes import NOTHING, Note, QuoteScanner
from tolva.model import Chunk

MAX_RECORD_BYTES = 16 * 2**20
"""A longer record is in practice a quote that is never closed; and a worker must hold several copies of one."""

_BLOCK_BYTES = 1024 * 1024
_SLICE_BYTES = 256 * 1024
"""What is scanned at a time: small enough that a second look finds it in the processor's cache."""

_LF, _CR = b"\n", b"\r"


class Cutter:
    """Takes a stream's bytes as they come and gives chunks.

    Chunks end at the last record end not after ``start + k * chunk_bytes``, k = 1, 2, ...; where a record is longer
    than that, at its end. So the same stream gives the same chunks whatever the blocks it comes in.

    A chunk's traits say what it may hold: ``quoted`` (a quote), ``multiline`` (a line end in a quoted field),
    ``escaped`` (an escape character in a quoted field), ``odd`` (quotes that only the exact parser understands),
    ``returns`` (a CR) and ``comments`` (the character that begins them).

    Args:
        dialect: how the stream is written.
        chunk_bytes: the length to aim at.
        start: the offset in the file of the stream's first byte; a record starts there.
        max_record_bytes: InputError when a record is longer.
    """

    def __init__(
        self, dialect: Dialect, chunk_bytes: int, *, start: int = 0, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        self._quote = ord(dialect.quote) if dialect.quote else None
        self._comment = ord(dialect.comment) if dialect.comment else None
        self._scanner = QuoteScanner(dialect)
        self._chunk_bytes = chunk_bytes
        self._max_record_bytes = max_record_bytes
        self._chunk_start = start
        self._record_start = start
        self._target = start + chunk_bytes
        self._seen = start
        self._notes = NOTHING

    def feed(self, block: bytes | bytearray, size: int | None = None) -> list[Chunk]:
        """Take the next ``size`` bytes of the stream (all of ``block`` by default); return the chunks they complete."""
        size = len(block) if size is None else size
        chunks: list[Chunk] = []
        for start in range(0, size, _SLICE_BYTES):
            end = min(start + _SLICE_BYTES, size)
            ends = self._record_ends(block, start, end)
            base = self._seen - start
            self._seen += end - start
            notes = self._scanner.take_notes()
            if block.find(_CR, start, end) >= 0:
                notes |= Note.RETURNS
            if self._has_comments(block, start, end):
                notes |= Note.COMMENTS
            chunks += self._cut(ends, base, notes)
            self._refuse_endless_record()
        return chunks

    def end(self) -> list[Chunk]:
        """Return what is left when the stream is over: one chunk, or none."""
        if self._seen == self._chunk_start:
            return []
        if self._scanner.open:
            self._notes |= Note.ODD
        return [self._chunk(self._seen)]

    def _record_ends(self, block: bytes | bytearray, start: int, end: int) -> _Ends:
        if self._quote is None:
            return _LineEnds(block, start, end)
        plain = self._scanner.plain and block.find(self._quote, start, end) < 0
        if plain and not self._has_comments(block, start, end):
            self._scanner.skip(block, start, end)
            return _LineEnds(block, start, end)
        return _ListedEnds(self._scanner.record_ends(block, start, end))

    def _has_comments(self, block: bytes | bytearray, start: int, end: int) -> bool:
        return self._comment is not None and block.find(self._comment, start, end) >= 0

    def _cut(self, ends: _Ends, base: int, notes: Note) -> Iterator[Chunk]:
        """Cut at each target not after ``_seen``.

        Args:
            ends: the record ends of the newest slice, as positions in its block.
            base: what a position lacks to be an offset in the file.
            notes: on the newest slice.
        """
        self._notes |= notes
        while self._target <= self._seen:
            end = ends.last(self._target - base)
            cut = self._record_start if end is None else max(base + end, self._record_start)
            if cut == self._chunk_start:
                end = ends.after(cut - base)
                if end is None:
                    return
                cut = base + end
            yield self._chunk(cut)
            self._notes = notes
        end = ends.last(self._seen - base)
        if end is not None:
            self._record_start = max(self._record_start, base + end)

    def _chunk(self, end: int) -> Chunk:
        chunk = Chunk(self._chunk_start, end - self._chunk_start, _traits(self._notes))
        self._chunk_start = self._record_start = end
        self._target += self._chunk_bytes
        while self._target <= end:
            self._target += self._chunk_bytes
        return chunk

    def _refuse_endless_record(self) -> None:
        if self._seen - self._record_start > self._max_record_bytes:
            raise InputError(
                f"the record at byte {self._record_start} is longer than {self._max_record_bytes} bytes: is a quote "
                "left open, or are the line ends missing?",
                byte_offset=self._record_start,
            )


class _Ends(Protocol):
    """Where the records of a slice end: positions just after each."""

    def last(self, limit: int) -> int | None:
        """Return the last one not after ``limit``."""
        ...

    def after(self, position: int) -> int | None:
        """Return the first one after ``position``."""
        ...


class _LineEnds(_Ends):
    """Every line end of the slice; looked for only where one is asked for."""

    def __init__(self, block: bytes | bytearray, start: int, end: int) -> None:
        self._block, self._start, self._end = block, start, end

    def last(self, limit: int) -> int | None:
        return self._block.rfind(_LF, self._start, max(limit, self._start)) + 1 or None

    def after(self, position: int) -> int | None:
        return self._block.find(_LF, max(position, self._start), self._end) + 1 or None


class _ListedEnds(_Ends):
    def __init__(self, ends: Sequence[int]) -> None:
        self._ends = ends

    def last(self, limit: int) -> int | None:
        count = bisect_right(self._ends, limit)
        return self._ends[count - 1] if count else None

    def after(self, position: int) -> int | None:
        count = bisect_right(self._ends, position)
        return self._ends[count] if count < len(self._ends) else None


def _traits(notes: Note) -> dict[str, bool]:
    odd = Note.ODD in notes or Note.ESCAPED | Note.BARE_ESCAPE in notes
    flags = {
        "quoted": Note.QUOTED in notes,
        "multiline": Note.MULTILINE in notes,
        "escaped": Note.ESCAPED in notes,
        "odd": odd,
        "returns": Note.RETURNS in notes,
        "comments": Note.COMMENTS in notes,
    }
    return {name: True for name, on in flags.items() if on}


def cut_file(fd: int, dialect: Dialect, chunk_bytes: int, start: int, end: int) -> Iterator[Chunk]:
    """Cut ``[start, end)`` of an open file into chunks of nearly equal length, about ``chunk_bytes`` at most.

    InputError for a record longer than ``MAX_RECORD_BYTES``; OSError when reading fails.
    """
    if start >= end:
        return
    count = -(-(end - start) // chunk_bytes)
    cutter = Cutter(dialect, -(-(end - start) // count), start=start)
    block = bytearray(_BLOCK_BYTES)
    view = memoryview(block)
    at = start
    while at < end and (size := os.preadv(fd, [view[: end - at]], at)):
        yield from cutter.feed(block, size)
        at += size
    yield from cutter.end()
