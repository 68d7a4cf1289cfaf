"""The finished files: what each one is."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tolva import crash
from tolva.errors import InputError
from tolva.rollup.folder import Folder
from tolva.rollup.names import Kind, kind_of

_GZIP_NEWLINE = gzip.compress(b"\n", mtime=0)
_BLOCK_BYTES = 2**20


class Identity(NamedTuple):
    """What tells a file from another that got its name later."""

    name: str
    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, name: str, stat: os.stat_result) -> Identity:
        """Return the identity of the file that ``stat`` was taken of."""
        return cls(name, stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """A finished file; ``newline`` is what must follow its bytes so that its last record is closed."""

    identity: Identity
    kind: Kind
    newline: bytes

    @property
    def name(self) -> str:
        """The file's name in ``finished/``."""
        return self.identity.name

    @property
    def size_bytes(self) -> int:
        """The file's own length."""
        return self.identity.size_bytes

    @property
    def room_bytes(self) -> int:
        """What the file takes up in a part."""
        return self.size_bytes + len(self.newline)


@dataclass(slots=True)
class FinishedFiles:
    """The finished files of a job; each is looked into once.

    Args:
        folder_name: their folder, below the job's folder.
        max_bytes: the size cap of a part.
    """

    folder_name: str
    max_bytes: int
    _known: dict[Identity, FinishedFile] = field(default_factory=dict)

    def find(self, folder: Folder, check: Callable[[], None]) -> list[FinishedFile]:
        """Return the files there are now. Empty ones are deleted; hidden ones and folders are left alone.

        ``check`` is called between files and may raise to stop.

        Raises:
            InputError: a gzip file is damaged.
        """
        current = {}
        with folder.entries(self.folder_name) as entries:
            for entry in entries:
                check()
                if not entry.name.startswith(".") and entry.is_file():
                    identity = Identity.of(entry.name, entry.stat())
                    file = self._known.get(identity) or self._look(folder, identity)
                    if file is not None:
                        current[identity] = file
        self._known = current
        return list(current.values())

    def others(self, folder: Folder) -> list[str]:
        """Return the names of what is in the folder and isn't a file to roll up."""
        with folder.entries(self.folder_name) as entries:
            return [entry.name for entry in entries if entry.name.startswith(".") or not entry.is_file()]

    def _look(self, folder: Folder, identity: Identity) -> FinishedFile | None:
        path = f"{self.folder_name}/{identity.name}"
        if not identity.size_bytes:
            crash.point("rollup.empty.before_unlink")
            folder.unlink(path)
            crash.point("rollup.empty.after_unlink")
            return None
        kind = kind_of(identity.name)
        fd = folder.open(path, os.O_RDONLY)
        try:
            newline = _gzip_newline(fd, folder, path) if kind.gzip else self._newline(fd, identity.size_bytes)
        finally:
            os.close(fd)
        return FinishedFile(identity, kind, newline)

    def _newline(self, fd: int, size_bytes: int) -> bytes:
        if os.pread(fd, 1, size_bytes - 1) == b"\n":
            return b""
        # A file of exactly the cap goes alone, so nothing can be glued to it, and the newline would pass the cap.
        return b"" if size_bytes == self.max_bytes else b"\n"


def _gzip_newline(fd: int, folder: Folder, path: str) -> bytes:
    last = b"\n"
    try:
        with os.fdopen(fd, "rb", closefd=False) as packed, gzip.open(packed) as unpacked:
            while block := unpacked.read(_BLOCK_BYTES):
                last = block[-1:]
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{folder.path / path} is not a whole gzip file ({error}): repair it or move it away, and run again.",
            file=str(folder.path / path),
        ) from error
    return b"" if last == b"\n" else _GZIP_NEWLINE
