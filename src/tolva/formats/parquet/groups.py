"""Chunks of row groups, by arithmetic alone: the layout of a file says how large each group is.

Nothing says that a file's row groups lie one behind the other. So the offsets of Parquet chunks are not places in the
file: they count the compressed bytes of the groups before, and the last chunk ends at the file's length.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tolva.model import Chunk, File

if TYPE_CHECKING:
    from pyarrow import parquet

NAME = "parquet"
"""The format's name in a file's layout."""

_MEMORY_SHARE = 8
"""Up to how many times its stored size a chunk may take in memory, as far as its file tells."""


def layout_of(metadata: parquet.FileMetaData) -> dict[str, Any]:
    """Return the layout of a Parquet file with this footer."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    sizes = [max(1, sum(group.column(i).total_compressed_size for i in range(group.num_columns))) for group in groups]
    return {"format": NAME, "groups": sizes, "unpacked": [group.total_byte_size for group in groups]}


def column_bytes(files: Iterable[parquet.FileMetaData]) -> dict[str, int]:
    """Return how many bytes the columns of all the files take, by their names in lower case."""
    sizes: dict[str, int] = defaultdict(int)
    for metadata in files:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for leaf in map(group.column, range(group.num_columns)):
                sizes[leaf.path_in_schema.partition(".")[0].casefold()] += leaf.total_compressed_size
    return sizes


def cut_groups(file: File, chunk_bytes: int) -> Iterator[Chunk]:
    """Cut a file's row groups into chunks of about ``chunk_bytes``, from ``cut_bytes`` on."""
    chunk = _Chunk(0)
    for number, (size, unpacked) in enumerate(zip(file.layout["groups"], file.layout["unpacked"], strict=True)):
        if chunk.end < file.cut_bytes:
            chunk = _Chunk(chunk.end + size)
            continue
        if chunk.groups and not chunk.has_room(size, unpacked, chunk_bytes):
            yield chunk.made(chunk.end)
            chunk = _Chunk(chunk.end)
        chunk.add(number, size, unpacked)
    if chunk.groups:
        yield chunk.made(max(chunk.end, file.bytes))


class _Chunk:
    """Row groups that are becoming a chunk."""

    def __init__(self, start: int) -> None:
        self.groups: list[int] = []
        self._start = self.end = start
        self._unpacked = 0

    def has_room(self, size: int, unpacked: int, chunk_bytes: int) -> bool:
        fits = self.end + size - self._start <= chunk_bytes
        return fits and self._unpacked + unpacked <= _MEMORY_SHARE * chunk_bytes

    def add(self, number: int, size: int, unpacked: int) -> None:
        self.groups.append(number)
        self.end += size
        self._unpacked += unpacked

    def made(self, end: int) -> Chunk:
        return Chunk(self._start, end - self._start, {"groups": self.groups})
