"""Files on their way in: what of each is stored for good, and how to go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from tolva.catalogs.inputs import add_chunks, add_files, describe_file, forget_file
from tolva.catalogs.rows import columns_of, upload_of
from tolva.catalogs.schema import job, upload
from tolva.catalogs.transactions import LIVE, AnyRow, Tx, lock_job
from tolva.errors import ConflictError, LimitError, NotFoundError, StateError, TooLargeError
from tolva.model import Hint, NewFile, NewUpload, Received, Upload
from tolva.states import JobStatus

# Statements of the hot path are built once; building one costs more than running it.
_ONE = select(upload).where(upload.c.id == bindparam("upload_id"))
_NAMED = select(upload).where(
    upload.c.job_id == bindparam("of_job"), upload.c.name.in_(bindparam("labels", expanding=True))
)
_COUNT = select(func.count()).select_from(upload).where(upload.c.job_id == bindparam("of_job"))
_BEGIN = insert(upload)
_APART_SECONDS = 1e-6
_RECEIVED = (
    update(upload)
    .where(upload.c.id == bindparam("upload_id"))
    .values(
        {
            each: bindparam(f"new_{each.name}")
            for each in (
                upload.c.received_bytes,
                upload.c.digest,
                upload.c.file_id,
                upload.c.columns,
                upload.c.state,
                upload.c.tail_key,
                upload.c.ended,
                upload.c.last_updated,
            )
        }
    )
)
_TOUCH_JOB = update(job).where(job.c.id == bindparam("job_id")).values(last_updated=bindparam("now"))
_COLUMNS = (
    select(upload.c.columns)
    .where(
        upload.c.job_id == bindparam("of_job"), upload.c.table_name == bindparam("table"), upload.c.file_id.is_not(None)
    )
    .order_by(upload.c.file_id)
    .limit(1)
)
_HELD_BYTES = (
    select(upload.c.job_id, func.sum(upload.c.received_bytes))
    .join(job, job.c.id == upload.c.job_id)
    .where(job.c.client == bindparam("of_client"), job.c.status.in_(LIVE))
    .group_by(upload.c.job_id)
)


def begin(tx: Tx, job_id: str, files: Sequence[NewUpload]) -> list[Upload]:
    """Record these uploads of the job; of one whose table and name are there already, return that one.

    Their files count in this order, behind those that began before them, whichever arrives first.
    """
    found = lock_job(tx, job_id)
    there = _named(tx, job_id, files)
    fresh = {(new.table, new.name): new for new in files if (new.table, new.name) not in there}
    if fresh:
        _check_open(found)
        _check_room(tx, found, len(fresh))
        tx.connection.execute(_BEGIN, [_row(tx, job_id, new, place) for place, new in enumerate(fresh.values())])
        # Each keeps a place for its file: the job's files count in the order of their places.
        add_files(tx, job_id, [NewFile(table, name, "", 0, "", {}) for table, name in fresh])
        there = _named(tx, job_id, files)
    return [there[new.table, new.name] for new in files]


def _named(tx: Tx, job_id: str, files: Sequence[NewUpload]) -> dict[tuple[str, str], Upload]:
    """Return the job's uploads of these names, in any table."""
    rows = tx.connection.execute(_NAMED, {"of_job": job_id, "labels": list({new.name for new in files})})
    return {(found.table, found.name): found for found in map(upload_of, rows)}


def _row(tx: Tx, job_id: str, new: NewUpload, place: int) -> dict[str, Any]:
    row = asdict(new)
    row["table_name"] = row.pop("table")
    # They are listed by when they began.
    times = {"created_at": tx.now + place * _APART_SECONDS, "last_updated": tx.now}
    return row | times | {"job_id": job_id, "received_bytes": 0, "ended": False}


def one(tx: Tx, upload_id: str, job_id: str | None = None) -> Upload:
    """Return the upload, if it is of this job."""
    found = tx.connection.execute(_ONE, {"upload_id": upload_id}).one_or_none()
    if found is None or job_id not in (None, found.job_id):
        raise NotFoundError(f"There is no upload {upload_id}.", upload=upload_id)
    return upload_of(found)


def of_job(tx: Tx, job_id: str) -> list[Upload]:
    """Return the job's uploads in the order they began."""
    rows = tx.connection.execute(
        select(upload).where(upload.c.job_id == job_id).order_by(upload.c.created_at, upload.c.id)
    )
    return [upload_of(row) for row in rows]


def receive(tx: Tx, new: Received) -> tuple[Upload, list[Hint]]:
    """Record what was stored of an upload since ``from_bytes``. ConflictError if it isn't there any more."""
    before = one(tx, new.upload_id)
    found = lock_job(tx, before.job_id)
    before = one(tx, new.upload_id)
    _check_open(found)
    if before.received_bytes != new.from_bytes or before.ended:
        raise ConflictError(
            f"{before.table}/{before.name} has {before.received_bytes} bytes already. Go on there.",
            received_bytes=before.received_bytes,
        )
    _check_bytes(tx, found, before, new.received_bytes - new.from_bytes)
    file_id = before.file_id
    if new.file is not None and file_id is None:
        _check_columns(tx, before, new)
        file_id = describe_file(tx, before.job_id, new.file)
    hints: list[Hint] = []
    if file_id is not None and (new.chunks or new.ended):
        hints = add_chunks(tx, file_id, new.chunks, ended=new.ended)
    changes = {
        "received_bytes": new.received_bytes,
        "digest": new.digest,
        "file_id": file_id,
        "columns": new.columns,
        "state": new.state,
        "tail_key": new.tail_key,
        "ended": new.ended,
        "last_updated": tx.now,
    }
    tx.connection.execute(
        _RECEIVED, {"upload_id": new.upload_id} | {f"new_{name}": value for name, value in changes.items()}
    )
    tx.connection.execute(_TOUCH_JOB, {"job_id": before.job_id, "now": tx.now})
    return one(tx, new.upload_id), hints


def columns(tx: Tx, job_id: str, table: str) -> tuple[tuple[str, str], ...] | None:
    """Return the columns of a table as its first file to have any has them; None while none has."""
    found = tx.connection.execute(_COLUMNS, {"of_job": job_id, "table": table}).one_or_none()
    return None if found is None else columns_of(found)


def _check_open(found: AnyRow) -> None:
    if JobStatus(found.status).final:
        raise StateError(f"Job {found.id} is {found.status} and takes no more files.", job=found.id)
    if found.uploads_ended:
        raise StateError(f"Job {found.id} was started and takes no more files.", job=found.id)


def _check_room(tx: Tx, found: AnyRow, more: int) -> None:
    limit = tx.limits.files_per_job
    held = tx.connection.execute(_COUNT, {"of_job": found.id}).scalar_one()
    if held + more > limit:
        raise LimitError(
            f"Job {found.id} has {held} files, and a job may have {limit}: {more} more can't be taken.", limit=limit
        )


def _check_bytes(tx: Tx, found: AnyRow, before: Upload, more: int) -> None:
    limits = tx.limits
    sums: dict[str, int] = {
        job_id: int(total) for job_id, total in tx.connection.execute(_HELD_BYTES, {"of_client": found.client})
    }
    for what, held, limit in (
        (f"{before.table}/{before.name}", before.received_bytes, limits.upload_bytes_per_file),
        (f"Job {found.id}", sums.get(before.job_id, 0), limits.upload_bytes_per_job),
        ("All unfinished jobs together", sum(sums.values()), limits.upload_bytes_per_client),
    ):
        if held + more > limit:
            raise TooLargeError(f"{what} would pass the limit of {limit} bytes.", limit_bytes=limit)


def _check_columns(tx: Tx, before: Upload, new: Received) -> None:
    known = columns(tx, before.job_id, before.table)
    if known is not None and known != new.columns:
        raise ConflictError(
            f"The table {before.table} got its columns from another file while this one began.", columns=known
        )


def discard(tx: Tx, upload_id: str) -> Upload:
    """Forget an upload of which nothing was cut yet. StateError otherwise."""
    before = one(tx, upload_id)
    found = lock_job(tx, before.job_id)
    _check_open(found)
    if before.file_id is not None:
        raise StateError(
            f"Records of {before.table}/{before.name} are in work already. Send the rest, or cancel the job.",
            upload=upload_id,
        )
    tx.connection.execute(delete(upload).where(upload.c.id == upload_id))
    forget_file(tx, before.job_id, before.table, before.name)
    return before
