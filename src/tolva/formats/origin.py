"""Where a chunk's bytes come from, so that an error can name file, line and byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from tolva.model import Chunk

_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Origin:
    """The place of a chunk: its file's name for people, the offset of its first byte there.

    ``lines_before`` counts the line ends before that offset; called only when there is an error to report.
    """

    name: str
    offset: int = 0
    lines_before: Callable[[], int] = lambda: 0


def count_lines(fd: int, start: int, end: int) -> int:
    """Return the number of LF in ``[start, end)`` of an open file."""
    count = 0
    block = bytearray(_BLOCK_BYTES)
    view = memoryview(block)
    at = start
    while at < end and (size := os.preadv(fd, [view[: end - at]], at)):
        count += block.count(b"\n", 0, size)
        at += size
    return count


def numbered(chunks: Iterable[Chunk], fd: int) -> Iterator[Chunk]:
    """Note in the traits of a file's chunks, which follow each other, where their lines are.

    ``lines_before``: the line ends before the chunk; ``lines``: how many lines it has.
    """
    before = at = 0
    for chunk in chunks:
        before += count_lines(fd, at, chunk.offset)
        at = chunk.offset + chunk.length
        ends = count_lines(fd, chunk.offset, at)
        last_is_open = chunk.length > 0 and os.pread(fd, 1, at - 1) != b"\n"
        yield replace(chunk, traits={**chunk.traits, "lines_before": before, "lines": ends + last_is_open})
        before += ends
