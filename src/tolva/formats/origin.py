"""Where a chunk's bytes come from, so that an error can name file, line and byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from tolva.model import Chunk
from tolva.storage import Buffer

_BLOCK_BYTES = 256 * 1024
_MUCH_BYTES = 16 * 2**20
_LARGE_CHUNK_BYTES = 3 * 2**20
"""Of the chunks that a server cuts, unless memory is small; there numpy would take more of it."""


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
    total = 0
    block = bytearray(_BLOCK_BYTES)
    view = memoryview(block)
    count = partial(count_byte, block, b"\n") if end - start >= _MUCH_BYTES else partial(block.count, b"\n", 0)
    at = start
    while at < end and (size := os.preadv(fd, [view[: end - at]], at)):
        total += count(size)
        at += size
    return total


def line_ends(blocks: Collection[Buffer]) -> int:
    """Return the number of LF in the bytes of a chunk, which are in these blocks."""
    if sum(map(len, blocks)) >= _LARGE_CHUNK_BYTES:
        return sum(count_byte(block, b"\n") for block in blocks)
    return sum(bytes(block).count(b"\n") for block in blocks)


def count_byte(data: Buffer, byte: bytes, size: int = -1) -> int:
    """Count a byte in so many first bytes (-1: all) with numpy, which takes a quarter of the usual time."""
    import numpy as np  # noqa: PLC0415 - takes longer to load than counting in a small file does

    found = np.frombuffer(data, np.uint8, size)
    slices = (found[at : at + _BLOCK_BYTES] for at in range(0, len(found), _BLOCK_BYTES))
    return sum(int(np.count_nonzero(one == byte[0])) for one in slices)


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
