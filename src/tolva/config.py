"""Settings, and the consistent sets of adapters they choose. The only code that names an adapter."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tolva.backends import Backends
    from tolva.catalog import Limits
    from tolva.dispatchers.celery import CeleryDispatcher
    from tolva.storage import Storage


SMALL_BYTES = 512 * 2**20
"""With less memory than that for all tasks, what can wait is not kept ready."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a fleet's truth, hints and bytes are, as URLs; ``name`` tells fleets that share a broker apart."""

    database: str
    broker: str
    bucket: str
    name: str = "tolva"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line, the environment and ``tolva.toml`` can say. Sizes in bytes, times in seconds.

    With ``cluster`` jobs are worked on by a fleet; ``patience_seconds`` is how long a call waits for its database.
    """

    state: Path
    workers: int
    chunk_bytes: int
    memory_bytes: int
    lease_seconds: float
    task_seconds: float | None
    cluster: Places | None = None
    patience_seconds: float = 30.0
    max_attempts: int = 3
    limits: Limits | None = None


def default_state() -> Path:
    """Return the user's data folder for tolva, by the XDG base directory specification."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "tolva"


def open_storage(settings: Settings) -> Callable[[], Storage]:
    """Return what opens the storage that the settings choose; it can be pickled, for child processes."""
    if settings.cluster:
        from tolva.storages.s3 import S3Storage  # noqa: PLC0415 - only the chosen adapters are loaded

        return partial(S3Storage, settings.cluster.bucket)
    from tolva.storages.local import LocalStorage  # noqa: PLC0415 - only the chosen adapters are loaded

    return partial(LocalStorage, settings.state / "storage")


def embedded(settings: Settings) -> Backends:
    """Everything on this machine: SQLite, local disk, threads and child processes of this process."""
    from tolva.backends import Backends  # noqa: PLC0415 - a small question needs no adapters
    from tolva.catalogs.sqlite import SqliteCatalog  # noqa: PLC0415 - SQLAlchemy costs a quarter of a second
    from tolva.dispatchers.local import LocalDispatcher  # noqa: PLC0415 - only the chosen adapters are loaded

    return Backends(
        catalog=SqliteCatalog(settings.state / "catalog.db", limits=_limits(settings)),
        storage=open_storage(settings)(),
        dispatcher=LocalDispatcher(),
    )


def _limits(settings: Settings) -> Limits:
    from tolva.catalog import Limits  # noqa: PLC0415 - a small question needs no adapters

    return replace(settings.limits or Limits(), max_attempts=settings.max_attempts)


def cluster(settings: Settings, places: Places) -> Backends:
    """Everything on servers that a fleet of machines shares: PostgreSQL, S3, Celery on RabbitMQ or SQS."""
    from tolva.backends import Backends  # noqa: PLC0415 - a small question needs no adapters
    from tolva.catalogs.postgresql import PostgresqlCatalog  # noqa: PLC0415 - only the chosen adapters are loaded

    return Backends(
        catalog=PostgresqlCatalog(
            places.database,
            limits=_limits(settings),
            patience_seconds=settings.patience_seconds,
        ),
        storage=open_storage(settings)(),
        dispatcher=fleet_dispatcher(places),
    )


def fleet_dispatcher(places: Places) -> CeleryDispatcher:
    """Return what sends hints to the fleet."""
    from tolva.dispatchers.celery import CeleryDispatcher  # noqa: PLC0415 - only the chosen adapters are loaded

    return CeleryDispatcher(places.broker, prefix=places.name)


def connect(settings: Settings) -> Backends:
    """Open the backends that the settings choose."""
    return cluster(settings, settings.cluster) if settings.cluster else embedded(settings)
