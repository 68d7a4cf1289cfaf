"""A consistent set of adapters, as ``config`` chooses it."""

from __future__ import annotations

from dataclasses import dataclass

from tolva.catalog import Catalog
from tolva.dispatch import Dispatcher
from tolva.storage import Storage


@dataclass(frozen=True, slots=True)
class Backends:
    """Where truth, bytes and hints are."""

    catalog: Catalog
    storage: Storage
    dispatcher: Dispatcher
