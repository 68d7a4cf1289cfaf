"""What the server says of jobs and results, as plain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tolva.errors import TolvaError
from tolva.states import JobStatus


@dataclass(frozen=True, slots=True)
class JobInfo:
    """Where a job stood when the server was asked.

    ``bytes_total``, ``bytes_done`` (input) and ``records_done`` are how far it was; ``stages`` the same for each step.
    """

    id: str
    kind: str
    status: JobStatus
    labels: dict[str, str]
    created_at: datetime
    completed_on: datetime | None
    error: dict[str, Any] | None
    bytes_total: int = 0
    bytes_done: int = 0
    records_done: int = 0
    stages: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def from_json(value: dict[str, Any]) -> JobInfo:
        """Read what the server sent."""
        progress = value.get("progress") or {}
        return JobInfo(
            id=value["id"],
            kind=value["kind"],
            status=JobStatus(value["status"]),
            labels=value["labels"],
            created_at=datetime.fromisoformat(value["created_at"]),
            completed_on=value["completed_on"] and datetime.fromisoformat(value["completed_on"]),
            error=value["error"],
            bytes_total=progress.get("bytes_total", 0),
            bytes_done=progress.get("bytes_done", 0),
            records_done=progress.get("records_done", 0),
            stages=progress.get("stages", []),
        )

    def check(self) -> None:
        """Raise what made the job fail, if it failed."""
        if self.status is JobStatus.FAILED and self.error is not None:
            raise TolvaError.from_dict(self.error)


@dataclass(frozen=True, slots=True)
class PartInfo:
    """One file of a job's results; ``sha256`` is of its bytes."""

    name: str
    query: str
    format: str
    records: int
    bytes: int
    sha256: str

    @staticmethod
    def from_json(value: dict[str, Any]) -> PartInfo:
        """Read what the server sent."""
        return PartInfo(**{name: value[name] for name in PartInfo.__slots__})
