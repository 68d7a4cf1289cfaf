"""Where a chunk's bytes come from, so that an error can name file, line and byte."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Origin:
    """The place of a chunk: its file's name for people, the offset of its first byte there.

    ``lines_before`` counts the line ends before that offset; called only when there is an error to report.
    """

    name: str
    offset: int = 0
    lines_before: Callable[[], int] = lambda: 0


def count_lines(fd: int, end: int) -> int:
    """Return the number of LF in the first ``end`` bytes of an open file."""
    count = 0
    block = bytearray(_BLOCK_BYTES)
    view = memoryview(block)
    at = 0
    while at < end and (size := os.preadv(fd, [view[: end - at]], at)):
        count += block.count(b"\n", 0, size)
        at += size
    return count
