"""What storage tests share: places where storages are, and what runs in processes of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tolva import crash
from tolva.storage import Storage
from tolva.storages.local import LocalStorage

context = multiprocessing.get_context("forkserver")

OPENERS: dict[str, Callable[[Path], Storage]] = {"local": lambda where: LocalStorage(where / "storage")}
"""One line an adapter; every test here runs over each."""


@dataclass(frozen=True)
class Place:
    """Where a storage is. Can be pickled, so that other processes open the same one."""

    adapter: str
    where: Path

    def open(self) -> Storage:
        return OPENERS[self.adapter](self.where)


def whole(storage: Storage, key: str) -> bytes:
    """Return the object's bytes."""
    return bytes(storage.get(key)[0])


def put_new(place: Place, key: str, mine: bytes) -> bool:
    return place.open().put_new(key, mine)


def put_and_die(place: Place, key: str, data: list[bytes], point: str) -> None:
    crash._name = point
    place.open().put(key, data)


def delete_and_die(place: Place, keys: list[str], point: str) -> None:
    crash._name = point
    place.open().delete(keys)
