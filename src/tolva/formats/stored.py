"""Bytes in storage, for formats that read a chunk which isn't part of a local file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tolva.storage import Storage


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored object."""

    storage: Storage
    key: str

    def whole(self) -> memoryview:
        """Return all of its bytes."""
        return self.storage.get(self.key)[0]

    def ranges(self, wanted: Sequence[tuple[int, int]]) -> list[memoryview]:
        """Return these (offset, length) ranges of its bytes."""
        return self.storage.get(self.key, wanted)


@dataclass(frozen=True, slots=True)
class Held:
    """The same bytes in memory: a chunk that was decoded and is read at once."""

    data: bytes

    def whole(self) -> memoryview:
        """See ``Stored``."""
        return memoryview(self.data)

    def ranges(self, wanted: Sequence[tuple[int, int]]) -> list[memoryview]:
        """See ``Stored``."""
        return [memoryview(self.data)[offset : offset + length] for offset, length in wanted]
