"""Write a query's result as parts: text cut at the borders of records, Parquet by row groups."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from tolva.errors import ExecutionError
from tolva.model import Part
from tolva.plan import Format, Result
from tolva.planner.encode import header
from tolva.storage import Buffer, Storage
from tolva.work.parts import PartCutter, PartReport

_ROW_GROUP_BYTES = 16 * 2**20
_GROUPS_PER_PART = 8
_FOOTER_BYTES = 16 * 2**10
_FOOTER_BYTES_PER_COLUMN = 512
_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Destination:
    """Where parts go: keys below ``prefix``, no part over ``max_part_bytes`` unless one record alone is."""

    storage: Storage
    prefix: str
    max_part_bytes: int


def write(
    result: Result, batches: Iterator[pa.RecordBatch], schema: Callable[[], pa.Schema], to: Destination
) -> tuple[Part, ...]:
    """Store the batches as parts; return them. There is always one.

    The batches are lines, or, for Parquet, rows of ``schema``, which is asked for then only: it is a query by itself.
    ExecutionError for a column whose type can't be written.
    """
    if result.format is Format.PARQUET:
        types = schema()
        _check_types(result, types)
        return tuple(_write_parquet(result, batches, types, to))
    return tuple(_write_lines(result, batches, to))


def as_one_file(result: Result, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[memoryview]:
    """Yield the result as a single file, whatever its size."""
    if result.format is Format.PARQUET:
        import pyarrow.parquet as pq  # noqa: PLC0415 - costs a tenth of a small question's time

        _check_types(result, schema)
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            for group in _row_groups(batches, schema, _ROW_GROUP_BYTES * _GROUPS_PER_PART):
                writer.write_table(group)
        yield memoryview(sink.getvalue()).cast("B")
        return
    yield memoryview(header(result))
    for batch in batches:
        yield _encoded(batch.column(0))[0]


def _check_types(result: Result, schema: pa.Schema) -> None:
    for field in schema:
        if _has_interval(field.type):
            raise ExecutionError(
                f"Query {result.query!r}: column {field.name} is or holds an INTERVAL, which isn't written into "
                "Parquet files and stored tables. Cast it to VARCHAR, or take its epoch().",
                query=result.query,
                column=field.name,
            )


def _has_interval(kind: pa.DataType) -> bool:
    inner = (kind.field(i).type for i in range(kind.num_fields))
    return bool(pa.types.is_interval(kind)) or any(map(_has_interval, inner))


def _write_lines(result: Result, batches: Iterator[pa.RecordBatch], to: Destination) -> Iterator[Part]:
    cutter = PartCutter(to.max_part_bytes, header(result))
    for ordinal, buffers in cutter.parts(_encoded(batch.column(0)) for batch in batches):
        to.storage.put(_key(result, ordinal, to), buffers)
    for report in cutter.reports:
        yield _part(result, report, to)


def _encoded(lines: pa.Array) -> tuple[memoryview, Any]:
    """Return the bytes of all the strings, one after the other, and where each ends. Nothing is copied."""
    _, offsets, data = lines.cast(pa.string()).buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    if not len(lines) or data is None:
        return memoryview(b""), []
    return memoryview(data).cast("B")[bounds[0] : bounds[-1]], bounds[1:] - bounds[0]


def _write_parquet(
    result: Result, batches: Iterator[pa.RecordBatch], schema: pa.Schema, to: Destination
) -> Iterator[Part]:
    with TemporaryDirectory(prefix="tolva-") as folder:
        groups = _row_groups(batches, schema, to.max_part_bytes)
        pending = next(groups, None)
        ordinal = 0
        while pending is not None or ordinal == 0:
            ordinal += 1
            path = Path(folder) / str(ordinal)
            records, pending = _fill(path, schema, pending, groups, to.max_part_bytes)
            size = to.storage.put(_key(result, ordinal, to), _read(path))
            report = PartReport(ordinal, records, size, _digest(path))
            path.unlink()
            yield _part(result, report, to)


def _fill(
    path: Path, schema: pa.Schema, group: pa.Table | None, groups: Iterator[pa.Table], max_part_bytes: int
) -> tuple[int, pa.Table | None]:
    """Write row groups while they surely fit; return the records written, and the group that is left over."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    records = 0
    reserve = _FOOTER_BYTES + _FOOTER_BYTES_PER_COLUMN * len(schema)
    with path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while group is not None:
            # Encoded, a row group is never much larger than in memory, and its metadata is bounded by the columns.
            if records and file.tell() + _surely_at_most(group) + reserve > max_part_bytes:
                break
            writer.write_table(group)
            reserve += _FOOTER_BYTES_PER_COLUMN * len(schema)
            records += group.num_rows
            group = next(groups, None)
    return records, group


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema, max_part_bytes: int) -> Iterator[pa.Table]:
    """Yield tables of a size that makes a good row group, and that leaves parts close to the cap."""
    target = max(1, min(_ROW_GROUP_BYTES, max_part_bytes // _GROUPS_PER_PART))
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        rows = max(1, int(batch.num_rows * target / max(batch.nbytes, 1)))
        for start in range(0, batch.num_rows, rows):
            piece = batch.slice(start, rows)
            held.append(piece)
            size += piece.nbytes
            if size >= target:
                yield pa.Table.from_batches(held, schema)
                held, size = [], 0
    if held:
        yield pa.Table.from_batches(held, schema)


def _surely_at_most(group: pa.Table) -> int:
    return int(group.nbytes * 11 // 10 + 1024 * group.num_columns)


def _read(path: Path) -> Iterator[Buffer]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(result: Result, ordinal: int) -> str:
    return f"{result.query}_{ordinal:04}.{result.format}"


def _key(result: Result, ordinal: int, to: Destination) -> str:
    return f"{to.prefix}/{_name(result, ordinal)}"


def _part(result: Result, report: PartReport, to: Destination) -> Part:
    return Part(
        query=result.query,
        ordinal=report.ordinal,
        name=_name(result, report.ordinal),
        format=result.format,
        key=_key(result, report.ordinal, to),
        records=report.records,
        bytes=report.bytes,
        sha256=report.sha256,
    )
