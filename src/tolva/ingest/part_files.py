"""Lines of bytes as parts: numbered, size-capped files that the catalog lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tolva.model import Part
from tolva.storage import Storage
from tolva.work.parts import PartCutter


@dataclass(frozen=True, slots=True)
class PartFiles:
    """Writes parts below the key ``prefix``, none over ``max_part_bytes`` unless one line alone is."""

    storage: Storage
    prefix: str
    max_part_bytes: int

    def write(self, query: str, name: str, form: str, header: bytes, lines: Iterable[pa.Array]) -> Iterator[Part]:
        """Store arrays of whole lines (binary) as parts called ``name``; yield them. There is always one."""
        cutter = PartCutter(self.max_part_bytes, header)
        for ordinal, buffers in cutter.parts(map(_encoded, lines)):
            self.storage.put(f"{self.prefix}/{_named(name, ordinal, form)}", buffers)
        for report in cutter.reports:
            file = _named(name, report.ordinal, form)
            key = f"{self.prefix}/{file}"
            yield Part(query, report.ordinal, file, form, key, report.records, report.bytes, report.sha256)


def _named(name: str, ordinal: int, form: str) -> str:
    return f"{name}_{ordinal:04}.{form}"


def _encoded(lines: pa.Array) -> tuple[memoryview, Any]:
    """Return the bytes of all lines, one after the other, and where each ends. Nothing is copied."""
    _, offsets, data = lines.buffers()
    width = np.int64 if pa.types.is_large_binary(lines.type) else np.int32
    bounds = np.frombuffer(offsets, dtype=width)[lines.offset : lines.offset + len(lines) + 1]
    if not len(lines) or data is None:
        return memoryview(b""), []
    return memoryview(data).cast("B")[bounds[0] : bounds[-1]], bounds[1:] - bounds[0]
