"""Rows as records of the model."""

from __future__ import annotations

from collections.abc import Iterable

from tolva.catalogs.transactions import AnyRow
from tolva.model import File, Hint, Job, Origin, Part, Upload
from tolva.plan import Role
from tolva.states import JobStatus


def job_of(row: AnyRow) -> Job:
    """Return the job that a row of ``job`` tells of."""
    return Job(
        id=row.id,
        client=row.client,
        kind=row.kind,
        status=JobStatus(row.status),
        document=row.document,
        plan=row.plan,
        labels=row.labels,
        created_at=row.created_at,
        last_updated=row.last_updated,
        started_at=row.started_at,
        completed_on=row.completed_on,
        retrieved_at=row.retrieved_at,
        error=row.error,
        origin=Origin(row.origin),
        uploads_ended=row.uploads_ended,
        input_ended=row.input_ended,
        files_deleted_at=row.files_deleted_at,
        traceparent=row.traceparent,
    )


def file_of(row: AnyRow) -> File:
    """Return the file that a row of ``file`` tells of."""
    return File(
        id=row.id,
        job_id=row.job_id,
        table=row.table_name,
        name=row.name,
        location=row.location,
        bytes=row.bytes,
        fingerprint=row.fingerprint,
        layout=row.layout,
        cut_bytes=row.cut_bytes,
        ended=row.ended,
    )


def part_of(row: AnyRow) -> Part:
    """Return the part that a row of ``part`` tells of."""
    return Part(
        query=row.query,
        ordinal=row.ordinal,
        name=row.name,
        format=row.format,
        key=row.key,
        records=row.records,
        bytes=row.bytes,
        sha256=row.sha256,
    )


def upload_of(row: AnyRow) -> Upload:
    """Return the upload that a row of ``upload`` tells of."""
    return Upload(
        id=row.id,
        job_id=row.job_id,
        table=row.table_name,
        name=row.name,
        bytes=row.bytes,
        sha256=row.sha256,
        received_bytes=row.received_bytes,
        digest=row.digest,
        file_id=row.file_id,
        columns=columns_of(row),
        state=row.state,
        tail_key=row.tail_key,
        ended=row.ended,
        last_updated=row.last_updated,
    )


def columns_of(row: AnyRow) -> tuple[tuple[str, str], ...] | None:
    """Return the columns (name, type) that a row of ``upload`` tells of."""
    return None if row.columns is None else tuple((name, type_) for name, type_ in row.columns)


def hints_of(rows: Iterable[AnyRow]) -> list[Hint]:
    """Return hints for rows of ``task`` with their job's client."""
    return [Hint(row.id, Role(row.role), row.bytes, row.job_id, row.client) for row in rows]
