"""Stores parts larger than the memory this process takes for them, in S3; prints what it came to as JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from tolva.export import compose
from tolva.export.runs import RunWriter
from tolva.export.settings import RECORDS, ComposeSettings
from tolva.model import Claim, Part
from tolva.plan import LINE_COLUMN, Column, Format, Plan, Result, Role, Stage
from tolva.rollup.sinks import PlainSink
from tolva.storages.s3 import S3Storage
from tolva.work import results
from tolva.work.kernel import Errand

CAP_BYTES = 2**40
LINE = '{"x":"' + "x" * 10_000 + '"}\n'
RUNS, LINES = 2, 10_000


def composed(storage: S3Storage) -> tuple[Part, ...]:
    """Compose one part of two runs."""
    lines = LINE.encode()
    found = [
        RunWriter(CAP_BYTES, PlainSink).store(storage, f"run/{number}", [(RECORDS, (lines for _ in range(LINES)))])
        for number in range(RUNS)
    ]
    stage = Stage("compose", Role.FINISH, settings=ComposeSettings("Z", errors=False, gzip=False).to_json())
    claim = Claim(1, 1, "job", "compose", Role.FINISH, 0, 0.0, partials=tuple(each for each in found if each))
    engine: Any = None
    return compose.run(Errand(Plan((stage,), 1, max_part_bytes=CAP_BYTES), stage, claim, storage, engine)).parts


def answered(storage: S3Storage) -> tuple[Part, ...]:
    """Write a query's result of as many lines."""

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(RUNS * LINES // 100):
            yield pa.record_batch([pa.array([LINE] * 100)], names=[LINE_COLUMN])

    columns = (Column("x", "VARCHAR"),)
    result = Result("q", Format.NDJSON, columns, lines=True)
    return results.write(
        result, batches(), lambda: pa.schema([("x", pa.string())]), results.Destination(storage, "q", CAP_BYTES)
    )


def main() -> None:
    """Do what is asked for, and measure."""
    works: dict[str, Callable[[S3Storage], tuple[Part, ...]]] = {"composed": composed, "answered": answered}
    storage = S3Storage(sys.argv[1])
    storage.put("warm", [b"up"])
    before = _bytes("VmRSS")
    (part,) = works[sys.argv[2]](storage)
    print(json.dumps({"bytes": part.bytes, "stored": storage.size(part.key), "peak": _bytes("VmHWM") - before}))


def _bytes(what: str) -> int:
    found = re.search(rf"{what}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


if __name__ == "__main__":
    main()
