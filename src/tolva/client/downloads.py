"""Parts on their way into a folder: written where they belong, whole before they are seen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tolva.client.views import PartInfo
from tolva.errors import ChecksumError, OutputError

_PARTIAL = ".part"


class Downloads:
    """The parts of one job in one folder; what it has survives the connection, not the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._have: dict[str, int] = {}
        self._missing: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None

    def have(self) -> Mapping[str, int]:
        """Return how many bytes of which parts are there already."""
        return dict(self._have)

    def begin(self, part: PartInfo, offset: int) -> int:
        """Get ready for the part's bytes from ``offset`` on; return how many are there."""
        if part.name in self._have and part.name not in self._missing:
            return part.bytes
        self._missing.add(part.name)
        return self.write(part, offset, b"")

    def write(self, part: PartInfo, offset: int, data: bytes | memoryview) -> int:
        """Write bytes of the part at ``offset``; return how many are there now."""
        path = self._partial(part)
        try:
            with path.open("r+b" if offset else "wb") as file:
                file.seek(offset)
                file.write(data)
                end = file.tell()
            self._have[part.name] = end
            if end == part.bytes:
                self._finish(part, path)
        except OSError as error:
            raise self._unwritable(error) from None
        return end

    def check(self) -> None:
        """Raise ChecksumError if a part isn't whole."""
        if self._missing:
            raise ChecksumError(f"{', '.join(sorted(self._missing))} didn't arrive whole. Run the same again.")

    def _finish(self, part: PartInfo, path: Path) -> None:
        if _sha256(path) != part.sha256:
            path.unlink()
            raise ChecksumError(f"{part.name} arrived damaged (its sha256 differs). Run the same again.")
        path.replace(self._folder / part.name)
        self._missing.discard(part.name)

    def _partial(self, part: PartInfo) -> Path:
        return self._folder / f".{part.name}{_PARTIAL}"

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(f"Results can't be written to {self._folder}: {error.strerror}.", folder=str(self._folder))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
