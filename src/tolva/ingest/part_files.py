"""Lines of bytes as parts: numbered, size-capped files that the catalog lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tolva.ingest.outputs import Kind
from tolva.model import Part
from tolva.storage import Storage
from tolva.work.parts import PartCutter


@dataclass(frozen=True, slots=True)
class PartFiles:
    """Writes parts below the key ``prefix``, none over ``max_part_bytes`` unless one line alone is."""

    storage: Storage
    prefix: str
    max_part_bytes: int

    def write(self, kind: Kind, lines: Iterable[pa.Array], before: int = 0) -> Iterator[Part]:
        """Store arrays of whole lines (binary) as parts; yield them. There is always one.

        ``before``: how many parts of the kind there are already.
        """
        cutter = PartCutter(self.max_part_bytes, kind.header)
        for ordinal, buffers in cutter.parts(map(_encoded, lines)):
            self.storage.put(f"{self.prefix}/{kind.file(before + ordinal)}", buffers)
        for report in cutter.reports:
            ordinal = before + report.ordinal
            key = f"{self.prefix}/{kind.file(ordinal)}"
            of_file = (key, report.records, report.bytes, report.sha256)
            yield Part(kind.query, ordinal, kind.file(ordinal), kind.form, *of_file)


def _encoded(lines: pa.Array) -> tuple[memoryview, Any]:
    """Return the bytes of all lines, one after the other, and where each ends. Nothing is copied."""
    _, offsets, data = lines.buffers()
    width = np.int64 if pa.types.is_large_binary(lines.type) else np.int32
    bounds = np.frombuffer(offsets, dtype=width)[lines.offset : lines.offset + len(lines) + 1]
    if not len(lines) or data is None:
        return memoryview(b""), []
    return memoryview(data).cast("B")[bounds[0] : bounds[-1]], bounds[1:] - bounds[0]
