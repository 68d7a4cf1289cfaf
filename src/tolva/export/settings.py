"""What the stages of an export are told, as JSON values of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from tolva.model import TableObject
from tolva.sources import TableVersion

RECORDS = "records"
"""The output of fetched records."""

ERRORS = "errors"
"""The output of failed keys."""


CHOSEN = "chosen"
"""The output of keys that a query chose."""


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How keys are fetched: by ``fetchers`` threads of each worker process, ``batch_size`` keys to a call.

    A key is tried ``max_attempts`` times. ``max_requests_per_second`` binds each worker process by itself. ``keys``
    are the keys themselves; None: they are in the stage's table. ``table`` is what the source reads, if it is a stored
    table.
    """

    source: dict[str, Any]
    batch_size: int
    fetchers: int
    max_attempts: int
    max_requests_per_second: float | None
    gzip: bool
    keys: list[str] | None = None
    table: TableVersion | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what became these JSON values."""
        table = value["table"]
        return cls(**{**value, "table": None if table is None else _table(table)})


@dataclass(frozen=True, slots=True)
class ComposeSettings:
    """Which parts are made: their names begin with ``prefix``."""

    prefix: str
    errors: bool
    gzip: bool

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """With more than ``max_failed`` failed keys the job fails."""

    max_failed: int

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def _table(value: Mapping[str, Any]) -> TableVersion:
    columns = [(name, kind) for name, kind in value["columns"]]
    return TableVersion(columns, [TableObject(**each) for each in value["objects"]])
