"""Rows as records of the model."""

from __future__ import annotations

from collections.abc import Iterable

from tolva.catalogs.transactions import AnyRow
from tolva.model import File, Hint, Job, Part
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


def hints_of(rows: Iterable[AnyRow]) -> list[Hint]:
    """Return hints for rows of ``task``."""
    return [Hint(row.id, Role(row.role), row.bytes, row.job_id) for row in rows]
