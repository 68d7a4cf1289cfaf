"""Input: files, the chunks they are cut into, and END."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from tolva.catalogs.barriers import advance
from tolva.catalogs.rows import file_of
from tolva.catalogs.schema import chunk, file, job
from tolva.catalogs.transactions import AnyRow, Tx, lock_job
from tolva.errors import NotFoundError, StateError
from tolva.model import Chunk, File, Hint, NewFile
from tolva.states import JobStatus

_ASKED_NAMES = 100
"""Up to so many files are asked for by their names."""

_NAMED = select(file).where(file.c.job_id == bindparam("of_job"), file.c.name.in_(bindparam("names", expanding=True)))
_OF_NAME = (
    file.c.job_id == bindparam("of_job"),
    file.c.table_name == bindparam("of_table"),
    file.c.name == bindparam("of_name"),
)
_DESCRIBED = ("location", "bytes", "fingerprint", "layout", "first_byte", "cut_bytes")
_DESCRIBE = (
    update(file).where(*_OF_NAME).values({each: bindparam(f"new_{each}") for each in _DESCRIBED}).returning(file.c.id)
)
_FORGET = delete(file).where(*_OF_NAME)
_OF_FILE = select(file.c.job_id, file.c.name, file.c.table_name, file.c.cut_bytes, file.c.ended).where(
    file.c.id == bindparam("file_id")
)


def add_files(tx: Tx, job_id: str, files: Sequence[NewFile]) -> list[File]:
    """Record the files that aren't there yet, in this order; return them all."""
    found = lock_job(tx, job_id)
    names = {each.name for each in files}
    known = {(each.table, each.name): each for each in _named(tx, job_id, names)}
    new = {(each.table, each.name): each for each in files if (each.table, each.name) not in known}
    if new:
        _check_growing(found, what="files")
        if found.input_ended:
            raise StateError(f"Job {job_id} was told that no more files will come.", job=job_id)
        rows = [_file_row(job_id, each) for each in new.values()]
        tx.connection.execute(insert(file), rows)
        known = {(each.table, each.name): each for each in _named(tx, job_id, names)}
    return [known[each.table, each.name] for each in files]


def files_of(tx: Tx, job_id: str) -> list[File]:
    """Return the job's files in the order they were added."""
    return [
        file_of(row) for row in tx.connection.execute(select(file).where(file.c.job_id == job_id).order_by(file.c.id))
    ]


def describe_file(tx: Tx, job_id: str, new: NewFile) -> int:
    """Record what is known of an announced file now; return its id."""
    place = {"of_job": job_id, "of_table": new.table, "of_name": new.name}
    row = _file_row(job_id, new)
    changes = {f"new_{name}": row[name] for name in _DESCRIBED}
    found: int | None = tx.connection.execute(_DESCRIBE, place | changes).scalar_one_or_none()
    # One that was announced to an older tolva has no place.
    return add_files(tx, job_id, [new])[0].id if found is None else found


def forget_file(tx: Tx, job_id: str, table: str, name: str) -> None:
    """Give up the place of an announced file that won't come."""
    tx.connection.execute(_FORGET, {"of_job": job_id, "of_table": table, "of_name": name})


def _named(tx: Tx, job_id: str, names: Collection[str]) -> list[File]:
    """Return those of the job's files that have these names, in any table; of many names, all its files."""
    if len(names) > _ASKED_NAMES:
        return files_of(tx, job_id)
    rows = tx.connection.execute(_NAMED, {"of_job": job_id, "names": list(names)})
    return [file_of(row) for row in rows]


def add_chunks(tx: Tx, file_id: int, chunks: Sequence[Chunk], *, ended: bool) -> list[Hint]:
    """Record the chunks that follow what was cut before, and make their tasks."""
    into = tx.connection.execute(_OF_FILE, {"file_id": file_id}).one_or_none()
    if into is None:
        raise NotFoundError(f"There is no file {file_id} in the catalog; its job was deleted.", file=file_id)
    job_id = into.job_id
    found = lock_job(tx, job_id)
    # It may have grown until the job was locked.
    into = tx.connection.execute(_OF_FILE, {"file_id": file_id}).one()
    new, cut_bytes = _new_chunks(into, chunks)
    if not new and into.ended >= ended:
        return []
    _check_growing(found, what="chunks")
    if into.ended:
        raise StateError(f"{into.name} ended at byte {into.cut_bytes}; no chunk can follow.", job=job_id)
    if new:
        tx.connection.execute(insert(chunk), [_chunk_row(job_id, file_id, each) for each in new])
    tx.connection.execute(update(file).where(file.c.id == file_id).values(cut_bytes=cut_bytes, ended=ended))
    return advance(tx, job_id, grown=into.table_name)


def end_input(tx: Tx, job_id: str) -> list[Hint]:
    """Note that no more files will come."""
    tx.connection.execute(
        update(job)
        .where(job.c.id == job_id, job.c.input_ended.is_(False))
        .values(input_ended=True, last_updated=tx.now)
    )
    return advance(tx, job_id)


def _check_growing(found: AnyRow, *, what: str) -> None:
    if JobStatus(found.status).final:
        raise StateError(f"Job {found.id} is {found.status} and takes no more {what}.", job=found.id)


def _file_row(job_id: str, new: NewFile) -> dict[str, Any]:
    row = asdict(new)
    table = row.pop("table")
    return row | {"job_id": job_id, "table_name": table, "cut_bytes": new.first_byte, "ended": False}


def _chunk_row(job_id: str, file_id: int, new: Chunk) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "file_id": file_id,
        "byte_offset": new.offset,
        "byte_length": new.length,
        "traits": new.traits,
        "key": new.key,
    }


def _new_chunks(into: AnyRow, chunks: Sequence[Chunk]) -> tuple[list[Chunk], int]:
    """Return the chunks beyond what is cut, and where they end; StateError if they don't follow on."""
    cut_bytes: int = into.cut_bytes
    new = []
    for each in chunks:
        if each.offset + each.length <= cut_bytes:
            continue
        if each.offset != cut_bytes:
            raise StateError(
                f"{into.name} is cut up to byte {cut_bytes}; a chunk of [{each.offset}, {each.offset + each.length}) "
                f"doesn't follow on. Go on cutting at byte {cut_bytes}.",
                cut_bytes=cut_bytes,
            )
        new.append(each)
        cut_bytes += each.length
    return new, cut_bytes
