"""A folder held open: what is done to it hits this very folder, even when its name is moved or given to another."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tolva.errors import StorageError


class Folder:
    """An open folder. Names are relative to it and may lead through it (``finished/x``, ``../finished/x``).

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back lock and descriptor."""
        # A process forked meanwhile shares the descriptor: closing ours alone would leave the lock in its hands.
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)

    def lock_alone(self) -> bool:
        """Lock the folder against all others; return False at once when somebody else has it."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def lock_shared(self) -> None:
        """Share the folder with others who share it; wait while somebody has it alone."""
        fcntl.flock(self.fd, fcntl.LOCK_SH)

    def is_current(self) -> bool:
        """Tell whether the folder still has its name: it wasn't moved away or removed."""
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self.fd))

    def open(self, name: str, flags: int) -> int:
        """Open a file; return its descriptor."""
        return os.open(name, flags, 0o666, dir_fd=self.fd)

    def stat(self, name: str) -> os.stat_result | None:
        """Return what is known of ``name``, or None when there is no such thing."""
        try:
            return os.stat(name, dir_fd=self.fd)
        except FileNotFoundError:
            return None

    def rename(self, old: str, new: str) -> None:
        """Rename in one step."""
        os.rename(old, new, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def unlink(self, name: str) -> None:
        """Delete a file, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder, if it is there."""
        with suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=self.fd)

    def names(self) -> list[str]:
        """Return the names in the folder."""
        return os.listdir(self.fd)  # noqa: PTH208 - a descriptor, not a path

    @contextmanager
    def entries(self, name: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        """Walk through the entries of a folder below this one; none when it isn't there."""
        try:
            fd = self.open(name, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            yield iter(())
            return
        try:
            with os.scandir(fd) as found:
                yield found
        finally:
            os.close(fd)

    def sync(self, name: str = ".") -> None:
        """Make the names in this folder, or in one below it, durable; nothing happens when that isn't there."""
        with suppress(FileNotFoundError):
            fd = self.open(name, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses (disk full, not allowed) into a StorageError that names the place."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"can't work in {error.filename or path} of {path}: {error.strerror}. Nothing is lost: mend it and go on.",
            path=str(path),
            errno=error.errno,
        ) from error
