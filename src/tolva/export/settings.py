"""What the stages of an export are told, as JSON values of the plan."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

RECORDS = "records"
"""The output of fetched records."""

ERRORS = "errors"
"""The output of failed keys."""


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How keys are fetched: by ``fetchers`` threads of each worker process, ``batch_size`` keys to a call.

    A key is tried ``max_attempts`` times. ``max_requests_per_second`` binds each worker process by itself. ``keys``
    are the keys themselves; None: they are in the stage's table.
    """

    source: dict[str, Any]
    batch_size: int
    fetchers: int
    max_attempts: int
    max_requests_per_second: float | None
    gzip: bool
    keys: list[str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ComposeSettings:
    """Which parts are made: their names begin with ``prefix``. With more than ``max_failed`` records the job fails."""

    prefix: str
    errors: bool
    gzip: bool
    max_failed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)
