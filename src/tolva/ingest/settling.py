"""The kernel that ends an ingestion: totals, limits, reports, and what the load comes to."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import numpy as np
import pyarrow as pa

from tolva.errors import EngineError, TooManyRejectsError
from tolva.formats.table_object import dropped_positions
from tolva.ingest import outputs
from tolva.ingest.content import Sums, whole
from tolva.ingest.outputs import ChunkInfo, Kind, ObjectInfo
from tolva.ingest.part_files import PartFiles
from tolva.ingest.report_csv import HEADER, csv_line
from tolva.model import Content, Done, Loaded, Part, Partial, TableObject
from tolva.work import partials
from tolva.work.kernel import Errand

_RATIO_FROM_RECORDS = 300


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk's facts, and the partial with its lines; ``prefix`` stands before the names of its outputs."""

    info: ChunkInfo
    partial: Partial
    prefix: str

    def parts(self, query: str) -> list[Part]:
        """Return the parts that its lines are already."""
        return [part for part in (Part(**each) for each in json.loads(self.info.parts)) if part.query == query]


@dataclass(frozen=True, slots=True)
class Totals:
    """What came of all records: ``read`` = ``stored`` + ``rejected``; ``reasons`` may be more than the latter."""

    read: int
    stored: int
    rejected: int
    reasons: int


def settle(errand: Errand) -> Done:
    """Write the reports, and say what the load comes to or why the job fails; see ``Kernel``."""
    first, chunks = _chunks(errand)
    totals = _totals(chunks)
    verdict = _verdict(errand.stage.settings, totals)
    parts = _reports(errand, chunks, totals)
    loaded: tuple[Loaded, ...] = ()
    replaced: list[TableObject] = []
    if verdict is None or not errand.stage.settings["atomic"]:
        replaced = list(_replaced(errand))
        loaded = (_loaded(errand.stage.settings["table"], first, chunks, replaced),)
    return Done(
        errand.claim.task_id,
        errand.claim.attempt,
        parts=tuple(parts),
        loaded=loaded,
        verdict=verdict.to_dict() if verdict else None,
    )


def _chunks(errand: Errand) -> tuple[list[ChunkInfo], list[_Chunk]]:
    """Return what the first reading left, and what counts: that of chunks that were done again instead of theirs.

    Both are in the order of files and of offsets.
    """
    first: dict[tuple[int, int], _Chunk] = {}
    again: dict[tuple[int, int], _Chunk] = {}
    for partial in errand.claim.partials:
        for prefix, into in (("", first), (outputs.AGAIN, again)):
            for table in partials.read(errand.storage, [partial], f"{prefix}{outputs.INFO}", None):
                (row,) = table.to_pylist()
                into[row["file"], row["offset"]] = _Chunk(ChunkInfo(**row), partial, prefix)
    return [first[key].info for key in sorted(first)], [(first | again)[key] for key in sorted(first)]


def _totals(chunks: list[_Chunk]) -> Totals:
    infos = [chunk.info for chunk in chunks]
    totals = Totals(
        read=sum(info.read for info in infos),
        stored=sum(info.stored for info in infos),
        rejected=sum(info.rejected for info in infos),
        reasons=sum(count for info in infos for _, _, count in json.loads(info.counts)),
    )
    if totals.read != totals.stored + totals.rejected:
        raise EngineError(f"The control totals don't agree: {totals}. Please report this; nothing was stored.")
    return totals


def _verdict(settings: dict[str, Any], totals: Totals) -> TooManyRejectsError | None:
    most, ratio = settings["limits"]["max_rejects"], settings["limits"]["max_reject_ratio"]
    over = None
    if most is not None and totals.rejected > most:
        over = f"max_rejects is {most:,}"
    elif ratio is not None and totals.read >= _RATIO_FROM_RECORDS and totals.rejected > ratio * totals.read:
        over = f"max_reject_ratio is {ratio:g}"
    if over is None:
        return None
    kept = "The good ones were stored" if not settings["atomic"] else "Nothing was stored"
    return TooManyRejectsError(
        f"{totals.rejected:,} of {totals.read:,} records had to be rejected, and {over}. {kept}; the report has every "
        "reason. Mend the records, or raise the limit.",
        read=totals.read,
        rejected=totals.rejected,
        reasons=totals.reasons,
    )


def _reports(errand: Errand, chunks: list[_Chunk], totals: Totals) -> Iterator[Part]:
    settings = errand.stage.settings
    files = PartFiles(errand.storage, errand.prefix, errand.plan.max_part_bytes)
    most = settings["max_reasons"]
    if most is None and settings["reports"] == [outputs.REPORT_KIND.form]:
        yield from _assembled(errand, files, outputs.REPORT_KIND, chunks)
    else:
        for form in settings["reports"]:
            told = _first(_lines(errand, chunks, outputs.REPORT), most)
            as_asked, first_line = (map(_csv, told), HEADER) if form == "csv" else (told, b"")
            yield from files.write(Kind(outputs.REPORTS[form], "report", form, first_line), as_asked)
    yield from _assembled(errand, files, outputs.rejects_kind(settings), chunks)
    summary = json.dumps(_summary(settings, chunks, totals), indent=2, ensure_ascii=False).encode() + b"\n"
    yield from files.write(Kind("summary", "summary", "json"), [pa.array([summary], pa.binary())])


def _assembled(errand: Errand, files: PartFiles, kind: Kind, chunks: list[_Chunk]) -> Iterator[Part]:
    """Yield the parts that there are of chunks, and write those of lines that are left."""
    bad = [chunk for chunk in chunks if chunk.info.rejected]
    made = 0
    for are_parts, some in groupby(bad, key=lambda chunk: bool(chunk.parts(kind.query))):
        there = chain.from_iterable(chunk.parts(kind.query) for chunk in some) if are_parts else None
        for part in there or files.write(kind, _lines(errand, some, kind.query), made):
            made += 1
            yield kind.renumbered(part, made)
    if not bad:
        yield from files.write(kind, [])


def _lines(errand: Errand, chunks: Iterable[_Chunk], output: str) -> Iterator[pa.Array]:
    for chunk in chunks:
        for table in partials.read(errand.storage, [chunk.partial], f"{chunk.prefix}{output}", None):
            yield from table[outputs.LINE].chunks


def _csv(lines: pa.Array) -> pa.Array:
    return pa.array(map(csv_line, lines.to_pylist()), pa.binary())


def _first(lines: Iterable[pa.Array], most: int | None) -> Iterator[pa.Array]:
    left = most
    for batch in lines:
        if left is None:
            yield batch
        elif left > 0:
            yield batch.slice(0, left)
            left -= min(left, len(batch))


def _summary(settings: dict[str, Any], chunks: list[_Chunk], totals: Totals) -> dict[str, Any]:
    counts: Counter[tuple[str | None, str]] = Counter()
    of_file: dict[str, Counter[str]] = defaultdict(Counter)
    for chunk in chunks:
        for column, code, count in json.loads(chunk.info.counts):
            counts[column, code] += count
        of_file[chunk.info.name].update(read=chunk.info.read, stored=chunk.info.stored, rejected=chunk.info.rejected)
    most = settings["max_reasons"]
    reported = totals.reasons if most is None else min(most, totals.reasons)
    return {
        "table": settings["table"],
        "mode": settings["mode"],
        "read": totals.read,
        "stored": totals.stored,
        "rejected": totals.rejected,
        "reasons": totals.reasons,
        "reported": reported,
        "capped": reported < totals.reasons,
        "by": [
            {"column": column, "code": code, "reasons": count}
            for (column, code), count in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
        ],
        "files": [{"name": name, **numbers} for name, numbers in of_file.items()],
        "document": settings["document"],
    }


def _loaded(table: str, first: list[ChunkInfo], chunks: list[_Chunk], replaced: list[TableObject]) -> Loaded:
    made = [
        TableObject(info.key, info.stored, info.bytes, json.loads(info.bounds))
        for info in (chunk.info for chunk in chunks)
        if info.key is not None
    ]
    of_file: dict[int, list[ChunkInfo]] = defaultdict(list)
    for info in first:
        of_file[info.file].append(info)
    contents = tuple(
        Content(infos[0].name, whole(Sums(info.crc, info.adler, info.length) for info in infos).digest)
        for infos in of_file.values()
    )
    return Loaded(table, (*replaced, *made), contents)


def _replaced(errand: Errand) -> Iterator[TableObject]:
    """Yield the table's objects that lose rows to new records; the positions of what they have lost are stored."""
    given = {each.output: each for each in errand.stage.inputs}
    if outputs.REPLACED not in given:
        return
    positions = _positions(errand, given[outputs.REPLACED], given[outputs.LOSERS])
    for table in errand.read(given[outputs.OLD_INFO]):
        for row in table.to_pylist():
            old = ObjectInfo(**row)
            lost = positions.get(old.file)
            if lost is not None:
                yield _without(errand, old, lost)


def _positions(errand: Errand, replaced: Any, losers: Any) -> dict[int, np.ndarray[Any, np.dtype[np.int64]]]:
    """Return, by the id of an object's file, the positions of rows whose successor was not itself refused."""
    pairs = errand.read(replaced)
    if not pairs:
        return {}
    rows = pa.concat_tables(pairs)
    refused = errand.read(losers)
    if refused:
        keys = [column.name for column in outputs.WHERE]
        rows = rows.join(pa.concat_tables(refused).select(keys), keys, join_type="left anti", use_threads=False)
    objects, positions = rows["__object"].to_numpy(), rows["__position"].to_numpy()
    order = np.lexsort((positions, objects))
    found, starts = np.unique(objects[order], return_index=True)
    return {int(number): one for number, one in zip(found, np.split(positions[order], starts[1:]), strict=True)}


def _without(errand: Errand, old: ObjectInfo, lost: np.ndarray[Any, np.dtype[np.int64]]) -> TableObject:
    left = old.records - len(lost)
    key = None
    if left:
        before = dropped_positions(errand.storage, old.dropped) if old.dropped else np.zeros(0, dtype=np.int64)
        key = f"{errand.table_prefix}/dropped_{old.file}"
        errand.storage.put(key, [np.sort(np.concatenate([before, lost])).astype(np.int64).tobytes()])
    return TableObject(old.key, left, old.bytes, json.loads(old.bounds), key)
