"""The words of tolva as plain records: job, file, chunk, task, attempt, partial, part.

These are what the contracts speak in. They hold facts, never behaviour, and name neither database nor storage.
Times are seconds since 1970 by the catalog's clock.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tolva.plan import Role
from tolva.states import JobStatus, TaskState


class Origin(StrEnum):
    """Who feeds a job: a command that runs it to its end, or the job service."""

    RUN = "run"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Job:
    """What a client submitted and where it stands. ``error`` is set exactly when it failed.

    ``uploads_ended``: the client said that it sends no more files. ``input_ended``: no more will come from anywhere.
    ``files_deleted_at``: when its stored files went, whether cancelled or past their time to live.
    """

    id: str
    client: str
    kind: str
    status: JobStatus
    document: dict[str, Any]
    plan: dict[str, Any] | None
    labels: dict[str, str]
    created_at: float
    last_updated: float
    started_at: float | None = None
    completed_on: float | None = None
    retrieved_at: float | None = None
    error: dict[str, Any] | None = None
    origin: Origin = Origin.RUN
    uploads_ended: bool = False
    input_ended: bool = False
    files_deleted_at: float | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is submitted; ``digest`` tells equal submissions (document, inputs, destination) apart.

    A client's second submission with the same ``request_key`` is the first one repeated, not another job.
    """

    id: str
    client: str
    kind: str
    document: dict[str, Any]
    digest: str
    labels: dict[str, str] = field(default_factory=dict)
    origin: Origin = Origin.RUN
    request_key: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class NewFile:
    """An input file: its label for people, and where its bytes are.

    ``layout`` is what the format needs to read any chunk of the file alone (dialect, header, encoding), as JSON
    values; ``max_chunk_bytes`` there asks for chunks smaller than usual. ``fingerprint`` changes when the bytes may
    have changed. ``first_byte`` is where the records start.
    """

    table: str
    name: str
    location: str
    bytes: int
    fingerprint: str
    layout: dict[str, Any]
    first_byte: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """A stored ``NewFile``: chunks are cut up to ``cut_bytes``; ``ended`` when there will be no more of them."""

    id: int
    job_id: str
    table: str
    name: str
    location: str
    bytes: int
    fingerprint: str
    layout: dict[str, Any]
    cut_bytes: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of whole records: ``[offset, offset + length)`` of its file. ``traits`` are the format's own notes.

    With a ``key`` its bytes are that stored object: files that were uploaded, or had to be decoded, are kept chunk by
    chunk, and the offset counts decoded bytes. Without one they are a range of the file where it lies.
    """

    offset: int
    length: int
    traits: dict[str, Any] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A file that a client is about to send; ``bytes`` and ``sha256`` (hex) are None where it didn't say."""

    table: str
    name: str
    bytes: int | None = None
    sha256: str | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in. ``received_bytes`` of it are stored for good: what is cut, and the ``tail`` behind.

    ``digest`` is the sha256 of those bytes where it is known; ``columns`` of the table (name, type) once they are.
    ``state`` lets another process go on cutting.
    """

    id: str
    job_id: str
    table: str
    name: str
    bytes: int | None
    sha256: str | None
    received_bytes: int
    digest: str | None
    file_id: int | None
    columns: tuple[tuple[str, str], ...] | None
    state: dict[str, Any] | None
    tail_key: str | None
    ended: bool
    last_updated: float


@dataclass(frozen=True, slots=True)
class Received:
    """How an upload went on from ``from_bytes``: what was stored since, and how to go on after ``received_bytes``.

    ``file`` is given once, when the format knows the file's layout.
    """

    upload_id: str
    from_bytes: int
    received_bytes: int
    digest: str | None
    file: NewFile | None
    columns: tuple[tuple[str, str], ...] | None
    chunks: tuple[Chunk, ...]
    state: dict[str, Any] | None
    tail_key: str | None
    ended: bool


class KeyRole(StrEnum):
    """What a key lets its holder do: use one's own jobs and tables, or everybody's and the server's files too."""

    CLIENT = "client"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key as the catalog has it: ``digest`` is the sha256 (hex) of its secret."""

    id: str
    client: str
    role: KeyRole
    digest: str
    created_at: float = 0.0
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """The message that a task is ready. Losing or repeating one harms nothing. ``bytes`` is what the task reads.

    ``job_id`` and ``client`` let a dispatcher be fair.
    """

    task_id: int
    role: Role
    bytes: int = 0
    job_id: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A byte range of a partial's object: the rows of one output (in one hash partition) as an Arrow stream.

    A ``run`` is encoded lines instead, a piece that parts are made of as it is; ``partition`` then just counts.
    """

    output: str
    partition: int
    offset: int
    length: int
    records: int
    run: bool = False


@dataclass(frozen=True, slots=True)
class Partial:
    """What a committed task left for later stages: one stored object, and where in it each output is."""

    key: str
    bytes: int
    sha256: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a result, at most the size cap (unless a single record is larger). ``ordinal`` counts from 1."""

    query: str
    ordinal: int
    name: str
    format: str
    key: str
    records: int
    bytes: int
    sha256: str


MAX_OBJECT_BYTES = 16 * 2**20
"""About how large an object of a stored table gets: it is read as one chunk."""


@dataclass(frozen=True, slots=True)
class TableObject:
    """One stored Parquet object of a table. Its bytes never change; later loads can only drop rows of it.

    ``records`` are the rows that count: those whose positions aren't in the object ``dropped`` (a NumPy array of
    ascending 64-bit numbers, stored under that key). ``bounds`` has the least and the greatest value of columns, as
    text, where they are known.
    """

    key: str
    records: int
    bytes: int
    bounds: dict[str, list[str]] = field(default_factory=dict)
    dropped: str | None = None


class LoadMode(StrEnum):
    """What a load does with the records that its table has."""

    APPEND = "append"
    REPLACE = "replace"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True)
class NewLoad:
    """What a job will do to a stored table when it is completed: nothing before that, and then all at once.

    ``columns`` are (name, type) in DuckDB's words. ``key`` are the columns by which an upsert replaces records.
    ``base_version`` is the version that an upsert was worked out against; the load fails if the table has another by
    then. ``allow_again``: contents that were loaded before are no reason to fail.
    """

    table: str
    mode: LoadMode
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...] = ()
    base_version: int | None = None
    allow_again: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """A loaded file: its name for people, and a digest of its bytes."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the load of ``table`` came to. An object whose key the table has already takes that one's place."""

    table: str
    objects: tuple[TableObject, ...]
    contents: tuple[Content, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table that is kept for its client. Every completed load makes the next version, counted from 1."""

    id: int
    client: str
    name: str
    version: int
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    records: int
    bytes: int
    created_at: float
    last_updated: float


@dataclass(frozen=True, slots=True)
class Retired:
    """Objects of stored tables that nobody will read again: their rows in the catalog, their keys in storage."""

    rows: tuple[int, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one attempt to run a task, with all it needs to know to run it.

    ``attempt`` is the fencing token: it grows with every claim of the task, and only the newest may commit.
    A scan has ``file`` and ``chunk``; a reduce has ``partitions``; ``partials`` are the inputs of either and of a
    finish, in the order of the tasks that wrote them (already limited to the outputs that the stage reads).
    """

    task_id: int
    attempt: int
    job_id: str
    stage: str
    role: Role
    ordinal: int
    lease_until: float
    file: File | None = None
    chunk: Chunk | None = None
    partitions: tuple[int, ...] = ()
    partials: tuple[Partial, ...] = ()

    @property
    def prefix(self) -> str:
        """Where the attempt's objects go."""
        return f"jobs/{self.job_id}/{self.stage}/{self.ordinal}/{self.attempt}"


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt that finished: what it left, and what it read.

    ``loaded`` is what loads of the job come to, each from the one task that knows. With ``verdict`` the task is done
    and what it left is kept, but the job has failed with this error: it went against a limit of its document. What it
    loaded, if anything, is true all the same.
    """

    task_id: int
    attempt: int
    partial: Partial | None = None
    parts: tuple[Part, ...] = ()
    records_read: int = 0
    bytes_read: int = 0
    seconds: float = 0.0
    loaded: tuple[Loaded, ...] = ()
    verdict: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that didn't. ``retryable`` is false when another try must end the same way; then the job fails."""

    task_id: int
    attempt: int
    error: dict[str, Any]
    retryable: bool
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a task as it is remembered. ``outcome`` is done, failed, lost, released, fenced or running."""

    task_id: int
    attempt: int
    worker: str
    started_at: float
    ended_at: float | None
    outcome: str
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Task:
    """A task's record. Of a scan task the chunk, too: ``length`` bytes of ``file`` from ``offset`` on.

    ``lines`` are its first and last physical line, from 1, where they were counted when the file was cut.
    """

    id: int
    job_id: str
    stage: str
    role: Role
    ordinal: int
    state: TaskState
    attempt: int
    failures: int
    lease_until: float | None
    error: dict[str, Any] | None
    file: str | None = None
    offset: int | None = None
    length: int | None = None
    lines: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How far a stage is. ``ended``: no more tasks will be made; ``over_at``: when its last task was committed.

    ``records``: input records that its tasks have read.
    """

    name: str
    role: Role
    created: int
    done: int
    ended: bool
    records: int = 0
    over_at: float | None = None


@dataclass(frozen=True, slots=True)
class StageMeasures:
    """What a stage's committed tasks read and left, and how long each ran, in seconds.

    Tasks so small that they were run in one go share its time evenly.
    """

    name: str
    records_read: int
    bytes_read: int
    records_left: int
    bytes_left: int
    task_seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: input bytes known and read so far, records read, and each stage in the plan's order."""

    bytes_total: int
    bytes_done: int
    records_done: int
    stages: tuple[StageProgress, ...]


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker says of itself now and then. ``memory_bytes``: of its process and its children together."""

    name: str
    machine: str
    roles: tuple[Role, ...]
    slots: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """A task that a worker holds, and for how long its lease still lasts."""

    task_id: int
    job_id: str
    stage: str
    attempt: int
    running_seconds: float
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class FleetWorker:
    """A worker as the fleet knows it: its last report, how old that is, and what it holds."""

    report: WorkerReport
    started_at: float
    silent_seconds: float
    tasks: tuple[WorkerTask, ...]
