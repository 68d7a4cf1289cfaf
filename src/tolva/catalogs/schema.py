"""The catalog's tables: one schema for every database.

A row of ``task`` is the unit of work; ``stage`` counts its tasks, so that a barrier is one comparison. Indexes on tasks
cover only the few that are ready or running, so that finding work costs the same whether a job has ten tasks or ten
million behind it. Every row hangs on its job and goes with it: a foreign key is declared where an index begins with it,
since a delete looks for children along each; other columns that name rows of the same job go without.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)

from tolva.states import TaskState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column called INTEGER."""

_Json = JSON(none_as_null=True)


READY = literal_column(f"'{TaskState.READY}'", Text)
RUNNING = literal_column(f"'{TaskState.RUNNING}'", Text)
"""Written into the statement, not bound: SQLite uses a partial index only if it sees the value when it plans."""

WAITING_RUN = text("taken_by = 0")
"""The condition on segments that they are runs which wait; likewise."""


class StageState(StrEnum):
    """How far a stage is, in this order and never back."""

    WAITING = "waiting"  # some input stage isn't over
    OPEN = "open"  # has tasks, and more may come
    ENDED = "ended"  # has all its tasks
    OVER = "over"  # and all are done


def _belongs_to(table: str) -> ForeignKey:
    return ForeignKey(f"{table}.id", ondelete="CASCADE")


def _index_where(name: str, condition: str, *columns: str) -> Index:
    # Saying it for PostgreSQL too would import that dialect at every start; there the migrations say it.
    return Index(name, *columns, sqlite_where=text(condition))


job = Table(
    "job",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("document", _Json, nullable=False),
    Column("digest", Text, nullable=False),
    Column("labels", _Json, nullable=False),
    Column("plan", _Json),
    Column("input_ended", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_updated", Double, nullable=False),
    Column("started_at", Double),
    Column("completed_on", Double),
    Column("retrieved_at", Double),
    Column("error", _Json),
    Column("origin", Text, nullable=False),
    Column("request_key", Text),
    Column("traceparent", Text),
    # The client said END; input_ended comes when the server's own files are cut too.
    Column("uploads_ended", Boolean, nullable=False),
    Column("files_deleted_at", Double),
    UniqueConstraint("client", "request_key"),
    Index(None, "created_at", "id"),
    Index(None, "client", "created_at", "id"),
    Index(None, "status", "client", "created_at", "id"),
    Index(None, "digest"),
)

file = Table(
    "file",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("job_id", Text, _belongs_to("job"), nullable=False),
    Column("table_name", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("layout", _Json, nullable=False),
    Column("first_byte", BigInteger, nullable=False),
    Column("cut_bytes", BigInteger, nullable=False),
    Column("ended", Boolean, nullable=False),
    UniqueConstraint("job_id", "table_name", "name"),
)

upload = Table(
    "upload",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job_id", Text, _belongs_to("job"), nullable=False),
    Column("table_name", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("bytes", BigInteger),
    Column("sha256", Text),
    Column("received_bytes", BigInteger, nullable=False),
    Column("digest", Text),
    Column("file_id", _Id),
    Column("columns", _Json),
    Column("state", _Json),
    Column("tail_key", Text),
    Column("ended", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_updated", Double, nullable=False),
    UniqueConstraint("job_id", "table_name", "name"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
)

chunk = Table(
    "chunk",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("file_id", _Id, _belongs_to("file"), nullable=False),
    Column("byte_offset", BigInteger, nullable=False),
    Column("byte_length", BigInteger, nullable=False),
    Column("traits", _Json, nullable=False),
    Column("key", Text),
    UniqueConstraint("file_id", "byte_offset"),
    Index(None, "job_id", "id"),
)

stage = Table(
    "stage",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("job_id", Text, _belongs_to("job"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("table_name", Text),
    # [{"stage_id": of the writer, "output": name, "reads": "partition", "each", "all" or "runs"}]: the plan's inputs,
    # resolved once; one of runs also has "max_bytes" and "multiplier".
    Column("inputs", _Json, nullable=False),
    # How many hash partitions its inputs have; 0 if it isn't a reduce.
    Column("partitions", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    # Chunks up to this id have their tasks.
    Column("last_chunk_id", _Id, nullable=False),
    Column("records_read", BigInteger, nullable=False),
    Column("bytes_read", BigInteger, nullable=False),
    Column("over_at", Double),
    UniqueConstraint("job_id", "ordinal"),
)

task = Table(
    "task",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("stage_id", _Id, _belongs_to("stage"), nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("role", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("file_id", _Id),
    Column("chunk_id", _Id),
    Column("partitions", _Json),
    Column("lease_until", Double),
    # When a task that failed may be tried again; null: now.
    Column("not_before", Double),
    Column("error", _Json),
    UniqueConstraint("stage_id", "ordinal"),
    _index_where("ix_task_ready", "state = 'ready'", "job_id", "id"),
    _index_where("ix_task_not_before", "not_before IS NOT NULL", "not_before"),
    _index_where("ix_task_running", "state = 'running'", "lease_until"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("task_id", _Id, _belongs_to("task"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("worker", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("outcome", Text, nullable=False),
    Column("error", _Json),
    sqlite_with_rowid=False,
)

partial = Table(
    "partial",
    metadata,
    Column("task_id", _Id, _belongs_to("task"), primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
)

segment = Table(
    "segment",
    metadata,
    # In the order in which readers ask.
    Column("stage_id", _Id, _belongs_to("stage"), primary_key=True),
    Column("output", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("task_id", _Id, primary_key=True),
    Column("byte_offset", BigInteger, nullable=False),
    Column("byte_length", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    # Of a run: the task that takes it, 0 while it waits. Null: no run.
    Column("taken_by", _Id),
    _index_where("ix_segment_waiting", "taken_by = 0", "stage_id", "output"),
    _index_where("ix_segment_taken_by", "taken_by > 0", "taken_by"),
    sqlite_with_rowid=False,
)

part = Table(
    "part",
    metadata,
    Column("job_id", Text, _belongs_to("job"), primary_key=True),
    Column("query", Text, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    # In the order in which the job's parts were committed, from 1: whoever saw n of them goes on with n + 1.
    Column("sequence", BigInteger, nullable=False),
    Column("task_id", _Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    sqlite_with_rowid=False,
)

stored_table = Table(
    "stored_table",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("client", Text, nullable=False),
    # As it was written first, and folded: one name whatever its case. Both are null once the table is dropped.
    Column("name", Text),
    Column("folded_name", Text),
    Column("version", BigInteger, nullable=False),
    Column("columns", _Json, nullable=False),
    Column("key", _Json, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_updated", Double, nullable=False),
    UniqueConstraint("client", "folded_name"),
)

stored_object = Table(
    "stored_object",
    metadata,
    Column("id", _Id, primary_key=True),
    # The load that wrote this row; its table is set when that is committed.
    Column("job_id", Text, nullable=False),
    Column("load_name", Text, nullable=False),
    Column("table_id", _Id, _belongs_to("stored_table")),
    Column("key", Text, nullable=False),
    Column("dropped", Text),
    Column("records", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("bounds", _Json, nullable=False),
    # The versions that have it: from this one on, up to before that one.
    Column("since_version", BigInteger),
    Column("until_version", BigInteger),
    Column("retired", Boolean, nullable=False),
    Index(None, "table_id", "until_version"),
    Index(None, "job_id"),
    Index(None, "key"),
)

load = Table(
    "load",
    metadata,
    Column("job_id", Text, _belongs_to("job"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("mode", Text, nullable=False),
    Column("columns", _Json, nullable=False),
    Column("key", _Json, nullable=False),
    Column("base_version", BigInteger),
    Column("allow_again", Boolean, nullable=False),
    # [[name, digest], ...] of the files, from the task that knows.
    Column("contents", _Json, nullable=False),
)

content = Table(
    "content",
    metadata,
    Column("table_id", _Id, _belongs_to("stored_table"), primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("loaded_at", Double, nullable=False),
    sqlite_with_rowid=False,
)

table_use = Table(
    "table_use",
    metadata,
    Column("job_id", Text, _belongs_to("job"), primary_key=True),
    Column("table_id", _Id, primary_key=True),
    Column("version", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

worker = Table(
    "worker",
    metadata,
    Column("name", Text, primary_key=True),
    Column("machine", Text, nullable=False),
    Column("roles", _Json, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
)

paused_role = Table("paused_role", metadata, Column("role", Text, primary_key=True))
