"""Uploads, keys, stored tables, roll-ups and the workers of a fleet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Go one step on."""
    _extend_job()
    _extend_chunk()
    _extend_segment()
    _extend_part()
    _create_upload()
    _create_api_key()
    _create_stored_table()
    _create_stored_object()
    _create_load()
    _create_content()
    _create_table_use()
    _create_worker()


def _extend_job() -> None:
    op.add_column("job", sa.Column("origin", sa.Text()))
    op.add_column("job", sa.Column("request_key", sa.Text()))
    op.add_column("job", sa.Column("traceparent", sa.Text()))
    op.add_column("job", sa.Column("uploads_ended", sa.Boolean()))
    op.add_column("job", sa.Column("files_deleted_at", sa.Double()))
    # There were only jobs that a command ran to their end; their files came with them.
    op.execute("UPDATE job SET origin = 'run', uploads_ended = input_ended")
    with op.batch_alter_table("job") as job:
        job.alter_column("origin", nullable=False)
        job.alter_column("uploads_ended", nullable=False)
        job.create_unique_constraint(op.f("uq_job_client_request_key"), ["client", "request_key"])


def _extend_chunk() -> None:
    op.add_column("chunk", sa.Column("key", sa.Text()))


def _extend_segment() -> None:
    op.add_column("segment", sa.Column("taken_by", _ID))
    for name, columns, condition in (
        ("ix_segment_waiting", ["stage_id", "output"], sa.text("taken_by = 0")),
        ("ix_segment_taken_by", ["taken_by"], sa.text("taken_by > 0")),
    ):
        op.create_index(name, "segment", columns, sqlite_where=condition, postgresql_where=condition)


def _extend_part() -> None:
    op.add_column("part", sa.Column("sequence", sa.BigInteger()))
    op.execute(
        """
        UPDATE part SET sequence = (
            SELECT count(*) FROM part AS earlier
            WHERE earlier.job_id = part.job_id AND (earlier.query, earlier.ordinal) <= (part.query, part.ordinal)
        )
        """
    )
    with op.batch_alter_table("part", table_kwargs={"sqlite_with_rowid": False}) as part:
        part.alter_column("sequence", nullable=False)


def _create_upload() -> None:
    op.create_table(
        "upload",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger()),
        sa.Column("sha256", sa.Text()),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text()),
        sa.Column("file_id", _ID),
        sa.Column("columns", _JSON),
        sa.Column("state", _JSON),
        sa.Column("tail_key", sa.Text()),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_updated", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_upload_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
        sa.UniqueConstraint("job_id", "table_name", "name", name=op.f("uq_upload_job_id_table_name_name")),
    )


def _create_api_key() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
    )


def _create_stored_table() -> None:
    op.create_table(
        "stored_table",
        sa.Column("id", _ID, nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("folded_name", sa.Text()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("columns", _JSON, nullable=False),
        sa.Column("key", _JSON, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_table")),
        sa.UniqueConstraint("client", "folded_name", name=op.f("uq_stored_table_client_folded_name")),
    )


def _create_stored_object() -> None:
    op.create_table(
        "stored_object",
        sa.Column("id", _ID, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("load_name", sa.Text(), nullable=False),
        sa.Column("table_id", _ID),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("dropped", sa.Text()),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("bounds", _JSON, nullable=False),
        sa.Column("since_version", sa.BigInteger()),
        sa.Column("until_version", sa.BigInteger()),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["table_id"], ["stored_table.id"], name=op.f("fk_stored_object_table_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_object")),
    )
    op.create_index(op.f("ix_stored_object_job_id"), "stored_object", ["job_id"])
    op.create_index(op.f("ix_stored_object_key"), "stored_object", ["key"])
    op.create_index(op.f("ix_stored_object_table_id_until_version"), "stored_object", ["table_id", "until_version"])


def _create_load() -> None:
    op.create_table(
        "load",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("columns", _JSON, nullable=False),
        sa.Column("key", _JSON, nullable=False),
        sa.Column("base_version", sa.BigInteger()),
        sa.Column("allow_again", sa.Boolean(), nullable=False),
        sa.Column("contents", _JSON, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_load_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "name", name=op.f("pk_load")),
    )


def _create_content() -> None:
    op.create_table(
        "content",
        sa.Column("table_id", _ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("loaded_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["table_id"], ["stored_table.id"], name=op.f("fk_content_table_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("table_id", "digest", name=op.f("pk_content")),
        sqlite_with_rowid=False,
    )


def _create_table_use() -> None:
    op.create_table(
        "table_use",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("table_id", _ID, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_table_use_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "table_id", name=op.f("pk_table_use")),
        sqlite_with_rowid=False,
    )


def _create_worker() -> None:
    op.create_table(
        "worker",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("roles", _JSON, nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker")),
    )
    op.create_table(
        "paused_role",
        sa.Column("role", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("role", name=op.f("pk_paused_role")),
    )
