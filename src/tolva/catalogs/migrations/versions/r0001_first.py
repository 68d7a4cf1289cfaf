"""The first schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Go one step on."""
    _create_job()
    _create_file()
    _create_chunk()
    _create_stage()
    _create_task()
    _create_attempt()
    _create_partial()
    _create_segment()
    _create_part()


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _create_job() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("document", _JSON, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("labels", _JSON, nullable=False),
        sa.Column("plan", _JSON),
        sa.Column("input_ended", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_updated", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("completed_on", sa.Double()),
        sa.Column("retrieved_at", sa.Double()),
        sa.Column("error", _JSON),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(op.f("ix_job_client_created_at_id"), "job", ["client", "created_at", "id"])
    op.create_index(op.f("ix_job_created_at_id"), "job", ["created_at", "id"])
    op.create_index(op.f("ix_job_digest"), "job", ["digest"])
    op.create_index(op.f("ix_job_status_client_created_at_id"), "job", ["status", "client", "created_at", "id"])


def _create_file() -> None:
    op.create_table(
        "file",
        sa.Column("id", _ID, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("layout", _JSON, nullable=False),
        sa.Column("first_byte", sa.BigInteger(), nullable=False),
        sa.Column("cut_bytes", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_file_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file")),
        sa.UniqueConstraint("job_id", "table_name", "name", name=op.f("uq_file_job_id_table_name_name")),
    )


def _create_chunk() -> None:
    op.create_table(
        "chunk",
        sa.Column("id", _ID, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("file_id", _ID, nullable=False),
        sa.Column("byte_offset", sa.BigInteger(), nullable=False),
        sa.Column("byte_length", sa.BigInteger(), nullable=False),
        sa.Column("traits", _JSON, nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["file.id"], name=op.f("fk_chunk_file_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunk")),
        sa.UniqueConstraint("file_id", "byte_offset", name=op.f("uq_chunk_file_id_byte_offset")),
    )
    op.create_index(op.f("ix_chunk_job_id_id"), "chunk", ["job_id", "id"])


def _create_stage() -> None:
    op.create_table(
        "stage",
        sa.Column("id", _ID, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text()),
        sa.Column("inputs", _JSON, nullable=False),
        sa.Column("partitions", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("last_chunk_id", _ID, nullable=False),
        sa.Column("records_read", sa.BigInteger(), nullable=False),
        sa.Column("bytes_read", sa.BigInteger(), nullable=False),
        sa.Column("over_at", sa.Double()),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_stage_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage")),
        sa.UniqueConstraint("job_id", "ordinal", name=op.f("uq_stage_job_id_ordinal")),
    )


def _create_task() -> None:
    op.create_table(
        "task",
        sa.Column("id", _ID, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("stage_id", _ID, nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_id", _ID),
        sa.Column("chunk_id", _ID),
        sa.Column("partitions", _JSON),
        sa.Column("lease_until", sa.Double()),
        sa.Column("not_before", sa.Double()),
        sa.Column("error", _JSON),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name=op.f("fk_task_stage_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("stage_id", "ordinal", name=op.f("uq_task_stage_id_ordinal")),
    )
    op.create_index("ix_task_not_before", "task", ["not_before"], **_where("not_before IS NOT NULL"))
    op.create_index("ix_task_ready", "task", ["job_id", "id"], **_where("state = 'ready'"))
    op.create_index("ix_task_running", "task", ["lease_until"], **_where("state = 'running'"))


def _create_attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error", _JSON),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_attempt_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "attempt", name=op.f("pk_attempt")),
        sqlite_with_rowid=False,
    )


def _create_partial() -> None:
    op.create_table(
        "partial",
        sa.Column("task_id", _ID, autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_partial_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_partial")),
    )


def _create_segment() -> None:
    op.create_table(
        "segment",
        sa.Column("stage_id", _ID, nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("byte_offset", sa.BigInteger(), nullable=False),
        sa.Column("byte_length", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name=op.f("fk_segment_stage_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("stage_id", "output", "partition", "task_id", name=op.f("pk_segment")),
        sqlite_with_rowid=False,
    )


def _create_part() -> None:
    op.create_table(
        "part",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_part_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "query", "ordinal", name=op.f("pk_part")),
        sqlite_with_rowid=False,
    )
