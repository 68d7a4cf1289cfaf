"""Named bytes as files below one folder.

An object is written under a name of its own, fsynced, and only then renamed: were the rename first, a power cut could
leave a key with no bytes behind it, and for ``put_new`` such a key would count as taken for ever. The folders are
fsynced last, since they hold the names.
Bytes go past obstore. It has no fsync, and its threads still hold a failed upload's file when the error is told
already, so that a full disk stays full for a while. A memory map of a file of many ranges is ready in a hundredth of
its time, and plain reads stream ten times as fast.
"""

from __future__ import annotations

import builtins
import mmap
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from tolva import crash
from tolva.storage import Buffer
from tolva.storages.failures import storage_errors

_COPIED_BYTES = 16 * 2**10
"""Up to so many bytes are read rather than mapped: a map keeps its file open, and a task may need thousands."""

_UNFINISHED = ".unfinished"
"""How the names of objects end that are still being written; no key ends so."""


class LocalStorage:
    """Storage in the folder ``root``, which is made if need be."""

    def __init__(self, root: Path) -> None:
        self._root = root
        with storage_errors(str(root), root):
            root.mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(root)

    def put(self, key: str, data: Iterable[Buffer]) -> int:
        """Store the concatenated buffers under ``key`` in one step; return their length in bytes."""
        self._write(key, data, overwrite=True)
        with storage_errors(key, self._root):
            return self.path(key).stat().st_size

    def put_new(self, key: str, data: Buffer) -> bool:
        """Store ``data`` if there is nothing under ``key``; return whether it was stored."""
        try:
            self._write(key, [data], overwrite=False)
        except AlreadyExistsError:
            return False
        return True

    def get(self, key: str, ranges: Sequence[tuple[int, int]] | None = None) -> list[memoryview]:
        """Return the ranges asked for: large ones as views of a memory map that lives as long as they do."""
        with storage_errors(key, self._root), self.path(key).open("rb", buffering=0) as file:
            descriptor = file.fileno()
            size = os.fstat(descriptor).st_size
            wanted = [(0, size)] if ranges is None else ranges
            if min(size, sum(length for _, length in wanted)) <= _COPIED_BYTES:
                return [memoryview(os.pread(descriptor, length, offset)) for offset, length in wanted]
            whole = memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
        return [whole[offset : offset + length] for offset, length in wanted]

    def stream(self, key: str, *, block_bytes: int = 8 * 2**20) -> Iterator[memoryview]:
        """Yield the object's bytes in order, in blocks of at most ``block_bytes``."""
        with storage_errors(key, self._root), self.path(key).open("rb", buffering=0) as file:
            while block := file.read(block_bytes):
                yield memoryview(block)

    def link(self, key: str, path: Path) -> bool:
        """Give the object the second name ``path``; False where the system doesn't, as from one disk to another."""
        try:
            os.link(self.path(key), path)
        except OSError:
            return False
        return True

    def size(self, key: str) -> int | None:
        """Return the object's length in bytes, or None when there is none."""
        with storage_errors(key, self._root):
            try:
                return obstore.head(self._store, key)["size"]
            except FileNotFoundError:
                return None

    def path(self, key: str) -> Path:
        """Return the file that an object of this key is, for reading alone."""
        return self._root / key

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below the folder ``prefix``, in no order."""
        with storage_errors(prefix, self._root):
            for page in obstore.list(self._store, prefix):
                yield from (found["path"] for found in page if not found["path"].endswith(_UNFINISHED))

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders right below the folder ``prefix``, in no order."""
        with storage_errors(prefix, self._root), suppress(FileNotFoundError), os.scandir(self.path(prefix)) as found:
            yield from (each.name for each in found if each.is_dir())

    def delete(self, keys: Iterable[str]) -> None:
        """Remove these objects; those that are not there are no error."""
        for key in keys:
            crash.point("storage.delete.before")
            with storage_errors(key, self._root):
                try:
                    obstore.delete(self._store, key)
                except FileNotFoundError:
                    continue
            crash.point("storage.delete.after")

    def delete_below(self, prefix: str, *, keep: Collection[str] = ()) -> None:
        """Remove everything below the folder ``prefix`` but the keys in ``keep``, and folders that are empty then."""
        crash.point("storage.delete.before")
        kept = {self.path(key) for key in keep}
        with storage_errors(prefix, self._root):
            for folder, _, names in os.walk(self.path(prefix), topdown=False, onerror=_unless_gone):
                for path in {Path(folder, name) for name in names} - kept:
                    path.unlink(missing_ok=True)
                with suppress(OSError):  # it isn't empty
                    Path(folder).rmdir()
        crash.point("storage.delete.after")

    def _write(self, key: str, data: Iterable[Buffer], *, overwrite: bool) -> None:
        crash.point("storage.put.before")
        path = self.path(key)
        unfinished = f"{key}.{uuid4().hex}{_UNFINISHED}"
        with storage_errors(key, self._root):
            folders = _folders_to_sync(path)
            try:
                _write_synced(self.path(unfinished), data)
                crash.point("storage.put.unfinished")
                obstore.rename(self._store, unfinished, key, overwrite=overwrite)
            except BaseException:
                self.path(unfinished).unlink(missing_ok=True)
                raise
            for folder in folders:
                _sync(folder)
        crash.point("storage.put.after")


def _folders_to_sync(path: Path) -> builtins.list[Path]:
    """Return the file's folder and, as far as folders will have to be made, those that will hold their names."""
    folders = []
    for folder in path.parents:
        folders.append(folder)
        if folder.is_dir():
            break
    return folders


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _write_synced(path: Path, data: Iterable[Buffer]) -> None:
    """Write a new file and see it on disk. Nothing holds the file afterwards, whether that went well or not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for buffer in data:
            file.write(buffer)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
