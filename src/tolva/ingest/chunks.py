"""The kernels that read: a chunk of the input, and an object of the table that is to be changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tolva import formats
from tolva.errors import EngineError
from tolva.formats.files import opened
from tolva.formats.reject import PLACES, Sorted
from tolva.formats.reject import REJECTS as REJECT_COLUMNS
from tolva.formats.table_object import rows_and_positions
from tolva.ingest import outputs
from tolva.ingest.checking import Found, check
from tolva.ingest.coding import plain
from tolva.ingest.content import Sums
from tolva.ingest.objects import as_parquet, bounds_of
from tolva.ingest.outputs import ChunkInfo
from tolva.ingest.part_files import PartFiles
from tolva.ingest.report_lines import report_lines
from tolva.ingest.statements import Statements
from tolva.model import Chunk, Done, File, Part
from tolva.work import partials
from tolva.work.kernel import Errand
from tolva.work.partials import Left

Rows = npt.NDArray[np.int64]

_DUPLICATE = "duplicate"
_PART_FROM_BYTES = 8 * 2**20
_TOLD = pa.schema(
    [("record", pa.int64()), ("n", pa.int64()), *((word, pa.string()) for word in ("column", "code", "message"))]
)


def load(errand: Errand) -> Done:
    """Sort out a chunk, store its good records, and leave every reason of the bad ones; see ``Kernel``.

    A chunk that is done again has an input of records that are refused besides. Without any it is left as it is.
    """
    claim = errand.claim
    file, chunk, stored = errand.chunk()
    refused = _refused(errand, file, chunk)
    if errand.stage.inputs and not refused.num_rows:
        return Done(claim.task_id, claim.attempt)
    types = {column.name: column.type for column in errand.plan.tables[file.table]}
    statements = Statements.from_json(errand.stage.settings["statements"])
    hoped = {errand.stage.columns[r.field]: r.hoped for r in statements.readings if r.hoped}
    found = formats.sort_out(file, chunk, types, errand.stage.columns, stored, hoped)
    whole = _Chunk(errand, file, chunk, found, refused)
    # All of it first: it stores an object on the way, and storage writes one at a time.
    partial = partials.write(errand.storage, f"{errand.prefix}/partial", list(whole.left(statements)))
    records, size = (0, 0) if errand.stage.inputs else (found.records, chunk.length)
    return Done(claim.task_id, claim.attempt, partial, records_read=records, bytes_read=size)


def _refused(errand: Errand, file: File, chunk: Chunk) -> pa.Table:
    """Return the losers of this chunk: ``__row`` and ``__set``, in order."""
    for given in errand.stage.inputs:
        for table in errand.read(given):
            mine = table.filter(pc.and_(pc.equal(table["__file"], file.id), pc.equal(table["__chunk"], chunk.offset)))
            if mine.num_rows:
                return mine.sort_by([("__row", "ascending"), ("__set", "ascending")])
    return pa.table({"__row": pa.array([], pa.int64()), "__set": pa.array([], pa.int32())})


class _Chunk:
    """What is made of one chunk."""

    def __init__(self, errand: Errand, file: File, chunk: Chunk, found: Sorted, refused: pa.Table) -> None:
        self._errand = errand
        self._file = file
        self._chunk = chunk
        self._found = found
        self._refused = refused
        self._settings = errand.stage.settings
        self._prefix = outputs.AGAIN if errand.stage.inputs else ""

    def left(self, statements: Statements) -> Iterator[Left]:
        """Yield what the task leaves; the object of good records is stored on the way."""
        found = self._found
        checked = check(found.rows, statements, self._ask)
        good = np.ones(found.rows.num_rows, np.bool_)
        for one in checked.found:
            good[one.rows] = False
        reasons, records = self._reasons(checked.found, np.flatnonzero(~good))
        good[self._refused["__row"].to_numpy()] = False
        rejected = records.num_rows
        names = [name for name, _ in self._settings["columns"]]
        values = pa.table([checked.values[i] for i in range(len(names))], names=names)
        kept = values.filter(pa.array(good))
        if kept.num_rows + rejected != found.records:
            raise EngineError(
                f"{self._file.name}: of {found.records} records of the chunk at byte {self._chunk.offset} "
                f"{kept.num_rows} are good and {rejected} bad. Please report this; nothing was stored.",
                file=self._file.name,
            )
        if not self._prefix:
            yield from self._keys(kept, np.flatnonzero(good))
        parts = list(self._parts(reasons, records))
        yield from self._lines(reasons, records, {part.query for part in parts})
        info = self._info(kept, rejected, reasons, parts)
        yield Left(f"{self._prefix}{outputs.INFO}", 0, pa.Table.from_pylist([asdict(info)], _info_schema()))

    def _ask(self, tables: Mapping[str, pa.Table], sql: str) -> pa.Table:
        (answer,) = self._errand.engine.answers(self._errand.stage, tables, [sql])
        return answer

    def _reasons(self, found: Sequence[Found], bad: Rows) -> tuple[pa.Table, pa.Table]:
        """Return the reasons (``record``, ``column``, ``code``, ``message``) in the order of the file.

        And the bad records (``PLACES``), each once and in their order; ``record`` is a row there. ``bad`` are the
        rows with a fault.
        """
        places = self._found.places(bad) if len(bad) else PLACES.empty_table()
        told = [pa.table([np.searchsorted(bad, one.rows), *_told(one)], schema=_TOLD) for one in found]
        misshapen = pa.concat_tables([self._found.rejects, self._twins()])
        if misshapen.num_rows:
            every = pa.concat_tables([places, misshapen.select(PLACES.names)])
            # No two records begin on one line; of a format without offsets that is the number of the record.
            _, first, place = np.unique(every["line"].to_numpy(), return_index=True, return_inverse=True)
            told = [one.set_column(0, "record", pa.array(place[one["record"].to_numpy()])) for one in told]
            told.append(_numbered(misshapen, place[len(bad) :]))
            places = every.take(pa.array(first))
        reasons = pa.concat_tables([_TOLD.empty_table(), *told])
        order = np.lexsort((reasons["n"].to_numpy(), reasons["record"].to_numpy()))
        return reasons.take(pa.array(order)), places

    def _twins(self) -> pa.Table:
        """Return the reasons of records that are equal to an earlier one in columns that must be unique."""
        lost = self._refused
        if not lost.num_rows:
            return REJECT_COLUMNS.empty_table()
        sets = self._settings["unique"]
        names = [", ".join(sets[n]) for n in lost["__set"].to_pylist()]
        places = self._found.places(lost["__row"].to_numpy())
        return pa.table(
            {
                "line": places["line"],
                "offset": places["offset"],
                "column": pa.array(names, pa.string()),
                "code": pa.array([_DUPLICATE] * len(names), pa.string()),
                "message": pa.array([f"comes after a record of the same {name}" for name in names], pa.string()),
                "raw": places["raw"],
            },
            REJECT_COLUMNS,
        )

    def _keys(self, kept: pa.Table, rows: Rows) -> Iterator[Left]:
        keys = tuple(out for out in self._errand.stage.outputs if out.name.startswith(outputs.KEYS))
        if not keys:
            return
        where = (np.full(len(rows), self._file.id), np.full(len(rows), self._chunk.offset), rows)
        for column, numbers in zip(outputs.WHERE, where, strict=True):
            kept = kept.append_column(column.name, pa.array(numbers, pa.int64()))
        kept = pa.table([plain(column) for column in kept.columns], names=kept.column_names)
        stage = replace(self._errand.stage, outputs=keys)
        yield from self._errand.engine.outputs(stage, self._errand.plan, {self._file.table: [kept]})

    def _parts(self, reasons: pa.Table, records: pa.Table) -> Iterator[Part]:
        """Store the lines of so many bad records that they are parts already, so that nobody copies them again."""
        most = self._errand.plan.max_part_bytes
        if records["raw"].nbytes < min(_PART_FROM_BYTES, most):
            return
        files = PartFiles(self._errand.storage, self._errand.prefix, most)
        if self._settings["report_in_parts"]:
            yield from files.write(outputs.REPORT_KIND, report_lines(self._file.name, reasons, records))
        kind = outputs.rejects_kind(self._settings)
        yield from files.write(kind, _ended(records).chunks)

    def _lines(self, reasons: pa.Table, records: pa.Table, done: Collection[str]) -> Iterator[Left]:
        if records.num_rows and outputs.REPORT not in done:
            lines = pa.chunked_array(report_lines(self._file.name, reasons, records), pa.binary())
            yield Left(f"{self._prefix}{outputs.REPORT}", 0, pa.table({outputs.LINE: lines}))
        if records.num_rows and outputs.REJECTS not in done:
            yield Left(f"{self._prefix}{outputs.REJECTS}", 0, pa.table({outputs.LINE: _ended(records)}))

    def _info(self, kept: pa.Table, rejected: int, reasons: pa.Table, parts: Sequence[Part]) -> ChunkInfo:
        sums = Sums() if self._prefix else self._sums()
        key, size = self._store(kept) if kept.num_rows else (None, 0)
        counted = reasons.group_by(["column", "code"]).aggregate([([], "count_all")]).to_pylist()
        return ChunkInfo(
            file=self._file.id,
            name=self._file.name,
            offset=self._chunk.offset,
            length=sums.length,
            crc=sums.crc,
            adler=sums.adler,
            read=self._found.records,
            stored=kept.num_rows,
            rejected=rejected,
            counts=json.dumps([[each["column"], each["code"], each["count_all"]] for each in counted]),
            key=key,
            bytes=size,
            bounds=json.dumps(bounds_of(kept)),
            parts=json.dumps([asdict(part) for part in parts]),
        )

    def _sums(self) -> Sums:
        chunk = self._chunk
        if chunk.key is not None:
            return Sums.of(self._errand.storage.get(chunk.key)[0])
        with opened(self._file) as source:
            source.seek(chunk.offset)
            return Sums.of(source.read(chunk.length))

    def _store(self, kept: pa.Table) -> tuple[str, int]:
        key = f"{self._errand.table_prefix}/{self._errand.stage.name}.parquet"
        data = as_parquet(kept, self._settings["columns"])
        return key, self._errand.storage.put(key, [memoryview(data).cast("B")])


def old_keys(errand: Errand) -> Done:
    """Leave the keys of a stored object's rows, and where these are; see ``Kernel``."""
    claim = errand.claim
    file, chunk, stored = errand.chunk()
    types = {column.name: column.type for column in errand.plan.tables[file.table]}
    rows, positions = rows_and_positions(file, chunk, types, errand.stage.columns, stored)
    partial = partials.write(errand.storage, f"{errand.prefix}/partial", _old_left(errand, file, rows, positions))
    return Done(claim.task_id, claim.attempt, partial, records_read=rows.num_rows, bytes_read=chunk.length)


def _old_left(errand: Errand, file: File, rows: pa.Table, positions: Rows) -> Iterator[Left]:
    layout: dict[str, Any] = file.layout
    info = {
        "file": file.id,
        "key": file.location,
        "records": rows.num_rows,
        "bytes": file.bytes,
        "bounds": json.dumps(layout["bounds"]),
        "dropped": layout["dropped"],
    }
    schema = pa.schema([(c.name, pa.int64() if c.type == "BIGINT" else pa.string()) for c in outputs.OBJECT_INFO])
    yield Left(outputs.OLD_INFO, 0, pa.Table.from_pylist([info], schema))
    keys = tuple(out for out in errand.stage.outputs if out.sql)
    if keys:
        given = rows.append_column("__object", pa.array(np.full(len(positions), file.id), pa.int64()))
        given = given.append_column("__position", pa.array(positions, pa.int64()))
        yield from errand.engine.outputs(replace(errand.stage, outputs=keys), errand.plan, {file.table: [given]})


def _ended(records: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(records["raw"], b"\n", b"")


def _told(found: Found) -> tuple[pa.Array | pa.ChunkedArray, ...]:
    """Return what ``_TOLD`` has beside the records."""
    fault, count = found.fault, len(found.rows)
    words = (pa.repeat(pa.scalar(word, pa.string()), count) for word in (fault.column, fault.code))
    return (pa.repeat(fault.number, count), *words, found.messages.cast(pa.string()))


def _numbered(rejects: pa.Table, records: Rows) -> pa.Table:
    """Return reasons against these records that no fault's condition found, numbered before all others."""
    first = pa.array(np.full(rejects.num_rows, -1))
    return pa.table([pa.array(records), first, *rejects.select(_TOLD.names[2:]).columns], schema=_TOLD)


def _info_schema() -> pa.Schema:
    return pa.schema([(c.name, pa.int64() if c.type == "BIGINT" else pa.string()) for c in outputs.CHUNK_INFO])
