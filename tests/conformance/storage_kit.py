"""What storage tests share: places where storages are, and what runs in processes of its own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tolva import crash
from tolva.storage import Storage
from tolva.storages.local import LocalStorage
from tolva.storages.s3 import S3Storage

context = multiprocessing.get_context("forkserver")


def _open_s3(place: Place) -> Storage:
    # Child processes come from a fork server that has the environment of an earlier time.
    os.environ.update(place.environment)
    return S3Storage(f"s3://tolva/{sha256(str(place.where).encode()).hexdigest()[:32]}")


OPENERS: dict[str, Callable[[Place], Storage]] = {
    "local": lambda place: LocalStorage(place.where / "storage"),
    "s3": _open_s3,
}
"""One line an adapter; every test here runs over each."""


@dataclass(frozen=True)
class Place:
    """Where a storage is: one for each folder. Can be pickled, so that other processes open the same one."""

    adapter: str
    where: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def open(self) -> Storage:
        return OPENERS[self.adapter](self)


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
