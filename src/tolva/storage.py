"""The storage contract: named bytes that never change once they are there.

Keys are slash-separated labels made by tolva (``jobs/<job>/<stage>/<task>/<attempt>/...``), never by users. Nobody
lists a prefix to find data: the catalog knows the keys. Listing is for cleaning up only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

Buffer = bytes | bytearray | memoryview


class Storage(Protocol):
    """Named bytes, durable when a call returns. Errors are StorageError with the key and what to do."""

    def put(self, key: str, data: Iterable[Buffer]) -> int:
        """Store the concatenated buffers under ``key`` in one step; return their length in bytes.

        Readers see all of it or nothing. It is durable (for local disks: fsynced, its folder too) on return. The
        buffers are taken one by one and never held all at once. An object that is there already is replaced.
        """
        ...

    def put_new(self, key: str, data: Buffer) -> bool:
        """Store ``data`` if there is nothing under ``key``; return whether it was stored. Of many callers one wins."""
        ...

    def get(self, key: str, ranges: Sequence[tuple[int, int]] | None = None) -> list[memoryview]:
        """Return the (offset, length) ranges asked for, in that order; without ranges the whole object as one."""
        ...

    def stream(self, key: str, *, block_bytes: int = 8 * 2**20) -> Iterator[memoryview]:
        """Yield the object's bytes in order, in blocks of at most ``block_bytes``."""
        ...

    def link(self, key: str, path: Path) -> bool:
        """Give the object a second name, the new file ``path``, where that takes no copy; return whether it has it.

        Whoever writes to that file changes the object too, so the object must be of no more use.
        """
        ...

    def size(self, key: str) -> int | None:
        """Return the object's length in bytes, or None when there is none."""
        ...

    def path(self, key: str) -> Path | None:
        """Return the file that an object of this key is, for reading alone; None where objects are no files."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below the folder ``prefix``, in no order. For cleaning up only."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders right below the folder ``prefix``, in no order. For cleaning up only.

        Also of those that hold nothing but what killed writers left.
        """
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove these objects; those that are not there are no error."""
        ...

    def delete_below(self, prefix: str, *, keep: Collection[str] = ()) -> None:
        """Remove everything below the folder ``prefix`` but the keys in ``keep``, and folders that are empty then.

        What killed writers left goes too.
        """
        ...
