"""Settings, and the consistent sets of adapters they choose. The only code that names an adapter."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tolva.backends import Backends
    from tolva.storage import Storage


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line, the environment and ``tolva.toml`` can say. Sizes in bytes, times in seconds."""

    state: Path
    workers: int
    chunk_bytes: int
    memory_bytes: int
    lease_seconds: float
    task_seconds: float | None


def default_state() -> Path:
    """Return the user's data folder for tolva, by the XDG base directory specification."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "tolva"


def local_storage(settings: Settings) -> Callable[[], Storage]:
    """Return what opens the storage of ``embedded``; it can be pickled, for child processes."""
    from tolva.storages.local import LocalStorage  # noqa: PLC0415 - only the chosen adapters are loaded

    return partial(LocalStorage, settings.state / "storage")


def embedded(settings: Settings) -> Backends:
    """Everything on this machine: SQLite, local disk, threads and child processes of this process."""
    from tolva.backends import Backends  # noqa: PLC0415 - a small question needs no adapters
    from tolva.catalogs.sqlite import SqliteCatalog  # noqa: PLC0415 - SQLAlchemy costs a quarter of a second
    from tolva.dispatchers.local import LocalDispatcher  # noqa: PLC0415 - only the chosen adapters are loaded

    return Backends(
        catalog=SqliteCatalog(settings.state / "catalog.db"),
        storage=local_storage(settings)(),
        dispatcher=LocalDispatcher(),
    )
